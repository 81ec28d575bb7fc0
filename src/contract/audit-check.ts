import { createHash, createPublicKey, verify } from 'node:crypto';
import type { ChainHead, SignedHead } from './audit.ts';
import { type ChainedEntry, entryHash, genesis, headText } from './audit-chain.ts';

/** What the server says about a chain: where it begins (after retention), where it ends, and its newest signed head. */
export interface CheckedChain {
  readonly chain: string;
  readonly anchor: ChainHead;
  readonly tail: ChainHead;
  readonly signed: SignedHead | null;
}

/**
 * Checks one server's audit chain, entry by entry from its old end. An intruder who can write to the database can rebuild the
 * chain from any entry on. Signed heads reveal that, in particular heads that were kept elsewhere.
 */
export class ChainCheck {
  readonly #chain: CheckedChain;
  /** Hashes from signed heads, by number of the entry that must have them. */
  readonly #expected = new Map<number, string>();
  /** What was found so far, in words. */
  readonly problems: string[] = [];
  #head: ChainHead;
  /** Number of entries that were checked. */
  entries = 0;

  /** @param kept heads of this chain that were exported earlier */
  constructor(chain: CheckedChain, kept: readonly SignedHead[] = []) {
    this.#chain = chain;
    this.#head = chain.anchor;
    const start = genesis(chain.chain);
    if (chain.anchor.seq === 0 && chain.anchor.hash !== start.hash) this.problems.push('its genesis is not that of a chain with this name');
    for (const head of chain.signed ? [...kept, chain.signed] : kept) this.#expect(head);
    if (chain.signed && kept.some(({ keyId }) => keyId !== chain.signed?.keyId))
      this.problems.push('its head is signed with another key than the kept one');
  }

  /** Checks the next entry. Entries must come in the order of their numbers. */
  add(entry: ChainedEntry): void {
    this.entries++;
    const hash = entryHash(this.#head, entry);
    if (entry.seq !== this.#head.seq + 1)
      this.problems.push(`entry ${this.#head.seq + 1} is missing: ${entry.seq} follows ${this.#head.seq}`);
    else if (entry.hash !== hash) this.problems.push(`entry ${entry.seq} was changed: its hash does not match its content`);
    this.#head = { seq: entry.seq, hash: entry.hash };
    this.#compare(this.#head, 'entry');
  }

  /** Checks the end, after all entries. @returns what is wrong, in words; empty if the chain is intact */
  finish(): readonly string[] {
    const { tail, anchor } = this.#chain;
    if (this.#head.seq !== tail.seq || this.#head.hash !== tail.hash)
      this.problems.push(`it ends at entry ${this.#head.seq}, not at ${tail.seq}`);
    for (const seq of this.#expected.keys()) {
      if (seq > this.#head.seq)
        this.problems.push(`a head was signed at entry ${seq}, but the last entry is ${this.#head.seq}: the end was cut off`);
    }
    this.#compare(anchor, 'where retention cut it, entry');
    return this.problems;
  }

  #expect(head: SignedHead): void {
    if (!isSigned(head)) this.problems.push(`the head at entry ${head.seq} has an invalid signature`);
    this.#expected.set(head.seq, head.hash);
  }

  #compare({ seq, hash }: ChainHead, what: string): void {
    const wanted = this.#expected.get(seq);
    if (wanted !== undefined && wanted !== hash) this.problems.push(`${what} ${seq} is not the one that was signed`);
  }
}

/** Whether a head's signature is valid and made with the key that it names. */
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
