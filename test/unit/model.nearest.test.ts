import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CATALOGUE } from '../../src/model/catalogue.ts';
import { didYouMean } from '../../src/model/nearest.ts';

const HELPERS = CATALOGUE.map(({ helper }) => helper);

describe('did you mean', () => {
  it.each([
    ['fpt', " Did you mean 'ftp'?"],
    ['tfpt', " Did you mean 'tftp'?"],
    ['FTP', " Did you mean 'ftp'?"],
    ['netbios', " Did you mean 'netbios-ns'?"],
    ['q931', " Did you mean 'Q.931'?"],
    ['sup', " Did you mean 'sip'?"],
    ['http', " Did you mean 'ftp' or 'pptp' or 'tftp'?"],
    ['xyzzy', ''],
    ['', ''],
  ])('%j: %j', (word, question) => {
    expect(didYouMean(word, HELPERS)).toBe(question);
  });

  it('names the nearest words only, and at most three', () => {
    expect(didYouMean('edge1', ['edge2', 'edge3', 'edge4', 'edge5', 'sedge22'])).toBe(" Did you mean 'edge2' or 'edge3' or 'edge4'?");
    expect(didYouMean('edge1', ['edge11', 'edge', 'hedge22'])).toBe(" Did you mean 'edge11' or 'edge'?");
  });

  it('finds every word with one slip in it', () => {
    const slip = fc.constantFrom('miss', 'double', 'swap', 'wrong');
    const slipped = fc.tuple(fc.stringMatching(/^[a-z-]{4,20}$/), fc.nat(), slip).map(([word, place, kind]) => {
      const at = place % (word.length - 1);
      const [head, one = '', two = '', tail] = [word.slice(0, at), word[at], word[at + 1], word.slice(at + 2)];
      const middle = { miss: two, double: one + one + two, swap: two + one, wrong: `_${two}` }[kind];
      return { word, typed: head + middle + tail };
    });
    fc.assert(
      fc.property(slipped, ({ word, typed }) => {
        expect(didYouMean(typed, [word])).toBe(` Did you mean '${word}'?`);
      }),
    );
  });

  it('takes no time for words that no person types', () => {
    expect(didYouMean('a'.repeat(1_000_000), ['a'.repeat(1_000_000)])).toBe('');
  });
});
