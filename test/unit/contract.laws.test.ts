import { describe, expect, it } from 'vitest';
import { expectShapeLaws, LAW_TIMEOUT_MS } from '../support/shape-laws.ts';
import { contractShapes } from '../support/shapes.ts';

const SHAPES = await contractShapes();

describe('the shapes of src/contract', () => {
  it('are all found', () => {
    expect(SHAPES.map(([name]) => name)).toEqual(expect.arrayContaining(['ROUTER', 'HELPER', 'DESIRED_ROUTER', 'MANIFEST', 'TIME']));
  });

  it.each(SHAPES)(
    '%s reads what it writes, has a schema that says the same, and refuses what is wrong by its name',
    (_name, shape) => expectShapeLaws(shape),
    LAW_TIMEOUT_MS,
  );
});
