import { readFileSync } from 'node:fs';
import { Client, type ClientFlags } from '../client/client.ts';
import type { ChainHead, SignedHead } from '../contract/audit.ts';
import type { ChainedEntry } from '../contract/audit-chain.ts';
import { ChainCheck } from '../contract/audit-check.ts';
import { Reader } from '../contract/reader.ts';
import { InvalidInput, PinholeError } from '../model/errors.ts';
import { systemClock } from '../ports/clock.ts';
import { Progress } from '../terminal/progress.ts';
import { type Column, paint, print, printJson, table } from '../terminal/table.ts';

interface EntryJson extends ChainHead {
  readonly id: number;
  readonly chain: string;
  readonly at: string;
  readonly request_id: string;
  readonly actor: string;
  readonly action: string;
  readonly target: string;
  readonly project_id: string;
  readonly before: string | null;
  readonly after: string | null;
}

interface HeadJson extends ChainHead {
  readonly chain: string;
  readonly at: string;
  readonly key_id: string;
  readonly public_key: string;
  readonly signature: string;
}

interface ChainJson {
  readonly chain: string;
  readonly anchor: ChainHead;
  readonly tail: ChainHead;
  readonly signed: HeadJson | null;
}

interface Verdict {
  readonly chain: string;
  readonly entries: number;
  readonly signed_at: string | null;
  readonly problems: readonly string[];
}

const PAGE = 1_000;
const MAX_FILE = 16 * 1024 * 1024;

const COLUMNS: readonly Column<EntryJson>[] = [
  { title: 'AT', value: ({ at }) => at },
  { title: 'ACTOR', value: ({ actor }) => actor },
  { title: 'ACTION', value: ({ action }) => action },
  { title: 'TARGET', value: ({ target }) => target },
  { title: 'PROJECT', value: ({ project_id }) => project_id || '-' },
  { title: 'REQUEST', value: ({ request_id }) => request_id },
];

export interface ListFlags extends ClientFlags {
  readonly limit?: string;
  readonly action?: string;
  readonly target?: string;
  readonly project?: string;
}

export async function list({ limit = '50', action, target, project, ...flags }: ListFlags): Promise<void> {
  const query = new URLSearchParams({
    limit,
    ...(action === undefined ? {} : { action }),
    ...(target === undefined ? {} : { target }),
    ...(project === undefined ? {} : { project_id: project }),
  });
  const { entries } = await new Client(flags).get<{ entries: EntryJson[] }>(`/v1/audit?${query}`);
  if (flags.json) printJson(entries);
  else print(table(entries, COLUMNS));
}

/** The signed heads as they are now: kept elsewhere, they tell later whether what they cover is still as it was. */
export async function heads(flags: ClientFlags): Promise<void> {
  const { chains } = await new Client(flags).get<{ chains: ChainJson[] }>('/v1/audit/chains');
  printJson({ heads: chains.flatMap(({ signed }) => signed ?? []) });
}

/** Reads every chain and checks it here: the server is not taken at its word. Ends with 1 where something is wrong. */
export async function verify(flags: ClientFlags & { heads?: string }): Promise<void> {
  const kept = flags.heads === undefined ? [] : readHeads(flags.heads);
  const client = new Client(flags);
  const { chains } = await client.get<{ chains: ChainJson[] }>('/v1/audit/chains');
  const verdicts: Verdict[] = [];
  for (const chain of chains) verdicts.push(await verifyChain(client, chain, kept));
  for (const { chain } of kept) {
    if (!verdicts.some((verdict) => verdict.chain === chain))
      verdicts.push({ chain, entries: 0, signed_at: null, problems: ['it is gone: a head of it was kept, and there is no such chain'] });
  }
  report(verdicts, flags);
  if (verdicts.some(({ problems }) => problems.length > 0)) process.exitCode = 1;
}

async function verifyChain(client: Client, chain: ChainJson, kept: readonly SignedHead[]): Promise<Verdict> {
  const { anchor, tail } = chain;
  const signed = chain.signed && toHead(chain.signed);
  const check = new ChainCheck(
    { chain: chain.chain, anchor, tail, signed },
    kept.filter((head) => head.chain === chain.chain),
  );
  const progress = new Progress(`chain ${chain.chain.slice(0, 8)}`, systemClock);
  for (let after = anchor.seq; after < tail.seq; ) {
    const query = new URLSearchParams({ chain: chain.chain, after: String(after), limit: String(PAGE) });
    const { entries } = await client.get<{ entries: EntryJson[] }>(`/v1/audit?${query}`);
    // What was written since the tail was read is no business of this check.
    const part = entries.filter(({ seq }) => seq <= tail.seq);
    for (const entry of part) check.add(toEntry(entry));
    const last = part.at(-1);
    if (!last || last.seq <= after) break;
    after = last.seq;
    progress.update(after - anchor.seq, tail.seq - anchor.seq);
  }
  progress.end();
  return { chain: chain.chain, entries: check.entries, signed_at: signed?.at ?? null, problems: check.finish() };
}

function report(verdicts: readonly Verdict[], flags: ClientFlags): void {
  if (flags.json) {
    printJson({ ok: verdicts.every(({ problems }) => problems.length === 0), chains: verdicts });
    return;
  }
  for (const { chain, entries, signed_at, problems } of verdicts) {
    const mark = problems.length === 0 ? paint('green', 'whole') : paint('red', 'NOT WHOLE');
    print(`chain ${chain}: ${entries} entries, ${mark}${signed_at ? `, signed ${signed_at}` : ', not signed yet'}\n`);
    for (const problem of problems.slice(0, 20)) print(`  ${problem}\n`);
    if (problems.length > 20) print(`  and ${problems.length - 20} more\n`);
  }
}

function toEntry({ request_id, project_id, ...entry }: EntryJson): ChainedEntry {
  return { ...entry, requestId: request_id, projectId: project_id };
}

function toHead({ key_id, public_key, ...head }: HeadJson): SignedHead {
  return { ...head, keyId: key_id, publicKey: public_key };
}

function readHeads(file: string): SignedHead[] {
  const { heads } = new Reader(parseFile(file), file).object('heads');
  return heads.array(10_000, (item) => {
    const fields = item.object('chain', 'seq', 'hash', 'at', 'key_id', 'public_key', 'signature');
    return {
      chain: fields.chain.string(255),
      seq: fields.seq.integer(0, Number.MAX_SAFE_INTEGER),
      hash: fields.hash.string(64),
      at: fields.at.string(64),
      keyId: fields.key_id.string(64),
      publicKey: fields.public_key.string(1000),
      signature: fields.signature.string(255),
    };
  });
}

function parseFile(file: string): unknown {
  try {
    const text = readFileSync(file, 'utf8');
    if (text.length > MAX_FILE) throw new PinholeError('too-large', `${file} is larger than ${MAX_FILE} bytes.`);
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof PinholeError) throw error;
    throw new InvalidInput('heads', `${file} is no file that 'pinhole audit heads' wrote: ${(error as Error).message}`);
  }
}
