import { asPinholeError, type Mismatch, type Origin } from './mismatch.ts';

/** JSON Schema, draft 2020-12. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/**
 * The description of a value. It is the source of the reader of untrusted JSON, the writer, the JSON Schema and, by inference, the
 * type. Tests generate arbitrary values from it as well (`test/support/arbitrary-of.ts`).
 *
 * Law, for every shape and every value of its type: `read(write(value))` equals `value`.
 */
export interface Shape<T> {
  /** Returns the value of JSON, as `JSON.parse` returns it. @throws Mismatch */
  read(value: unknown): T;
  /** Returns the JSON form, for `JSON.stringify`. */
  write(value: T): unknown;
  /**
   * Returns the schema. It accepts at least what {@link read} accepts; where it accepts more, its description says what else is
   * checked.
   */
  schema(): JsonSchema;
}

/** The type of the values that a shape describes. */
export type Of<S> = S extends Shape<infer T> ? T : never;

/**
 * Reads untrusted JSON.
 * @param path where the value is, for the message, like `push.resource_list`; empty for the top
 * @throws PinholeError `invalid-message`, or `invalid-input` for what a person or client wrote; `details.field` names the field
 */
export function read<T>(shape: Shape<T>, value: unknown, path = '', origin: Origin = 'message'): T {
  try {
    return shape.read(value);
  } catch (error) {
    throw asPinholeError(error, path, origin);
  }
}

/** Runs the reader of a part, and prepends the part's step to its mismatch. */
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
