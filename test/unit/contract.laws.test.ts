import { describe, expect, it } from 'vitest';
import { documented, nullable, withDefault } from '../../src/contract/compounds.ts';
import { TIME, UUID } from '../../src/contract/primitives.ts';
import { record } from '../../src/contract/record.ts';
import { SCOPE } from '../../src/contract/scope.ts';
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

  it('require in their schemas no field that their readers do without, also where it is documented or mapped', () => {
    const noted = documented(nullable(TIME), 'null, or left out: as it is');
    const shape = record({ id: UUID, noted, scope: SCOPE, fallback: documented(withDefault(TIME, '2030-01-31T12:00:00.000Z'), 'a time') });
    expect(shape.schema()).toMatchObject({ required: ['id'] });
    expect(shape.read({ id: '5f7c0a52-1d1b-4f65-9e0c-6f1f9ed2a8b4' })).toMatchObject({ noted: null, scope: null });
  });
});
