import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { fileURLToPath } from 'node:url';
import { type Config, paths } from '../config/config.ts';
import { newTokenText } from '../contract/token.ts';
import { KERNEL_HELPERS } from '../model/catalogue.ts';
import { Denied, InvalidInput } from '../model/errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { Ports } from '../ports/ports.ts';
import { type Backoff, Retry } from '../ports/retry.ts';
import { Timers } from '../ports/timers.ts';
import { type Accounts, resolveAccounts } from './accounts.ts';

/**
 * The one process that stays root: makes folders, loads modules, starts the others without rights they do not need, and
 * starts them again when they die. It listens to nobody.
 */
export interface Program {
  readonly name: string;
  readonly arguments: readonly string[];
  readonly account: 'pinhole' | 'kernel';
  /** Flags of Node's own. */
  readonly nodeFlags: readonly string[];
}

export interface Supervised {
  readonly pids: ReadonlyMap<string, number>;
  /** Passes SIGHUP to the server: certificates and policy are read anew. */
  reload(): void;
  /** Resolves when all have ended. */
  stop(): Promise<void>;
}

const CLI = fileURLToPath(new URL('../cli.js', import.meta.url));
const KERNEL_CAPABILITIES = '-all,+sys_admin,+net_admin';
const NO_CAPABILITIES = '-all';
/** What these processes keep is small and what they pass through is not: a small young generation costs little time here. */
export const KERNEL_NODE_FLAGS = ['--max-semi-space-size=4', '--max-old-space-size=96'];
const RESTART: Backoff = { firstMs: 50, maxMs: 1_000 };
/** A process that lived this long and dies is started again after the first wait. */
const STABLE_MS = 5_000;
const KILL_AFTER_MS = 5_000;

/** @throws Denied unless root; InvalidInput for folders that the users cannot read */
export function prepareHost(config: Config): Accounts {
  if (process.getuid?.() !== 0) throw new Denied('This needs root: it starts processes under other users. Try again with sudo.');
  // Modes are meant as they are written here, whatever the caller's mask.
  process.umask(0o022);
  const accounts = resolveAccounts(config.users);
  const files = paths(config);
  makeFolder(config.dataDir, { mode: 0o755, uid: 0, gid: 0 });
  makeFolder(config.runDir, { mode: 0o755, uid: 0, gid: 0 });
  makeFolder(files.serverDir, { mode: 0o700, uid: accounts.pinhole, gid: accounts.group });
  makeFolder(files.agentDir, { mode: 0o700, uid: accounts.pinhole, gid: accounts.group });
  makeFolder(files.serverSocketDir, { mode: 0o750, uid: accounts.pinhole, gid: accounts.group });
  makeFolder(files.kernelSocketDir, { mode: 0o750, uid: accounts.kernel, gid: accounts.group });
  mkdirSync('/run/netns', { recursive: true, mode: 0o755 });
  checkReadable(accounts, [process.execPath, CLI, config.dataDir, config.runDir]);
  return accounts;
}

/** The token that clients on this host use; made once. Its hash is the server's to keep. */
export function ensureAdminToken(config: Config, accounts: Accounts): void {
  const { adminToken } = paths(config);
  if (existsSync(adminToken)) return;
  writeFileSync(adminToken, `${newTokenText()}\n`, { mode: 0o640, flag: 'wx' });
  chownSync(adminToken, 0, accounts.group);
}

/** Where helpers are modules: nothing else loads the NAT ones. A built-in or missing one is no error; status tells. */
export function loadModules(): void {
  if (!existsSync(`/lib/modules/${release()}`)) return;
  const names = new Set(KERNEL_HELPERS.flatMap(({ modules }) => (modules.nat ? [modules.conntrack, modules.nat] : [modules.conntrack])));
  spawnSync('modprobe', ['--all', '--quiet', ...names], { stdio: 'ignore' });
}

/** What the kernel process has to know. */
export function kernelOptions(config: Config) {
  return { socket: paths(config).kernelSocket, ...config.kernel, logLevel: config.logLevel };
}

export function kernelProgram(config: Config): Program {
  return {
    name: 'kernel',
    arguments: ['kernel-process', JSON.stringify(kernelOptions(config))],
    account: 'kernel',
    nodeFlags: KERNEL_NODE_FLAGS,
  };
}

/** Starts programs and starts each again when it ends, until it is told to stop. */
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

function makeFolder(path: string, { mode, uid, gid }: { mode: number; uid: number; gid: number }): void {
  const isNew = !existsSync(path);
  mkdirSync(path, { recursive: true, mode });
  if (isNew || uid !== 0) chownSync(path, uid, gid);
}

function checkReadable(accounts: Accounts, wanted: readonly string[]): void {
  for (const uid of [accounts.pinhole, accounts.kernel]) {
    for (const path of wanted) {
      const argv = ['--reuid', String(uid), '--regid', String(accounts.group), '--clear-groups', '--', 'test', '-r', path];
      if (spawnSync('setpriv', argv, { stdio: 'ignore', cwd: '/' }).status === 0) continue;
      throw new InvalidInput(
        'path',
        `${path} cannot be read by user ${uid}, whom Pinhole's processes run as: move it out of folders that are closed to others, or open them (chmod o+rx).`,
      );
    }
  }
}
