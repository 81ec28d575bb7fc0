import { type ChildProcess, spawn } from 'node:child_process';
import { openSync } from 'node:fs';
import { ERROR_CODES } from '../model/errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { Ports } from '../ports/ports.ts';
import { type Backoff, Retry } from '../ports/retry.ts';
import { Timers } from '../ports/timers.ts';
import { type Accounts, configReaders, type ProcessName } from './accounts.ts';
import { CLI, environmentOf, type Program } from './programs.ts';
import { watchChild, watchVariables } from './watch.ts';

/** Processes that are started again when they end. */
export interface Supervised {
  /** Ids of the processes that run now, by the names of their programs. */
  readonly pids: ReadonlyMap<string, number>;
  /** Sends SIGHUP to the server, which reloads certificate and policy. */
  reload(): void;
  /**
   * Resolves if a program refuses its configuration (exit status 2) before it ever ran. The program has said why, and would refuse
   * it again. Programs that ran are started again all the same.
   */
  readonly refused: Promise<void>;
  /** Sends SIGTERM to all, after 5 s SIGKILL, and resolves when all have ended. */
  stop(): Promise<void>;
}

/** The capabilities of each program, as setpriv(1) takes them. The kernel process gets sockets in namespaces from the opener. */
const CAPABILITIES: Readonly<Record<ProcessName, string>> = {
  opener: '-all,+sys_admin,+net_admin',
  kernel: '-all,+net_admin',
  server: '-all',
  agent: '-all',
};
/** Programs in a network namespace of their own, without a network: they work with sockets that are opened elsewhere. */
const APART: readonly ProcessName[] = ['opener', 'kernel'];
/** Programs that read the configuration. */
const READERS: readonly ProcessName[] = ['server', 'agent'];
const RESTART: Backoff = { firstMs: 50, maxMs: 1_000 };
/** After a process ran this long, its next restart waits only the first delay again. */
const STABLE_MS = 5_000;
const KILL_AFTER_MS = 5_000;
/** The exit status of a program that refuses its flags or configuration. */
const REFUSED = ERROR_CODES['invalid-input'].exit;

/**
 * Starts programs, each with only the rights that it needs, kills those that fall silent, and starts each again when it ends. The caller is the only process that
 * stays root, and it listens on no socket.
 */
export function supervise(
  programs: readonly Program[],
  { accounts, env }: { readonly accounts: Accounts; readonly env: NodeJS.ProcessEnv },
  ports: Pick<Ports, 'clock' | 'chance'>,
): Supervised {
  const children = new Map<string, ChildProcess>();
  const netns = openSync('/proc/self/ns/net', 'r');
  const pids = new Map<string, number>();
  const timers = new Timers(ports);
  const proven = new Set<string>();
  let stopping = false;
  let refuse = (): void => undefined;
  const refused = new Promise<void>((resolve) => {
    refuse = resolve;
  });

  const start = (program: Program, retry: Retry) => {
    const startedAt = ports.clock.monotonic();
    const [command, ...argv] = commandLine(program, accounts);
    const child = spawn(command, argv, {
      stdio: ['ignore', 'inherit', 'inherit', 'pipe', program.name === 'opener' ? netns : 'ignore'],
      cwd: '/',
      env: { ...environmentOf(program, env), ...watchVariables(program) },
    });
    watchChild(child, program, ports.clock);
    children.set(program.name, child);
    if (child.pid) pids.set(program.name, child.pid);
    child.on('error', (error) => process.stderr.write(`${program.name} cannot be started: ${error.message}\n`));
    child.on('close', (code, signal) => {
      children.delete(program.name);
      if (stopping) return;
      // A refusal comes before the program does its work, however long its start took.
      if (code === REFUSED) {
        if (!proven.has(program.name)) return refuse();
      } else if (ports.clock.monotonic() - startedAt > STABLE_MS) {
        proven.add(program.name);
        retry.succeeded();
      }
      const pause = Math.round(retry.failed());
      process.stderr.write(`${program.name} ended (${signal ?? code}); starting it again in ${pause} ms\n`);
      timers.after(pause, () => start(program, retry));
    });
  };
  for (const program of programs) start(program, new Retry(RESTART, ports.chance));

  return {
    pids,
    refused,
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
function commandLine(program: Program, accounts: Accounts): [string, ...string[]] {
  const capabilities = CAPABILITIES[program.name];
  const { uid, gid } = accounts[program.name];
  const readers = READERS.includes(program.name) ? configReaders() : null;
  return [
    ...(APART.includes(program.name) ? ['unshare', '--net', '--'] : []),
    'setpriv',
    '--reuid',
    String(uid),
    '--regid',
    String(gid),
    ...(readers === null ? ['--clear-groups'] : ['--groups', String(readers)]),
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
  ] as [string, ...string[]];
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
