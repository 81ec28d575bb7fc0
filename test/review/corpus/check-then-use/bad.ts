import { existsSync, unlinkSync } from 'node:fs';

export function remove(path: string): void {
  if (existsSync(path)) unlinkSync(path); // finds: check-then-use
}
