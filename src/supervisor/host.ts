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
 * Creates the folders of the processes, each owned by the user that needs it. Sets the umask of this process to 022.
 * @returns the users that the processes run as
 * @throws Denied unless root; InvalidInput for folders that the users cannot read
 */
export function prepareHost(config: Config): Accounts {
  if (process.getuid?.() !== 0) throw new Denied('This needs root: it starts processes under other users. Try again with sudo.');
  // So that files get the modes that this file names, whatever the caller's umask is.
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

/** Makes the admin token that commands on this host use, unless its file exists. Root and the group may read it; the server stores its hash. */
export function ensureAdminToken(config: Config, accounts: Accounts): void {
  const { adminToken } = paths(config);
  if (existsSync(adminToken)) return;
  writeFileSync(adminToken, `${newTokenText()}\n`, { mode: 0o640, flag: 'wx' });
  chownSync(adminToken, 0, accounts.group);
}

/**
 * Loads the kernel modules of all helpers, since nothing else loads their NAT modules. Modules that are built in or missing are no
 * error here: the status of helpers shows them.
 */
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
        `User ${uid}, which runs Pinhole's processes, cannot read ${path}: move it to a folder that other users may enter, or allow that (chmod o+rx).`,
      );
    }
  }
}
