import { readFileSync } from 'node:fs';

/** A file's text; null where there is none. @throws whatever else keeps it from being read */
export function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
