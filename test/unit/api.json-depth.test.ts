import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isTooDeep, MAX_DEPTH } from '../../src/api/json-depth.ts';
import { runs } from '../support/runs.ts';

const bytes = (text: string) => new TextEncoder().encode(text);

/** The nesting of a value, counted by another way than the code's. */
function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

describe('the depth of a JSON text', () => {
  it('law: is that of the value, whatever its texts contain', () => {
    const hostile = fc.oneof(fc.string(), fc.constantFrom('[', '{', '"', '\\', '\\"[[', '}]'));
    const tree = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: 'large', withCrossShrink: true },
        hostile,
        fc.array(tie('value'), { maxLength: 2 }),
        fc.dictionary(hostile, tie('value'), { maxKeys: 2 }),
      ),
    })).value;
    fc.assert(
      fc.property(tree, fc.integer({ min: 0, max: 40 }), (value, more) => {
        let wrapped = value;
        for (let level = 0; level < more; level++) wrapped = level % 2 === 0 ? [wrapped] : { a: wrapped };
        expect(isTooDeep(bytes(JSON.stringify(wrapped)))).toBe(depthOf(wrapped) > MAX_DEPTH);
      }),
      runs(),
    );
  });

  it('takes any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (any) => {
        expect(typeof isTooDeep(any)).toBe('boolean');
      }),
      runs(),
    );
  });
});
