import { PinholeError } from '../model/errors.ts';

/**
 * Reads untrusted JSON field by field, naming the path of what is wrong. It stands where a process must stay small (the
 * kernel process) and on messages between our own processes; the HTTP API validates by JSON Schema.
 */
export class Reader {
  readonly #value: unknown;
  readonly path: string;

  constructor(value: unknown, path: string) {
    this.#value = value;
    this.path = path;
  }

  fail(expected: string): never {
    throw new PinholeError('invalid-message', `${this.path}: expected ${expected}`, { details: { field: this.path } });
  }

  get isNull(): boolean {
    return this.#value === null || this.#value === undefined;
  }

  /** Fields of an object that has no others than those named. */
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

  array<T>(max: number, item: (reader: Reader) => T): T[] {
    const value = this.#value;
    if (!Array.isArray(value)) this.fail('a list');
    if (value.length > max) this.fail(`at most ${max} items, not ${value.length}`);
    return value.map((element, index) => item(new Reader(element, `${this.path}[${index}]`)));
  }

  string(max: number, pattern?: RegExp): string {
    const value = this.#value;
    if (typeof value !== 'string') this.fail('a string');
    if (value.length > max) this.fail(`at most ${max} characters`);
    if (pattern && !pattern.test(value)) this.fail(`a string like ${pattern}`);
    return value;
  }

  integer(min: number, max: number): number {
    const value = this.#value;
    if (!Number.isInteger(value) || (value as number) < min || (value as number) > max) {
      this.fail(`an integer from ${min} to ${max}`);
    }
    return value as number;
  }

  boolean(): boolean {
    if (typeof this.#value !== 'boolean') this.fail('true or false');
    return this.#value;
  }

  oneOf<const T extends string>(...values: T[]): T {
    if (!(values as unknown[]).includes(this.#value)) this.fail(values.map((value) => `'${value}'`).join(' or '));
    return this.#value as T;
  }

  nullable<T>(read: (reader: Reader) => T): T | null {
    return this.isNull ? null : read(this);
  }

  use<T>(read: (value: unknown) => T): T {
    return read(this.#value);
  }
}
