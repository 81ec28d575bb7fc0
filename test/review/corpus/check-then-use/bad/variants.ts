import { existsSync, mkdirSync, readFileSync, unlinkSync } from 'node:fs';
import { access, unlink } from 'node:fs/promises';
export function a(path: string): void {
  if (existsSync(path)) unlinkSync(path); // finds: check-then-use
}
export function b(path: string): string {
  if (!existsSync(path)) return ''; // finds: check-then-use
  return readFileSync(path, 'utf8');
}
export function c(path: string): void {
  if (!existsSync(path)) mkdirSync(path); // finds: check-then-use
}
