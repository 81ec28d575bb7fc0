import { existsSync, rmSync } from 'node:fs';

export function remove(path: string): void {
  rmSync(path, { force: true });
}

export function isThere(path: string): boolean {
  return existsSync(path);
}
