import { type ChildProcess, spawn } from 'node:child_process';
import type { Accounts } from './accounts.ts';
import { CLI, type Program } from './programs.ts';

export interface Supervised {
  /** Process ids by the names of programs. */
  readonly pids: ReadonlyMap<string, number>;
  /** Passes SIGHUP to the server: certificates and policy are read anew. */
  reload(): void;
  /** Resolves when all have ended. */
  stop(): Promise<void>;
}

const KERNEL_CAPABILITIES = '-all,+sys_admin,+net_admin';
const NO_CAPABILITIES = '-all';
const FIRST_RESTART_MS = 50;
const MAX_RESTART_MS = 1_000;
/** A process that lived this long starts again at once when it dies. */
const STABLE_MS = 5_000;
const KILL_AFTER_MS = 5_000;

/**
 * The one process that stays root: starts the others without rights that they do not need, and starts them again when they die.
 * It listens to no socket.
 */
export function supervise(programs: readonly Program[], accounts: Accounts, env: NodeJS.ProcessEnv): Supervised {
  const children = new Map<string, ChildProcess>();
  const pids = new Map<string, number>();
  const timers = new Set<NodeJS.Timeout>();
  let stopping = false;

  const start = (program: Program, wait: number) => {
    const startedAt = Date.now();
    const child = spawn('setpriv', setprivArguments(program, accounts), { stdio: ['ignore', 'inherit', 'inherit'], cwd: '/', env });
    children.set(program.name, child);
    if (child.pid) pids.set(program.name, child.pid);
    child.on('error', (error) => process.stderr.write(`${program.name} cannot be started: ${error.message}\n`));
    child.on('close', (code, signal) => {
      children.delete(program.name);
      if (stopping) return;
      const pause = Date.now() - startedAt > STABLE_MS ? FIRST_RESTART_MS : wait;
      process.stderr.write(`${program.name} ended (${signal ?? code}); starting it again in ${pause} ms\n`);
      const timer = setTimeout(() => {
        timers.delete(timer);
        start(program, Math.min(pause * 2, MAX_RESTART_MS));
      }, pause);
      timers.add(timer);
    });
  };
  for (const program of programs) start(program, FIRST_RESTART_MS);

  return {
    pids,
    reload: () => void children.get('server')?.kill('SIGHUP'),
    stop: async () => {
      stopping = true;
      for (const timer of timers) clearTimeout(timer);
      await Promise.all([...children.values()].map(end));
    },
  };
}

/**
 * A child that loses its supervisor gets SIGTERM: two sets of processes never run side by side. Signals of the terminal go
 * to the whole group, so that children may get them first; all take a second one well.
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

function end(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    const timer = setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS);
    child.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
    child.kill('SIGTERM');
  });
}
