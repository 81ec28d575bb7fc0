import { randomUUID } from 'node:crypto';

export function newSession(): string {
  const sessionId = randomUUID();
  return sessionId;
}

export function backoff(ms: number): number {
  return ms * (0.5 + Math.random());
}
