import { exec } from 'node:child_process';

export function remove(namespace: string): void {
  exec(`ip netns del ${namespace}`); // finds: shell-string
}
