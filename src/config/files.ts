import { readFileSync } from 'node:fs';

/** Returns a file's text, decoded as UTF-8; null if there is no such file. @throws Error for any other failure */
export function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
