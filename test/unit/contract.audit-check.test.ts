import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ChainHead, SignedHead } from '../../src/contract/audit.ts';
import { type ChainedEntry, entryHash, genesis, headText } from '../../src/contract/audit-chain.ts';
import { ChainCheck, isSigned } from '../../src/contract/audit-check.ts';
import { runs } from '../support/runs.ts';

const CHAIN = 's1';
const KEYS = [generateKeyPairSync('ed25519'), generateKeyPairSync('ed25519')] as const;

function signed({ seq, hash }: ChainHead, pair = KEYS[0]): SignedHead {
  const keyId = createHash('sha256')
    .update(pair.publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex');
  const head = { chain: CHAIN, seq, hash, at: 't', keyId };
  const signature = sign(null, Buffer.from(headText(head)), pair.privateKey).toString('base64');
  return { ...head, publicKey: pair.publicKey.export({ type: 'spki', format: 'pem' }).toString(), signature };
}

function chainOf(targets: readonly string[], from: ChainHead = genesis(CHAIN)): ChainedEntry[] {
  let head = from;
  return targets.map((target) => {
    const entry = { at: 't', requestId: 'r', actor: 'a', action: 'x', target, projectId: 'p', before: null, after: '{}' };
    head = { seq: head.seq + 1, hash: entryHash(head, entry) };
    return { ...entry, ...head };
  });
}

const at = (entries: readonly ChainedEntry[], index: number): ChainHead => entries.at(index) ?? genesis(CHAIN);

interface Given {
  readonly anchor?: ChainHead;
  readonly tail?: ChainHead;
  readonly signed?: SignedHead | null;
  readonly kept?: readonly SignedHead[];
}

function problems(entries: readonly ChainedEntry[], given: Given = {}): readonly string[] {
  const { anchor = genesis(CHAIN), tail = at(entries, -1), kept = [] } = given;
  const check = new ChainCheck({ chain: CHAIN, anchor, tail, signed: given.signed ?? null }, kept);
  for (const entry of entries) check.add(entry);
  expect(check.entries).toBe(entries.length);
  return check.finish();
}

describe('law: a chain is whole, or it is told', () => {
  it('one that was written has no problem, whole or cut by retention', () => {
    fc.assert(
      fc.property(fc.array(fc.string(), { maxLength: 8 }), fc.nat(), (targets, cut) => {
        const entries = chainOf(targets);
        const from = cut % (entries.length + 1);
        const anchor = at(entries.slice(0, from), -1);
        expect(problems(entries.slice(from), { anchor, tail: at(entries, -1), signed: signed(at(entries, -1)) })).toEqual([]);
      }),
      runs(0.2),
    );
  });

  it('a change of any field of any entry, an entry left out or two exchanged, is a problem', () => {
    const fields = ['at', 'requestId', 'actor', 'action', 'target', 'projectId', 'before', 'after', 'hash'] as const;
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.string(), { minLength: 2, maxLength: 6 }),
        fc.nat(),
        fc.constantFrom('left out', 'exchanged', ...fields),
        (targets, position, change) => {
          const entries = chainOf(targets);
          const index = position % (entries.length - 1);
          const [one, next] = [entries[index], entries[index + 1]] as [ChainedEntry, ChainedEntry];
          if (change === 'left out') entries.splice(index, 1);
          else if (change === 'exchanged') entries.splice(index, 2, next, one);
          else entries[index] = { ...one, [change]: `${one[change]}x` };
          expect(problems(entries)).not.toEqual([]);
        },
      ),
      runs(),
    );
  });
});

describe('ChainCheck', () => {
  const ENTRIES = chainOf(['a', 'b', 'c']);

  it('tells a chain that was made anew behind a signed head', () => {
    const anew = chainOf(['a', 'forged', 'c']);
    expect(problems(anew)).toEqual([]);
    expect(problems(anew, { kept: [signed(at(ENTRIES, 1))] })).toEqual(['entry 2 is not the one that was signed']);
  });

  it('tells an end that was cut off', () => {
    const cut = ENTRIES.slice(0, 2);
    expect(problems(cut, { signed: signed(at(ENTRIES, -1)) })).toEqual([
      'a head was signed at entry 3, but the last entry is 2: the end was cut off',
    ]);
    expect(problems(cut, { tail: at(ENTRIES, -1) })).toEqual(['it ends at entry 2, not at 3']);
  });

  it('tells a beginning that is another chain’s, and an anchor that was not signed so', () => {
    expect(problems([], { anchor: genesis('s2'), tail: genesis('s2') })).toEqual(['its genesis is not that of a chain with this name']);
    const anchor = { seq: 1, hash: 'f'.repeat(64) };
    expect(problems(chainOf(['b'], anchor), { anchor, kept: [signed(at(ENTRIES, 0))] })).toEqual([
      'where retention cut it, entry 1 is not the one that was signed',
    ]);
  });

  it('tells a wrong signature, and another key than the one that was kept', () => {
    const head = signed(at(ENTRIES, -1));
    expect(problems(ENTRIES, { signed: { ...head, at: 'later' } })).toEqual(['the head at entry 3 has an invalid signature']);
    expect(problems(ENTRIES, { signed: head, kept: [signed(at(ENTRIES, 0), KEYS[1])] })).toEqual([
      'its head is signed with another key than the kept one',
    ]);
  });
});

describe('isSigned', () => {
  it('takes a head of the key that it names only', () => {
    const head = signed(genesis(CHAIN));
    expect(isSigned(head)).toBe(true);
    expect(isSigned({ ...head, publicKey: signed(genesis(CHAIN), KEYS[1]).publicKey })).toBe(false);
    expect(isSigned({ ...head, publicKey: 'no key' })).toBe(false);
    expect(isSigned({ ...head, seq: 1 })).toBe(false);
  });
});
