import { ANY_NUMBER } from '../../client/answer.ts';
import { Client, type ClientFlags } from '../../client/client.ts';
import { AUDIT_CHAIN, AUDIT_ENTRY, type AuditChain, type SignedHead } from '../../contract/audit.ts';
import { ChainCheck } from '../../contract/audit-check.ts';
import { list } from '../../contract/compounds.ts';
import { record } from '../../contract/record.ts';
import { systemClock } from '../../ports/clock.ts';
import { Progress } from '../../terminal/progress.ts';
import { paint, print, printJson } from '../../terminal/table.ts';
import { readHeads } from './kept-heads.ts';

const CHAINS = record({ chains: list(AUDIT_CHAIN, ANY_NUMBER) });
const ENTRIES = record({ entries: list(AUDIT_ENTRY, ANY_NUMBER) });

interface Verdict {
  readonly chain: string;
  readonly entries: number;
  /** Time of the newest signed head. */
  readonly signed_at: string | null;
  /** Empty for a chain that is whole. */
  readonly problems: readonly string[];
}

const PAGE = 1_000;

/**
 * Reads every chain of the audit log and checks its hashes and signatures here, since the server could lie about its own check.
 * Exits with 1 if a chain is not whole.
 */
export async function verify(flags: ClientFlags & { heads?: string }): Promise<void> {
  const kept = flags.heads === undefined ? [] : readHeads(flags.heads);
  const client = new Client(flags);
  const { chains } = await client.read(CHAINS, 'GET', '/v1/audit/chains');
  const verdicts: Verdict[] = [];
  for (const chain of chains) verdicts.push(await verifyChain(client, chain, kept));
  for (const { chain } of kept) {
    if (!verdicts.some((verdict) => verdict.chain === chain))
      verdicts.push({ chain, entries: 0, signed_at: null, problems: ['the server has no such chain, but one of its heads was kept'] });
  }
  report(verdicts, flags);
  if (verdicts.some(({ problems }) => problems.length > 0)) process.exitCode = 1;
}

async function verifyChain(client: Client, chain: AuditChain, kept: readonly SignedHead[]): Promise<Verdict> {
  const { anchor, tail, signed } = chain;
  const check = new ChainCheck(
    chain,
    kept.filter((head) => head.chain === chain.chain),
  );
  const progress = new Progress(`chain ${chain.chain.slice(0, 8)}`, systemClock);
  for (let after = anchor.seq; after < tail.seq; ) {
    const query = new URLSearchParams({ chain: chain.chain, after: String(after), limit: String(PAGE) });
    const { entries } = await client.read(ENTRIES, 'GET', `/v1/audit?${query}`);
    // Entries that were written after the tail was read are not part of this check.
    const part = entries.filter(({ seq }) => seq <= tail.seq);
    for (const entry of part) check.add(entry);
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
