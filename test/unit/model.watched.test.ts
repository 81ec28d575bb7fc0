import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isWatched, MAX_WATCHED, type Watched, watchedByAny } from '../../src/model/watched.ts';
import { runs } from '../support/runs.ts';

const name = fc.constantFrom('a', 'b', 'c', 'd');
const watched: fc.Arbitrary<Watched> = fc.oneof(
  { weight: 5, arbitrary: fc.array(name).map((names) => new Set(names)) },
  { weight: 1, arbitrary: fc.constant(null) },
);

describe('what several watchers watch', () => {
  it('is what at least one of them watches', () => {
    fc.assert(
      fc.property(fc.array(watched), name, (all, one) => {
        expect(isWatched(watchedByAny(all), one)).toBe(all.some((each) => isWatched(each, one)));
      }),
      runs(),
    );
  });

  it('is all where a list would be too long', () => {
    const many = new Set(Array.from({ length: MAX_WATCHED }, (_, index) => String(index)));
    expect(watchedByAny([many])).toEqual(many);
    expect(watchedByAny([many, new Set(['one more'])])).toBeNull();
  });
});
