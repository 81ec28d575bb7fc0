import { chmodSync, mkdtempSync } from 'node:fs';

/** Makes a folder of its own for a measurement. Other users may enter it: what root starts gives up root. @param prefix of its path */
export function newFolder(prefix: string): string {
  const directory = mkdtempSync(prefix);
  chmodSync(directory, 0o755);
  return directory;
}
