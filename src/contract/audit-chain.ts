import { createHash } from 'node:crypto';
import type { ChainHead, SignedHead, StoredAudit } from './audit.ts';

/** An entry in a server's chain. `before` and `after` are the JSON text that was hashed. */
export type ChainedEntry = Omit<StoredAudit, 'id' | 'chain'>;

/** Before the first entry: bound to the chain, so that one server's entries cannot be passed off as another's. */
export function genesis(chain: string): ChainHead {
  return { seq: 0, hash: sha256(JSON.stringify(['pinhole-audit-1', chain])) };
}

/** Hash of an entry, over the entry before it. A list in JSON: no two different entries have the same text. */
export function entryHash(previous: ChainHead, entry: Omit<ChainedEntry, 'hash' | 'seq'>): string {
  const { at, requestId, actor, action, target, projectId, before, after } = entry;
  return sha256(JSON.stringify([previous.hash, previous.seq + 1, at, requestId, actor, action, target, projectId, before, after]));
}

/** The text that a head's signature is over. */
export function headText({ chain, seq, hash, at, keyId }: Omit<SignedHead, 'signature' | 'publicKey'>): string {
  return JSON.stringify(['pinhole-audit-head-1', chain, seq, hash, at, keyId]);
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
