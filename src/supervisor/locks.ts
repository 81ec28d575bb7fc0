import { spawnSync } from 'node:child_process';
import { closeSync, constants, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { InvalidInput, PinholeError } from '../model/errors.ts';

const { O_CREAT, O_DIRECTORY, O_NOFOLLOW, O_RDONLY, O_RDWR } = constants;
/** Processes of a supervisor that was killed need a moment to end: the next supervisor waits that long for their locks. */
const LEFTOVER_SECONDS = 5;
/** The exit status of flock(1) for a lock that another process has. */
const CONFLICT = 1;

/**
 * Takes the folders of this process for as long as it lives, so that a second Pinhole on the same folders ends before it has touched
 * anything there. The folders exist.
 * @throws InvalidInput if another process has one of them
 */
export function holdFolders(folders: readonly string[]): void {
  for (const folder of folders) {
    const fd = openSync(lockFile(folder), O_RDWR | O_CREAT | O_NOFOLLOW, 0o644);
    if (!lock(fd, 0)) throw inUse(folder);
    ftruncateSync(fd);
    writeSync(fd, `${process.pid}\n`);
  }
}

/**
 * Takes the folders of the processes that this supervisor is about to start. That lock is on the folder itself: each process then takes
 * the one of {@link holdFolders}, as it does under systemd.
 * @throws InvalidInput if another supervisor, or a process that runs already, has one of them
 */
export function superviseFolders(folders: readonly string[]): void {
  for (const folder of folders) {
    const fd = openSync(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!lock(fd, 0) || !isFree(folder)) throw inUse(folder);
  }
}

/** Root follows no link and makes no file in a folder of another user. */
function isFree(folder: string): boolean {
  const fd = openIfThere(lockFile(folder));
  if (fd === null) return true;
  try {
    return lock(fd, LEFTOVER_SECONDS);
  } finally {
    closeSync(fd);
  }
}

/**
 * Takes the lock of an open file with flock(1). flock(2) ties a lock to the open file and not to a process, so that it stays with this
 * process until the descriptor is closed, and ends with the process.
 * @returns false if another process has it
 */
function lock(fd: number, seconds: number): boolean {
  const argv = seconds > 0 ? ['--exclusive', '--timeout', String(seconds), '3'] : ['--exclusive', '--nonblock', '3'];
  const { status, error, stderr } = spawnSync('flock', argv, { stdio: ['ignore', 'ignore', 'pipe', fd], encoding: 'utf8' });
  if (status === 0) return true;
  if (status === CONFLICT) return false;
  throw new PinholeError('internal', `A folder cannot be locked with flock: ${error?.message ?? stderr.trim()}.`);
}

function inUse(folder: string): InvalidInput {
  return new InvalidInput(
    'folder',
    `${folder} is in use by another Pinhole${holder(folder)}. Stop it first, or give this one folders of its own (--data-dir, and run_dir in its configuration).`,
  );
}

/** The process that wrote its id into the lock, in words; empty if that is not known. */
function holder(folder: string): string {
  const fd = openIfThere(lockFile(folder));
  if (fd === null) return '';
  try {
    const [, pid] = /^(\d{1,10})\n/.exec(readFileSync(fd, 'utf8')) ?? [];
    return pid === undefined ? '' : ` (process ${pid})`;
  } finally {
    closeSync(fd);
  }
}

function openIfThere(path: string): number | null {
  try {
    return openSync(path, O_RDONLY | O_NOFOLLOW);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

function lockFile(folder: string): string {
  return join(folder, 'lock');
}
