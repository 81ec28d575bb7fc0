import { documented, nullable } from './compounds.ts';
import { COUNT, PROJECT_ID, REQUEST_ID, SHA256, TIME } from './primitives.ts';
import { record } from './record.ts';
import { text } from './scalars.ts';
import type { Of } from './shape.ts';

/** The JSON text that was hashed: what a database says of it must stay to the byte, so it is not looked into. */
const SNAPSHOT = text({ max: 16 * 1024 * 1024, multiline: true, what: 'a state as JSON' });

const ENTRY = {
  at: TIME,
  requestId: REQUEST_ID,
  actor: documented(text({ max: 255, what: 'an actor' }), 'a user or token; never a secret'),
  action: text({ max: 64, what: 'an action' }),
  target: text({ max: 255, what: 'the id of what was changed' }),
  projectId: PROJECT_ID,
};

const HEAD = { seq: documented(COUNT, 'number of the entry in its chain'), hash: SHA256 };
/** Each server's chain has its server's name. */
const CHAIN = text({ max: 255, what: 'the name of a chain' });

export const AUDIT_ENTRY = record({
  id: COUNT,
  chain: CHAIN,
  ...HEAD,
  ...ENTRY,
  before: nullable(SNAPSHOT),
  after: nullable(SNAPSHOT),
});
/** An entry as it is stored: `before` and `after` are the JSON text that was hashed. */
export type StoredAudit = Of<typeof AUDIT_ENTRY>;

/** Who did what to what. Never holds a token or another secret. */
export type AuditEntry = Of<ReturnType<typeof record<typeof ENTRY>>> & { readonly before: object | null; readonly after: object | null };

const CHAIN_HEAD = record(HEAD);
/** Where a chain stands: the hash of its entry number `seq`. */
export type ChainHead = Of<typeof CHAIN_HEAD>;

export const SIGNED_HEAD = record({
  chain: CHAIN,
  ...HEAD,
  at: TIME,
  keyId: documented(SHA256, "SHA-256 of the public key's SPKI form"),
  publicKey: documented(text({ max: 1_000, multiline: true, what: 'a public key in PEM' }), 'SPKI in PEM'),
  signature: documented(text({ max: 255, what: 'a signature in base64' }), 'Ed25519 over the head, in base64'),
});
/** What a server signs: all of its entries up to `seq` are as they were. */
export type SignedHead = Of<typeof SIGNED_HEAD>;

export const AUDIT_CHAIN = record({ chain: CHAIN, anchor: CHAIN_HEAD, tail: CHAIN_HEAD, signed: nullable(SIGNED_HEAD) });
/** Where a chain begins (after retention) and ends, with the newest signed head. */
export type AuditChain = Of<typeof AUDIT_CHAIN>;
