import { type ErrorData, InvalidInput, PinholeError } from '../model/errors.ts';

/**
 * A value does not have its shape. Each container prepends its own step to the path while the error propagates, so that reading a
 * valid value costs nothing for paths.
 */
export class Mismatch extends Error {
  readonly expected: string;
  /** Names of fields and indices of items, from the outermost inwards. */
  readonly path: (string | number)[];

  /** @param expected what would be right, as a phrase after "expected" */
  constructor(expected: string, ...path: (string | number)[]) {
    super(expected);
    this.expected = expected;
    this.path = path;
  }

  /** Prepends the step of the next outer level. @returns this error */
  within(step: string | number): this {
    this.path.unshift(step);
    return this;
  }
}

/** Returns a path like `routers[3].name`. @param start the path of the value itself; empty for the top */
export function formatPath(start: string, steps: readonly (string | number)[]): string {
  return steps.reduce<string>((text, step) => {
    if (typeof step === 'number') return `${text}[${step}]`;
    return text === '' ? step : `${text}.${step}`;
  }, start);
}

/**
 * Decides which error a mismatch becomes: `invalid-message` for a peer's message, `invalid-input` for what a person or client
 * wrote.
 */
export type Origin = 'message' | 'input';

/**
 * Returns the typed error of a mismatch; its `details.field` is the path. Any other error is returned unchanged.
 * @param start the path of the value that was read; empty for the top
 */
export function asPinholeError(error: unknown, start: string, origin: Origin): unknown {
  if (!(error instanceof Mismatch)) return error;
  const field = formatPath(start, error.path);
  const message = `${field === '' ? 'the value' : field}: expected ${error.expected}`;
  return origin === 'input' ? new InvalidInput(field, message) : new PinholeError('invalid-message', message, { details: { field } });
}

/** One item of a list that was read item by item. `key` identifies an item that could not be read; null if not even the key could. */
export type Item<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly key: string | null; readonly error: ErrorData };

/** An item that could be read, or that is to be written. */
export function itemOf<T>(value: T): Item<T> {
  return { ok: true, value };
}
