import { describe, expect, it } from 'vitest';
import { expectShapeLaws, LAW_TIMEOUT_MS } from '../support/shape-laws.ts';
import { wireShapes } from '../support/shapes.ts';

describe('the messages between servers and agents', () => {
  it('are all found', () => {
    expect(wireShapes().length).toBe(2 * 10);
  });

  it.each(wireShapes())(
    'the receiver reads of the %s what its sender writes, and refuses what is wrong by its name',
    (_name, shape) => expectShapeLaws(shape),
    LAW_TIMEOUT_MS,
  );
});
