import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { headText } from '../contract/audit-chain.ts';
import type { AuditQuery } from '../contract/query.ts';
import { InvalidInput } from '../model/errors.ts';
import type { Timer } from '../ports/clock.ts';
import type { AuditChain, AuditFilter, StoredAudit } from '../store/interface.ts';
import type { Context } from './context.ts';
import type { Principal } from './principal.ts';

export type { AuditChain, StoredAudit };

/** Heads are signed this often while there is something new: what somebody with the database can forge unseen is as much. */
const SIGN_EVERY_MS = 10_000;

/** The audit as it is read, and this server's signature under its chain. The key is this host's, never the database's. */
export class Audit {
  readonly #context: Context;
  readonly #privateKey: KeyObject;
  readonly #publicKey: KeyObject;
  readonly #keyId: string;
  #signedSeq = -1;
  #timer: Timer | null = null;

  /** @param privateKey Ed25519, PKCS#8 in PEM */
  constructor(context: Context, privateKey: string) {
    this.#context = context;
    this.#privateKey = createPrivateKey(privateKey);
    this.#publicKey = createPublicKey(this.#privateKey);
    this.#keyId = createHash('sha256')
      .update(this.#publicKey.export({ type: 'spki', format: 'der' }))
      .digest('hex');
  }

  start(): void {
    this.#timer = this.#context.clock.every(SIGN_EVERY_MS, () => void this.#signQuietly());
  }

  async close(): Promise<void> {
    this.#timer?.cancel();
    await this.#signQuietly();
  }

  /** @throws Denied */
  async list(principal: Principal, filter: AuditFilter): Promise<StoredAudit[]> {
    this.#context.policy().enforce(principal, 'get_audit', {});
    return this.#context.store.read.audit(filter);
  }

  /** Where each chain begins and ends, with this server's newly signed. */
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
    await this.#sign().catch((error) => this.#context.logger.warn({ err: error }, 'the audit chain could not be signed; tried again'));
  }
}

/** A new Ed25519 key, PKCS#8 in PEM. */
export function newAuditKey(): string {
  return generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
}

/** At most `max` entries. @throws InvalidInput for `after` without the chain that it counts in */
export function auditFilter(query: AuditQuery, max: number): AuditFilter {
  const { chain, after, limit = max } = query;
  if (after !== undefined && chain === undefined)
    throw new InvalidInput('chain', "Invalid input for chain. 'after' counts within one chain: say which.");
  return { ...query, limit: Math.min(Math.max(1, limit), max) };
}
