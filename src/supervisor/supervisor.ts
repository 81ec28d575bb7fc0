import { type ChildProcess, spawn } from 'node:child_process';
import type { Clock } from '../ports/clock.ts';
import type { Ports } from '../ports/ports.ts';
import { type Backoff, Retry } from '../ports/retry.ts';
import { Timers } from '../ports/timers.ts';
import type { Accounts } from './accounts.ts';
import { CLI, type Program } from './programs.ts';

/** Processes that are started again when they end. */
export interface Supervised {
  /** Ids of the processes that run now, by the names of their programs. */
  readonly pids: ReadonlyMap<string, number>;
  /** Sends SIGHUP to the server, which reloads certificate and policy. */
  reload(): void;
  /** Sends SIGTERM to all, after 5 s SIGKILL, and resolves when all have ended. */
  stop(): Promise<void>;
}

const KERNEL_CAPABILITIES = '-all,+sys_admin,+net_admin';
const NO_CAPABILITIES = '-all';
const RESTART: Backoff = { firstMs: 50, maxMs: 1_000 };
/** After a process ran this long, its next restart waits only the first delay again. */
const STABLE_MS = 5_000;
const KILL_AFTER_MS = 5_000;

/**
 * Starts programs, each with only the rights that it needs, and starts each again when it ends. The caller is the only process that
 * stays root, and it listens on no socket.
 */
export function supervise(
  programs: readonly Program[],
  { accounts, env }: { readonly accounts: Accounts; readonly env: NodeJS.ProcessEnv },
  ports: Pick<Ports, 'clock' | 'chance'>,
): Supervised {
  const children = new Map<string, ChildProcess>();
  const pids = new Map<string, number>();
  const timers = new Timers(ports);
  let stopping = false;

  const start = (program: Program, retry: Retry) => {
    const startedAt = ports.clock.monotonic();
    const child = spawn('setpriv', setprivArguments(program, accounts), { stdio: ['ignore', 'inherit', 'inherit'], cwd: '/', env });
    children.set(program.name, child);
    if (child.pid) pids.set(program.name, child.pid);
    child.on('error', (error) => process.stderr.write(`${program.name} cannot be started: ${error.message}\n`));
    child.on('close', (code, signal) => {
      children.delete(program.name);
      if (stopping) return;
      if (ports.clock.monotonic() - startedAt > STABLE_MS) retry.succeeded();
      const pause = Math.round(retry.failed());
      process.stderr.write(`${program.name} ended (${signal ?? code}); starting it again in ${pause} ms\n`);
      timers.after(pause, () => start(program, retry));
    });
  };
  for (const program of programs) start(program, new Retry(RESTART, ports.chance));

  return {
    pids,
    reload: () => void children.get('server')?.kill('SIGHUP'),
    stop: async () => {
      stopping = true;
      timers.close();
      await Promise.all([...children.values()].map((child) => end(child, ports.clock)));
    },
  };
}

/**
 * A child whose supervisor dies gets SIGTERM, so that two sets of processes never run at the same time. A terminal sends its signals
 * to the whole process group, so a child may get one before the supervisor sends its own; a second signal does no harm.
 */
function setprivArguments(program: Program, accounts: Accounts): string[] {
  const capabilities = program.account === 'kernel' ? KERNEL_CAPABILITIES : NO_CAPABILITIES;
  return [
    '--reuid',
    String(accounts[program.account]),
    '--regid',
    String(accounts.group),
    '--clear-groups',
    '--no-new-privs',
    '--inh-caps',
    capabilities,
    '--ambient-caps',
    capabilities,
    '--bounding-set',
    capabilities,
    '--pdeathsig',
    'TERM',
    '--',
    process.execPath,
    ...program.nodeFlags,
    CLI,
    ...program.arguments,
  ];
}

function end(child: ChildProcess, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    const timer = clock.after(KILL_AFTER_MS, () => child.kill('SIGKILL'));
    child.once('close', () => {
      timer.cancel();
      resolve();
    });
    child.kill('SIGTERM');
  });
}
