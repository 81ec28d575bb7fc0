import { documented, nullable } from './compounds.ts';
import { COUNT, PROJECT_ID, REQUEST_ID, SHA256, TIME } from './primitives.ts';
import { record } from './record.ts';
import { text } from './scalars.ts';
import type { Of } from './shape.ts';

/** The JSON text that went into the hash. It must stay the same to the byte, so it is not parsed. */
const SNAPSHOT = text({ max: 16 * 1024 * 1024, multiline: true, what: 'a state as JSON' });

const ENTRY = {
  at: TIME,
  requestId: REQUEST_ID,
  actor: documented(text({ max: 1_024, what: 'an actor' }), "a user or token, with the identity service's prefix; never a secret"),
  action: text({ max: 64, what: 'an action' }),
  target: text({ max: 255, what: 'the id of what was changed' }),
  projectId: PROJECT_ID,
};

const HEAD = { seq: documented(COUNT, 'number of the entry in its chain'), hash: SHA256 };
/** Each server has one chain, which has a UUID as name. */
const CHAIN = text({ max: 255, what: 'the name of a chain' });

/** An audit entry, as the API shows it. */
export const AUDIT_ENTRY = record({
  id: COUNT,
  chain: CHAIN,
  ...HEAD,
  ...ENTRY,
  before: nullable(SNAPSHOT),
  after: nullable(SNAPSHOT),
});
/** An entry as it is stored. `before` and `after` are the JSON text that went into the hash. */
export type StoredAudit = Of<typeof AUDIT_ENTRY>;

/** Who did what to what. An entry never contains a token or another secret. */
export type AuditEntry = Of<ReturnType<typeof record<typeof ENTRY>>> & { readonly before: object | null; readonly after: object | null };

const CHAIN_HEAD = record(HEAD);
/** A position in a chain: the number of an entry and its hash (SHA-256 in hex). */
export type ChainHead = Of<typeof CHAIN_HEAD>;

export const SIGNED_HEAD = record({
  chain: CHAIN,
  ...HEAD,
  at: TIME,
  keyId: documented(SHA256, "SHA-256 of the public key's SPKI form"),
  publicKey: documented(text({ max: 1_000, multiline: true, what: 'a public key in PEM' }), 'SPKI in PEM'),
  signature: documented(text({ max: 255, what: 'a signature in base64' }), 'Ed25519 over the head, in base64'),
});
/** A server's signature: all its entries up to `seq` are unchanged. */
export type SignedHead = Of<typeof SIGNED_HEAD>;

export const AUDIT_CHAIN = record({ chain: CHAIN, anchor: CHAIN_HEAD, tail: CHAIN_HEAD, signed: nullable(SIGNED_HEAD) });
/** Where a chain begins (after retention) and ends, with the newest signed head. */
export type AuditChain = Of<typeof AUDIT_CHAIN>;
