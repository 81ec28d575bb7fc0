import { closeSync, openSync, readSync } from 'node:fs';

export function head(path: string, buffer: Buffer): number {
  const fd = openSync(path, 'r');
  try {
    return readSync(fd, buffer);
  } finally {
    closeSync(fd);
  }
}
