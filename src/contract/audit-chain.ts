import { createHash } from 'node:crypto';
import type { ChainHead, SignedHead, StoredAudit } from './audit.ts';

/**
 * An entry of a server's chain. `before` and `after` are the JSON text that went into the hash.
 *
 *   genesis(chain) ─▶ entry 1 ─▶ entry 2 ─▶ … ─▶ entry N ◀─ signed head
 *      each hash covers the hash before it, the entry's number, and the entry
 */
export type ChainedEntry = Omit<StoredAudit, 'id' | 'chain'>;

/**
 * Returns the position before a chain's first entry. Its hash depends on the chain's name, so that entries of one server cannot
 * pass as another's.
 */
export function genesis(chain: string): ChainHead {
  return { seq: 0, hash: sha256(JSON.stringify(['pinhole-audit-1', chain])) };
}

/**
 * Returns the hash of an entry that follows `previous`: SHA-256 in hex over a JSON list. No two different entries have the same
 * JSON.
 */
export function entryHash(previous: ChainHead, entry: Omit<ChainedEntry, 'hash' | 'seq'>): string {
  const { at, requestId, actor, action, target, projectId, before, after } = entry;
  return sha256(JSON.stringify([previous.hash, previous.seq + 1, at, requestId, actor, action, target, projectId, before, after]));
}

/** Returns the text that the signature of a head covers. */
export function headText({ chain, seq, hash, at, keyId }: Omit<SignedHead, 'signature' | 'publicKey'>): string {
  return JSON.stringify(['pinhole-audit-head-1', chain, seq, hash, at, keyId]);
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
