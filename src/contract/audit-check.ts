import { createHash, createPublicKey, verify } from 'node:crypto';
import type { ChainHead, SignedHead } from './audit.ts';
import { type ChainedEntry, entryHash, genesis, headText } from './audit-chain.ts';

export interface CheckedChain {
  readonly chain: string;
  readonly anchor: ChainHead;
  readonly tail: ChainHead;
  readonly signed: SignedHead | null;
}

/**
 * Checks one server's audit chain, entry by entry from its old end. Whoever holds the database can make it anew from any entry
 * on; signed heads, and those of them that are kept elsewhere, tell.
 */
export class ChainCheck {
  readonly #chain: CheckedChain;
  /** Hashes that entries must have, by number: of signed heads. */
  readonly #expected = new Map<number, string>();
  readonly problems: string[] = [];
  #head: ChainHead;
  entries = 0;

  /** @param kept heads of this chain that were exported before */
  constructor(chain: CheckedChain, kept: readonly SignedHead[] = []) {
    this.#chain = chain;
    this.#head = chain.anchor;
    const start = genesis(chain.chain);
    if (chain.anchor.seq === 0 && chain.anchor.hash !== start.hash) this.problems.push('it does not begin where a chain of this name does');
    for (const head of chain.signed ? [...kept, chain.signed] : kept) this.#expect(head);
    if (chain.signed && kept.some(({ keyId }) => keyId !== chain.signed?.keyId))
      this.problems.push('its head is signed with another key than the one kept');
  }

  add(entry: ChainedEntry): void {
    this.entries++;
    const hash = entryHash(this.#head, entry);
    if (entry.seq !== this.#head.seq + 1)
      this.problems.push(`entry ${this.#head.seq + 1} is missing: ${entry.seq} follows ${this.#head.seq}`);
    else if (entry.hash !== hash) this.problems.push(`entry ${entry.seq} was changed: its hash is not that of what it says`);
    this.#head = { seq: entry.seq, hash: entry.hash };
    this.#compare(this.#head, 'entry');
  }

  /** @returns what is wrong; nothing where the chain is whole */
  finish(): readonly string[] {
    const { tail, anchor } = this.#chain;
    if (this.#head.seq !== tail.seq || this.#head.hash !== tail.hash)
      this.problems.push(`it ends at entry ${this.#head.seq}, not at ${tail.seq}`);
    for (const seq of this.#expected.keys()) {
      if (seq > this.#head.seq)
        this.problems.push(`a head was signed at entry ${seq}, and there is none after ${this.#head.seq}: the end was cut off`);
    }
    this.#compare(anchor, 'where retention cut it, entry');
    return this.problems;
  }

  #expect(head: SignedHead): void {
    if (!isSigned(head)) this.problems.push(`the head at entry ${head.seq} has a wrong signature`);
    this.#expected.set(head.seq, head.hash);
  }

  #compare({ seq, hash }: ChainHead, what: string): void {
    const wanted = this.#expected.get(seq);
    if (wanted !== undefined && wanted !== hash) this.problems.push(`${what} ${seq} is not the one that was signed`);
  }
}

/** Whether a head's signature is of the key that it names. */
export function isSigned(head: SignedHead): boolean {
  try {
    const key = createPublicKey(head.publicKey);
    const keyId = createHash('sha256')
      .update(key.export({ type: 'spki', format: 'der' }))
      .digest('hex');
    return keyId === head.keyId && verify(null, Buffer.from(headText(head)), key, Buffer.from(head.signature, 'base64'));
  } catch {
    return false;
  }
}
