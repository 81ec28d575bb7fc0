import { execFile, spawn } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

export async function add(ns: string): Promise<void> {
  await run('ip', ['netns', 'add', ns]);
}

export function inside(ns: string): void {
  spawn('nsenter', [`--net=/run/netns/${ns}`, 'sh', '-c', 'ip link']);
}
