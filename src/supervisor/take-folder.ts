import { existsSync, mkdirSync, statSync } from 'node:fs';
import type { Config } from '../config/config.ts';
import { prepareHost } from './host.ts';
import { holdFolders, superviseFolders } from './locks.ts';

/**
 * Takes a folder of Pinhole's for as long as this process lives, as the process that usually works there. Root becomes the owner of the
 * folder for good: in a folder of another user, root makes, renames and links no file.
 * @throws InvalidInput if another process has the folder
 */
export function takeFolder(folder: string, config: Config): void {
  if (process.getuid?.() === 0) becomeOwner(folder, config);
  else mkdirSync(folder, { recursive: true, mode: 0o750 });
  superviseFolders([folder]);
  holdFolders([folder]);
}

function becomeOwner(folder: string, config: Config): void {
  if (!existsSync(folder)) prepareHost(config);
  const { uid, gid } = statSync(folder);
  process.umask(0o077);
  if (uid === 0) return;
  process.setgroups?.([gid]);
  process.setgid?.(gid);
  process.setuid?.(uid);
}
