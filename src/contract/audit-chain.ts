import { createHash } from 'node:crypto';

/** Who did what to what. Never holds a token or another secret. */
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

/** Where a chain stands: the hash of its entry number `seq`. */
export interface ChainHead {
  readonly seq: number;
  /** SHA-256, hex. */
  readonly hash: string;
}

/** An entry in a server's chain. `before` and `after` are the JSON text that was hashed. */
export interface ChainedEntry extends Omit<AuditEntry, 'before' | 'after'>, ChainHead {
  readonly before: string | null;
  readonly after: string | null;
}

/** What a server signs: all of its entries up to `seq` are as they were. */
export interface SignedHead extends ChainHead {
  readonly chain: string;
  readonly at: string;
  /** SHA-256 of the public key's SPKI form, hex. */
  readonly keyId: string;
  /** SPKI in PEM. Worth what the place is worth that it was got from. */
  readonly publicKey: string;
  /** Ed25519 over {@link headText}, base64. */
  readonly signature: string;
}

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
