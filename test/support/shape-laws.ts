import { isDeepStrictEqual } from 'node:util';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { expect } from 'vitest';
import { read, type Shape } from '../../src/contract/shape.ts';
import { PinholeError } from '../../src/model/errors.ts';
import { conforms, wireOf } from './arbitrary-of.ts';
import { mutated } from './mutations.ts';
import { runs } from './runs.ts';

/** A law is many trials; a soak's are a hundred times as many, and a busy machine changes no result. */
export const LAW_TIMEOUT_MS = 600_000;
/** What RFC 3339 calls a date-time; Ajv knows no formats by itself. */
const DATE_TIME = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/;

const ajv = new Ajv2020({ strict: true, allowUnionTypes: true, strictTuples: false, formats: { 'date-time': DATE_TIME, uuid: true } });

function schemaCheck(shape: Shape<unknown>): (value: unknown) => unknown {
  const validate = ajv.compile(shape.schema());
  return (value) => (validate(value) ? null : validate.errors);
}

/** For laws that are tried often: `expect` is asked for its words only where there is something to say. */
function same(actual: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(actual, expected)) expect(actual).toEqual(expected);
}

/** As the other end gets it. */
const carried = (value: unknown): unknown => (value === undefined ? undefined : JSON.parse(JSON.stringify(value)));

/**
 * What holds for every shape, on generated values. A value is read back from what is written of it; there is one canonical form; the
 * schema accepts all that is written and all that is read. JSON that was changed in one place is refused with an error that names the
 * place, or read to something that has a canonical form.
 */
export function expectShapeLaws(shape: Shape<unknown>): void {
  const problems = schemaCheck(shape);
  const law = fc.property(wireOf(shape), fc.nat(), (wire, which) => {
    const value = shape.read(wire);
    const written = carried(shape.write(value));
    const again = shape.read(written);
    same(again, value);
    same(carried(shape.write(again)), written);
    same([problems(wire), problems(written)], [null, null]);
    const change = mutated(written, which);
    if (conforms(shape, change.value)) expectCanonical(shape, change.value, problems);
    else expectRefusal(shape, change.value, change.parent);
  });
  fc.assert(law, runs());
}

function expectCanonical(shape: Shape<unknown>, value: unknown, problems: (value: unknown) => unknown): void {
  const written = carried(shape.write(shape.read(value)));
  same(carried(shape.write(shape.read(written))), written);
  same(problems(written), null);
}

function expectRefusal(shape: Shape<unknown>, value: unknown, parent: string): void {
  for (const [origin, code] of [
    ['message', 'invalid-message'],
    ['input', 'invalid-input'],
  ] as const) {
    try {
      read(shape, value, '', origin);
    } catch (error) {
      if (!(error instanceof PinholeError)) throw error;
      same(error.code, code);
      if (error.details.field?.startsWith(parent) !== true) expect(error.details.field).toBe(`a field of ${parent}`);
    }
  }
}
