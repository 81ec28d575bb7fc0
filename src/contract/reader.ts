import { PinholeError } from '../model/errors.ts';

/**
 * Reads untrusted data field by field, and names the path of what is wrong. For configuration and other data that no shape of the
 * contract describes. All methods throw PinholeError `invalid-message` with the path in `details.field`.
 */
export class Reader {
  readonly #value: unknown;
  readonly path: string;

  /** @param path where the value is, for messages */
  constructor(value: unknown, path: string) {
    this.#value = value;
    this.path = path;
  }

  /**
   * @param expected what would be right, as a phrase after "expected"
   * @throws PinholeError always
   */
  fail(expected: string): never {
    throw new PinholeError('invalid-message', `${this.path}: expected ${expected}`, { details: { field: this.path } });
  }

  /** Whether the value is null or missing. */
  get isNull(): boolean {
    return this.#value === null || this.#value === undefined;
  }

  /** Returns readers of an object's fields. An object with any other field is refused; a missing field is read as missing. */
  object<const K extends string>(...keys: K[]): Record<K, Reader> {
    const value = this.#value;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) this.fail('an object');
    for (const key of Object.keys(value)) {
      if (!(keys as string[]).includes(key)) new Reader(undefined, `${this.path}.${key.slice(0, 64)}`).fail('no such field');
    }
    const fields = value as Record<string, unknown>;
    return Object.fromEntries(
      keys.map((key) => [key, new Reader(Object.hasOwn(fields, key) ? fields[key] : undefined, `${this.path}.${key}`)]),
    ) as Record<K, Reader>;
  }

  /** Returns the items of a list. @param max number of items */
  array<T>(max: number, item: (reader: Reader) => T): T[] {
    const value = this.#value;
    if (!Array.isArray(value)) this.fail('a list');
    if (value.length > max) this.fail(`at most ${max} items, not ${value.length}`);
    return value.map((element, index) => item(new Reader(element, `${this.path}[${index}]`)));
  }

  /** Returns a text. @param max number of UTF-16 units */
  string(max: number, pattern?: RegExp): string {
    const value = this.#value;
    if (typeof value !== 'string') this.fail('a string');
    if (value.length > max) this.fail(`at most ${max} characters`);
    if (pattern && !pattern.test(value)) this.fail(`a string like ${pattern}`);
    return value;
  }

  /** Returns an integer in this range, bounds included. */
  integer(min: number, max: number): number {
    const value = this.#value;
    if (!Number.isInteger(value) || (value as number) < min || (value as number) > max) {
      this.fail(`an integer from ${min} to ${max}`);
    }
    return value as number;
  }

  /** Returns a boolean. */
  boolean(): boolean {
    if (typeof this.#value !== 'boolean') this.fail('true or false');
    return this.#value;
  }

  /** Returns one of these words. */
  oneOf<const T extends string>(...values: T[]): T {
    if (!(values as unknown[]).includes(this.#value)) this.fail(values.map((value) => `'${value}'`).join(' or '));
    return this.#value as T;
  }

  /** Returns null for null or a missing value, else what `read` returns. */
  nullable<T>(read: (reader: Reader) => T): T | null {
    return this.isNull ? null : read(this);
  }

  /** Returns what another reader makes of the value. */
  use<T>(read: (value: unknown) => T): T {
    return read(this.#value);
  }
}
