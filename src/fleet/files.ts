import { chmodSync, closeSync, fstatSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** Writes the files of a fleet, each at once and only if it differs. */
export class Files {
  /** Paths of the files that were written. */
  readonly written: string[] = [];

  /** Makes a file's text and mode what is said. A process that is killed leaves the file before it, or the new one. */
  put(path: string, text: string, mode = 0o600): void {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const found = lookAt(path);
    if (found?.text === text && found.mode === mode) return;
    const partial = `${path}.partial`;
    const fd = openSync(partial, 'w', 0o600);
    try {
      writeFileSync(fd, text);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    chmodSync(partial, mode);
    renameSync(partial, path);
    this.written.push(path);
  }
}

/** The text of a file; null if there is none. @throws Error for a file that cannot be read */
export function textOf(path: string): string | null {
  return lookAt(path)?.text ?? null;
}

/** Text and mode of one and the same file. */
function lookAt(path: string): { readonly text: string; readonly mode: number } | null {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  try {
    return { text: readFileSync(fd, 'utf8'), mode: fstatSync(fd).mode & 0o777 };
  } finally {
    closeSync(fd);
  }
}
