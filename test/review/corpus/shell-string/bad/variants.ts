import { exec, execSync, spawn } from 'node:child_process';
import { promisify } from 'node:util';
const run = promisify(exec);
export function a(ns: string): void {
  execSync(`ip netns del ${ns}`); // finds: shell-string
}
export async function b(ns: string): Promise<void> {
  await run('ip netns add ' + ns); // finds: shell-string
}
export function c(ns: string): void {
  spawn('ip netns pids ' + ns, { shell: true }); // finds: shell-string
}
export function d(ns: string): void {
  spawn('sh', ['-c', `ip netns del ${ns}`]); // finds: shell-string
}
export function rule(helper: { port: string; name: string }): string {
  return `add rule inet fw pre tcp dport ${helper.port} ct helper set "${helper.name}"`; // finds: unvalidated-text
}
export async function q(db: Db, name: string): Promise<void> {
  await db.query(`SELECT id FROM routers WHERE name = '${name}'`); // finds: unvalidated-text
}
