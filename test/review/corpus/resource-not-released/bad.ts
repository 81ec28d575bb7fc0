import { closeSync, openSync, readSync } from 'node:fs';

export function head(path: string, buffer: Buffer): number {
  const fd = openSync(path, 'r'); // finds: resource-not-released
  const length = readSync(fd, buffer);
  closeSync(fd);
  return length;
}
