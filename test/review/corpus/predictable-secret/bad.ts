export function newSession(): string {
  const sessionId = Math.random().toString(36).slice(2); // finds: predictable-secret
  return sessionId;
}
