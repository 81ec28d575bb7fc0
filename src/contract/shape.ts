import { asPinholeError, type Mismatch, type Origin } from './mismatch.ts';

/** JSON Schema, draft 2020-12. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/**
 * What a value is: one description from which come the reader of untrusted JSON, the writer, the JSON Schema and, by inference,
 * the type. Tests make arbitrary values of it as well (`test/support/arbitrary-of.ts`).
 *
 * Law, for every shape and value: `read(write(value))` equals `value`.
 */
export interface Shape<T> {
  /** Reads a value as `JSON.parse` gives it. @throws Mismatch */
  read(value: unknown): T;
  /** The JSON form, for `JSON.stringify`. */
  write(value: T): unknown;
  /** Accepts at least what {@link read} accepts; where it accepts more, its description says what is checked besides. */
  schema(): JsonSchema;
}

/** The type that a shape describes. */
export type Of<S> = S extends Shape<infer T> ? T : never;

/**
 * Reads untrusted JSON.
 * @param path where the value stands, for the message: `push.resource_list`; empty for the top
 * @throws PinholeError `invalid-message`, or `invalid-input` where a person or client wrote it; `details.field` names the field
 */
export function read<T>(shape: Shape<T>, value: unknown, path = '', origin: Origin = 'message'): T {
  try {
    return shape.read(value);
  } catch (error) {
    throw asPinholeError(error, path, origin);
  }
}

/** Whether a shape reads a value. */
export function conforms(shape: Shape<unknown>, value: unknown): boolean {
  try {
    shape.read(value);
    return true;
  } catch (error) {
    if (isMismatch(error)) return false;
    throw error;
  }
}

/** Runs a reader of a part and puts the part's step in front of its mismatch. */
export function inside<T>(step: string | number, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw isMismatch(error) ? error.within(step) : error;
  }
}

function isMismatch(error: unknown): error is Mismatch {
  return error instanceof Error && 'within' in error;
}
