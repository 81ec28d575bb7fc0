import { spawnSync } from 'node:child_process';
import {
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  writeFileSync,
} from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { type Config, paths } from '../config/config.ts';
import { newTokenText } from '../contract/token.ts';
import { KERNEL_HELPERS } from '../model/catalogue.ts';
import { Denied, InvalidInput } from '../model/errors.ts';
import { type Account, type Accounts, resolveAccounts } from './accounts.ts';
import { CLI } from './programs.ts';

/**
 * Creates the folders of the processes, each owned with its files by the user that needs it. Sets the umask of this process to 022.
 * @returns the users that the processes run as
 * @throws Denied unless root; InvalidInput for folders that the users cannot read
 */
export function prepareHost(config: Config): Accounts {
  if (process.getuid?.() !== 0) throw new Denied('This needs root: it starts processes under other users. Try again with sudo.');
  // So that files get the modes that this file names, whatever the caller's umask is.
  process.umask(0o022);
  const accounts = resolveAccounts(config.users);
  const files = paths(config);
  for (const folder of [config.dataDir, config.runDir]) makeFolder(folder, { mode: 0o755, owner: null });
  const { server, agent, kernel, opener } = accounts;
  makeFolder(files.serverDir, { mode: 0o700, owner: server });
  makeFolder(files.agentDir, { mode: 0o700, owner: agent });
  makeSocketFolder(files.serverSocketDir, { owner: server, client: agent });
  makeSocketFolder(files.kernelSocketDir, { owner: kernel, client: agent });
  makeSocketFolder(files.openerSocketDir, { owner: opener, client: kernel });
  mkdirSync('/run/netns', { recursive: true, mode: 0o755 });
  checkReadable(accounts, [process.execPath, CLI, config.dataDir, config.runDir]);
  return accounts;
}

/** Makes the admin token that root's commands on this host use, unless its file exists. The server reads it, and stores its hash. */
export function ensureAdminToken(config: Config, accounts: Accounts): void {
  const { adminToken } = paths(config);
  const isNew = !existsSync(adminToken);
  const file = isNew ? openSync(adminToken, 'wx', 0o640) : openFile(adminToken);
  if (file === null) return;
  try {
    if (isNew) writeFileSync(file, `${newTokenText()}\n`);
    // One of an earlier version is root's and of a group of all processes.
    const { uid, nlink } = fstatSync(file);
    if (uid === 0 && nlink === 1) fchownSync(file, 0, accounts.server.gid);
  } finally {
    closeSync(file);
  }
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

interface Folder {
  readonly mode: number;
  /** Null: root, if the folder is new. */
  readonly owner: Account | null;
}

/**
 * Makes a folder, or gives one that is there to its user, with its files. A folder above may be a user's, who can put a link in its place at
 * any moment: what is given away is what was opened. @throws InvalidInput for a link
 */
function makeFolder(path: string, { mode, owner }: Folder): void {
  mkdirSync(path, { recursive: true, mode });
  const folder = openFile(path, constants.O_DIRECTORY);
  if (folder === null) throw new InvalidInput('path', `${path} is a link, which root does not follow. Remove it.`);
  try {
    if (owner === null) return;
    giveFiles(folder, owner);
    fchownSync(folder, owner.uid, owner.gid);
    fchmodSync(folder, mode);
  } finally {
    closeSync(folder);
  }
}

/** A folder for a socket, which its owner makes and its client may use: what is made in it gets the folder's group. */
function makeSocketFolder(path: string, { owner, client }: { owner: Account; client: Account }): void {
  makeFolder(path, { mode: 0o2750, owner: { uid: owner.uid, gid: client.gid } });
}

/**
 * Gives files in an open folder to its next user: root's, which a command made, like a restored database, and those of the folder's owner
 * now, which in an earlier version had several folders. The user can write to the folder, so a name may lead elsewhere: links, and files
 * with a second name, stay.
 */
function giveFiles(folder: number, next: Account): void {
  const givers = [0, fstatSync(folder).uid];
  const path = `/proc/self/fd/${folder}`;
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = openFile(join(path, entry.name));
    if (file === null) continue;
    try {
      const { uid, gid, nlink } = fstatSync(file);
      const isGiven = uid === next.uid && gid === next.gid;
      if (!isGiven && givers.includes(uid) && nlink === 1) fchownSync(file, next.uid, next.gid);
    } finally {
      closeSync(file);
    }
  }
}

/** Opens a file for reading; null for one that is gone, or has become a link, or with O_DIRECTORY is no folder. */
function openFile(path: string, flags = 0): number | null {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | flags);
  } catch (error) {
    if (['ENOENT', 'ELOOP', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return null;
    throw error;
  }
}

function checkReadable(accounts: Accounts, wanted: readonly string[]): void {
  for (const { uid, gid } of Object.values(accounts)) {
    for (const path of wanted) {
      const argv = ['--reuid', String(uid), '--regid', String(gid), '--clear-groups', '--', 'test', '-r', path];
      if (spawnSync('setpriv', argv, { stdio: 'ignore', cwd: '/' }).status === 0) continue;
      throw new InvalidInput(
        'path',
        `User ${uid}, which runs a process of Pinhole's, cannot read ${path}: move it to a folder that other users may enter, or allow that (chmod o+rx).`,
      );
    }
  }
}
