import { createHash } from 'node:crypto';

/** Who did what to what. An entry never contains a token or another secret. */
export interface AuditEntry {
  readonly at: string;
  readonly requestId: string;
  readonly actor: string;
  readonly action: string;
  readonly target: string;
  readonly projectId: string;
  readonly before: object | null;
  readonly after: object | null;
}

/** A position in a chain: the number of an entry and its hash. */
export interface ChainHead {
  /** Number of the entry; the first is 1. */
  readonly seq: number;
  /** SHA-256 in hex. */
  readonly hash: string;
}

/**
 * An entry of a server's chain. `before` and `after` are the JSON text that went into the hash.
 *
 *   genesis(chain) ─▶ entry 1 ─▶ entry 2 ─▶ … ─▶ entry N ◀─ signed head
 *      each hash covers the hash before it, the entry's number, and the entry
 */
export interface ChainedEntry extends Omit<AuditEntry, 'before' | 'after'>, ChainHead {
  readonly before: string | null;
  readonly after: string | null;
}

/** A server's signature: all its entries up to `seq` are unchanged. */
export interface SignedHead extends ChainHead {
  readonly chain: string;
  readonly at: string;
  /** SHA-256 of the public key in SPKI form (DER), in hex. */
  readonly keyId: string;
  /** SPKI in PEM. It is only as trustworthy as the place from which the reader has it. */
  readonly publicKey: string;
  /** Ed25519 signature of {@link headText}, in base64. */
  readonly signature: string;
}

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
