import { closeSync, existsSync, fsyncSync, linkSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { InvalidInput } from '../model/errors.ts';

/** A file that appears under its name when it is whole. Only its owner may read it (0600). */
export interface NewFile {
  /** Where to write: an empty file beside the other. */
  readonly partial: string;
  /** Gives the file its name. @throws InvalidInput if another file has got it meanwhile and may not be replaced */
  keep(): void;
  /** Removes what is not kept. */
  close(): void;
}

/**
 * Begins a file that a flag or argument names.
 * @param force whether to replace a file of that name
 * @throws InvalidInput if it exists, or cannot be written
 */
export function newFile(path: string, { field, force }: { readonly field: string; readonly force: boolean }): NewFile {
  const exists = () => new InvalidInput(field, `${path} exists already. With --force, it is replaced.`);
  if (!force && existsSync(path)) throw exists();
  const partial = `${path}.${process.pid}.partial`;
  try {
    closeSync(openSync(partial, 'wx', 0o600));
  } catch (error) {
    throw new InvalidInput(field, `${path} cannot be written (${(error as NodeJS.ErrnoException).code}).`);
  }
  return {
    partial,
    keep: () => {
      sync(partial);
      if (force) renameSync(partial, path);
      else link(partial, path, exists);
      sync(dirname(path));
    },
    close: () => rmSync(partial, { force: true }),
  };
}

/** A second name, unlike a rename, never replaces a file. */
function link(from: string, to: string, exists: () => InvalidInput): void {
  try {
    linkSync(from, to);
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === 'EEXIST' ? exists() : error;
  }
}

/** Waits until a file, or the names in a folder, are on disk. */
function sync(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
