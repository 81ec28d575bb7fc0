import { type ErrorData, InvalidInput, PinholeError } from '../model/errors.ts';

/**
 * A value is not of its shape. Containers put their own step in front of the path while the error travels up, so that a value
 * that is right costs no path.
 */
export class Mismatch extends Error {
  readonly expected: string;
  /** Names of fields and numbers of items, outermost first. */
  readonly path: (string | number)[];

  /** @param expected what would be right, to be read after "expected" */
  constructor(expected: string, ...path: (string | number)[]) {
    super(expected);
    this.expected = expected;
    this.path = path;
  }

  /** The same error, seen from one level further out. */
  within(step: string | number): this {
    this.path.unshift(step);
    return this;
  }
}

/** `routers[3].name`, from where the value stands and the steps inside it. */
export function formatPath(start: string, steps: readonly (string | number)[]): string {
  return steps.reduce<string>((text, step) => {
    if (typeof step === 'number') return `${text}[${step}]`;
    return text === '' ? step : `${text}.${step}`;
  }, start);
}

/** Which error a mismatch becomes: a peer's message is `invalid-message`, what a person or client wrote is `invalid-input`. */
export type Origin = 'message' | 'input';

/** The typed error of a mismatch; `details.field` is its path. Any other error is returned as it is. */
export function asPinholeError(error: unknown, start: string, origin: Origin): unknown {
  if (!(error instanceof Mismatch)) return error;
  const field = formatPath(start, error.path);
  const message = `${field === '' ? 'the value' : field}: expected ${error.expected}`;
  return origin === 'input' ? new InvalidInput(field, message) : new PinholeError('invalid-message', message, { details: { field } });
}

/** One item of a list that was read item by item. `key` is what tells the item from others, as far as it could be read. */
export type Item<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly key: string | null; readonly error: ErrorData };
