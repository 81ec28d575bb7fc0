import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { HOST_NETNS, type Netns } from '../contract/netns.ts';
import { PinholeError } from '../model/errors.ts';
import type { Clock, Timer } from '../ports/clock.ts';
import type { Service } from '../probe/channel.ts';
import type { PathReport } from '../probe/client.ts';
import { type Mode, PROBED } from '../probe/trials.ts';

const END = fileURLToPath(new URL('../proof/probe-end.js', import.meta.url));
const DATA_PORTS = { low: 40_000, high: 60_000 };
/** How long a process may take to start, and to try everything, on a machine that has much else to do. */
const START_MS = 30_000;
const RUN_MS = 120_000;

/** Two namespaces with a path between them. */
export interface Ends {
  readonly client: Netns;
  readonly server: Netns;
  /** Addresses of the server at which the reflector listens. */
  readonly listen: readonly string[];
}

/** What is tried, and how patiently. */
export interface Asking {
  readonly services: readonly Service[];
  /** Ways of announcing; absent: all. */
  readonly modes?: readonly Mode[];
  /** Milliseconds to wait for each answer. */
  readonly waitMs: number;
  readonly clock: Clock;
}

/**
 * Runs a probe client and a reflector in two namespaces of this host. They compare notes over a unix socket, so that only the packets of
 * the protocols themselves have to pass what is between them.
 * @param asked the addresses that the client asks, which NAT may lead to the server
 * @returns one report an address, in order
 * @throws PinholeError if an end does not start
 */
export async function probeBetween(
  ends: Ends,
  asked: readonly string[],
  { services, modes, waitMs, clock }: Asking,
): Promise<PathReport[]> {
  const folder = mkdtempSync(join(tmpdir(), 'pinhole-try-'));
  const channel = { path: join(folder, 'channel') };
  const reflector = start(ends.server, 'reflector', { addresses: ends.listen, services, channel, dataPorts: DATA_PORTS });
  try {
    await said(reflector, 'listening', clock);
    const common = { channel, only: PROBED, waitMs, dataPorts: DATA_PORTS, ...(modes ? { modes } : {}) };
    const client = start(
      ends.client,
      'client',
      asked.map((address) => ({ reflector: address, ...common })),
    );
    return JSON.parse(await output(client, clock)) as PathReport[];
  } finally {
    reflector.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  }
}

function start(netns: Netns, role: string, options: object): ChildProcess {
  const argv = [process.execPath, END, role, JSON.stringify(options)];
  const [program = '', ...rest] = netns === HOST_NETNS ? argv : ['ip', 'netns', 'exec', netns, ...argv];
  return spawn(program, rest, { stdio: ['pipe', 'pipe', 'pipe'] });
}

/** Waits for a word of an end. */
async function said(child: ChildProcess, word: string, clock: Clock): Promise<void> {
  await within(child, { clock, ms: START_MS, what: 'start' }, (resolve) => {
    child.stdout?.on('data', (chunk: Buffer) => String(chunk).includes(word) && resolve(''));
  });
}

/** All that an end says until it ends. */
async function output(child: ChildProcess, clock: Clock): Promise<string> {
  let text = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    text += String(chunk);
  });
  return within(child, { clock, ms: RUN_MS, what: 'answer' }, (resolve) => {
    child.on('close', (code) => code === 0 && resolve(text));
  });
}

/** Waits for an end to do something. @throws PinholeError with what it printed if it fails, or if its time is over; it is ended then */
async function within(
  child: ChildProcess,
  { clock, ms, what }: { clock: Clock; ms: number; what: string },
  work: (resolve: (text: string) => void) => void,
): Promise<string> {
  let errors = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    errors += String(chunk);
  });
  let timer: Timer | undefined;
  try {
    return await new Promise<string>((resolve, reject) => {
      const fail = (why: string) => reject(new PinholeError('internal', `A process of the probe did not ${what}: ${why}`));
      work(resolve);
      child.on('error', (error) => fail(error.message));
      child.on('close', (code) => code !== 0 && fail(errors.trim().split('\n').at(-1) || `it ended with status ${code}`));
      timer = clock.after(ms, () => {
        child.kill('SIGKILL');
        fail(`not within ${ms / 1000} s`);
      });
    });
  } finally {
    timer?.cancel();
  }
}
