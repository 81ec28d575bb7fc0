import { createHash } from 'node:crypto';

export function chainName(routerId: string): string {
  return `cth-${createHash('sha256').update(routerId).digest('hex')}`.slice(0, 28);
}

export function short(id: string): string {
  return id.slice(0, 8);
}
