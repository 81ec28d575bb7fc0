import { spawnSync } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { type Config, paths } from '../config/config.ts';
import { newTokenText } from '../contract/token.ts';
import { KERNEL_HELPERS } from '../model/catalogue.ts';
import { Denied, InvalidInput } from '../model/errors.ts';
import { type Accounts, resolveAccounts } from './accounts.ts';
import { CLI } from './programs.ts';

/**
 * Makes the folders of the processes, each for the user that needs it.
 * @returns the users that the processes run as
 * @throws Denied unless root; InvalidInput for folders that the users cannot read
 */
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
