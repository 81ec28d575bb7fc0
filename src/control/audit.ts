import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { headText } from '../contract/audit-chain.ts';
import type { AuditQuery } from '../contract/query.ts';
import { InvalidInput } from '../model/errors.ts';
import type { Timer } from '../ports/clock.ts';
import type { AuditChain, AuditFilter, StoredAudit } from '../store/interface.ts';
import type { Context } from './context.ts';
import type { Principal } from './principal.ts';

export type { AuditChain, StoredAudit };

/**
 * Interval between signatures while there are new entries. An intruder with the database can forge at most the entries of this
 * interval without detection.
 */
const SIGN_EVERY_MS = 10_000;

/** Reads the audit and signs the head of this server's chain. The signing key is on this host and never in the database. */
export class Audit {
  readonly #context: Context;
  readonly #privateKey: KeyObject;
  readonly #publicKey: KeyObject;
  readonly #keyId: string;
  #signedSeq = -1;
  #timer: Timer | null = null;

  /**
   * @param privateKey Ed25519 as PKCS#8 in PEM
   * @throws Error for text that is no such key
   */
  constructor(context: Context, privateKey: string) {
    this.#context = context;
    this.#privateKey = createPrivateKey(privateKey);
    this.#publicKey = createPublicKey(this.#privateKey);
    this.#keyId = createHash('sha256')
      .update(this.#publicKey.export({ type: 'spki', format: 'der' }))
      .digest('hex');
  }

  /** Starts signing at intervals. */
  start(): void {
    this.#timer = this.#context.clock.every(SIGN_EVERY_MS, () => void this.#signQuietly());
  }

  /** Stops the interval and signs once more. */
  async close(): Promise<void> {
    this.#timer?.cancel();
    await this.#signQuietly();
  }

  /** Returns the entries that the filter selects. @throws Denied */
  async list(principal: Principal, filter: AuditFilter): Promise<StoredAudit[]> {
    this.#context.policy().enforce(principal, 'get_audit', {});
    return this.#context.store.read.audit(filter);
  }

  /**
   * Returns the name of this server's chain, and begin, end and signed head of every chain. This server's head is signed first.
   * @throws Denied
   */
  async chains(principal: Principal) {
    this.#context.policy().enforce(principal, 'get_audit', {});
    await this.#sign();
    const chains = await this.#context.store.read.auditChains();
    return { own: this.#context.store.chain, chains };
  }

  #pem(): string {
    return this.#publicKey.export({ type: 'spki', format: 'pem' }) as string;
  }

  async #sign(): Promise<void> {
    const { store, clock } = this.#context;
    const own = await store.read.auditChain(store.chain);
    if (own.tail.seq === 0 || own.tail.seq === this.#signedSeq) return;
    const unsigned = { chain: own.chain, ...own.tail, at: clock.now().toISOString(), keyId: this.#keyId, publicKey: this.#pem() };
    const signature = sign(null, Buffer.from(headText(unsigned)), this.#privateKey).toString('base64');
    await store.write((tx) => tx.saveSignedHead({ ...unsigned, signature }));
    this.#signedSeq = own.tail.seq;
  }

  async #signQuietly(): Promise<void> {
    await this.#sign().catch((error) =>
      this.#context.logger.warn({ err: error }, 'the audit chain could not be signed and will be tried again'),
    );
  }
}

/** Returns a new Ed25519 key as PKCS#8 in PEM. */
export function newAuditKey(): string {
  return generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
}

/** Returns the filter of a query, with `limit` clamped to 1..`max`. @throws InvalidInput for `after` without `chain` */
export function auditFilter(query: AuditQuery, max: number): AuditFilter {
  const { chain, after, limit = max } = query;
  if (after !== undefined && chain === undefined)
    throw new InvalidInput('chain', "Invalid input for chain. 'after' counts entries of one chain, so it needs 'chain' too.");
  return { ...query, limit: Math.min(Math.max(1, limit), max) };
}
