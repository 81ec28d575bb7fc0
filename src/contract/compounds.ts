import { errorToData } from '../model/errors.ts';
import { asPinholeError, formatPath, type Item, Mismatch } from './mismatch.ts';
import { inside, type JsonSchema, type Shape } from './shape.ts';

/** A value or null. A missing field of a record counts as null. */
export class NullableShape<T> implements Shape<T | null> {
  readonly inner: Shape<T>;

  constructor(inner: Shape<T>) {
    this.inner = inner;
  }

  read(value: unknown): T | null {
    return value === null || value === undefined ? null : this.inner.read(value);
  }

  write(value: T | null): unknown {
    return value === null ? null : this.inner.write(value);
  }

  schema(): JsonSchema {
    return { anyOf: [this.inner.schema(), { type: 'null' }] };
  }
}

/** A field that may be missing. Its meaning depends on the entity: an update leaves the field as it is. */
export class OptionalShape<T> implements Shape<T | undefined> {
  /** Distinguishes this class from others with an inner shape, for the type of records. */
  readonly mayBeAbsent = true;
  readonly inner: Shape<T>;

  constructor(inner: Shape<T>) {
    this.inner = inner;
  }

  read(value: unknown): T | undefined {
    return value === undefined ? undefined : this.inner.read(value);
  }

  write(value: T | undefined): unknown {
    return value === undefined ? undefined : this.inner.write(value);
  }

  schema(): JsonSchema {
    return this.inner.schema();
  }
}

/** A field that may be missing or null, and the value that it then has. It is always written. */
export class DefaultShape<T> implements Shape<T> {
  readonly inner: Shape<T>;
  readonly fallback: T;

  constructor(inner: Shape<T>, fallback: T) {
    this.inner = inner;
    this.fallback = fallback;
  }

  read(value: unknown): T {
    return value === undefined || value === null ? this.fallback : this.inner.read(value);
  }

  write(value: T): unknown {
    return this.inner.write(value);
  }

  schema(): JsonSchema {
    return { anyOf: [this.inner.schema(), { type: 'null' }], default: this.inner.write(this.fallback) };
  }
}

/** The inner shape with a description of its purpose, which the schema carries. */
export class DocumentedShape<T> implements Shape<T> {
  readonly inner: Shape<T>;
  readonly note: string;

  constructor(inner: Shape<T>, note: string) {
    this.inner = inner;
    this.note = note;
  }

  read(value: unknown): T {
    return this.inner.read(value);
  }

  write(value: T): unknown {
    return this.inner.write(value);
  }

  schema(): JsonSchema {
    return { ...this.inner.schema(), description: this.note };
  }
}

/** A list of at most `max` items of one shape. */
export class ListShape<T> implements Shape<readonly T[]> {
  readonly item: Shape<T>;
  readonly max: number;

  constructor(item: Shape<T>, max: number) {
    this.item = item;
    this.max = max;
  }

  read(value: unknown): readonly T[] {
    return readList(value, this.max).map((one, index) => inside(index, () => this.item.read(one)));
  }

  write(value: readonly T[]): unknown {
    return value.map((one) => this.item.write(one));
  }

  schema(): JsonSchema {
    return { type: 'array', maxItems: this.max, items: this.item.schema() };
  }
}

/** A list from a peer that is read item by item. An item that cannot be read becomes a typed error and does not affect the others. */
export class ItemsShape<T> implements Shape<readonly Item<T>[]> {
  readonly item: Shape<T>;
  readonly max: number;
  readonly key: string;

  /** @param key name on the wire of the field that identifies an item */
  constructor(item: Shape<T>, max: number, key: string) {
    this.item = item;
    this.max = max;
    this.key = key;
  }

  read(value: unknown): readonly Item<T>[] {
    return readList(value, this.max).map((one, index) => {
      try {
        return { ok: true, value: this.item.read(one) };
      } catch (error) {
        return { ok: false, key: keyOf(one, this.key), error: errorToData(asPinholeError(error, formatPath('', [index]), 'message')) };
      }
    });
  }

  /** Writes the items that could be read. */
  write(value: readonly Item<T>[]): unknown {
    return value.flatMap((one) => (one.ok ? [this.item.write(one.value)] : []));
  }

  schema(): JsonSchema {
    return { type: 'array', maxItems: this.max, items: this.item.schema() };
  }
}

/** Characters up to which a text counts as a key. */
const MAX_KEY = 64;

function keyOf(item: unknown, name: string): string | null {
  if (typeof item !== 'object' || item === null || !Object.hasOwn(item, name)) return null;
  const key = (item as Record<string, unknown>)[name];
  return typeof key === 'string' && key.length <= MAX_KEY ? key : null;
}

function readList(value: unknown, max: number): readonly unknown[] {
  if (!Array.isArray(value)) throw new Mismatch('a list');
  if (value.length > max) throw new Mismatch(`at most ${max} items, not ${value.length}`);
  return value;
}

/** An object whose keys are data: each key and each value of one shape, at most `max` of them. In the order of the keys. */
export class DictionaryShape<T> implements Shape<Readonly<Record<string, T>>> {
  readonly key: Shape<string>;
  readonly value: Shape<T>;
  readonly max: number;

  constructor(key: Shape<string>, value: Shape<T>, max: number) {
    this.key = key;
    this.value = value;
    this.max = max;
  }

  read(value: unknown): Readonly<Record<string, T>> {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Mismatch('an object');
    const given = Object.entries(value);
    if (given.length > this.max) throw new Mismatch(`at most ${this.max} entries, not ${given.length}`);
    const read = given.map(([key, one]) => inside(key.slice(0, MAX_KEY), () => [this.key.read(key), this.value.read(one)] as const));
    return inOrder(read);
  }

  write(value: Readonly<Record<string, T>>): unknown {
    return inOrder(Object.entries(value).map(([key, one]) => [key, this.value.write(one)] as const));
  }

  schema(): JsonSchema {
    return { type: 'object', maxProperties: this.max, propertyNames: this.key.schema(), additionalProperties: this.value.schema() };
  }
}

function inOrder<T>(entries: readonly (readonly [string, T])[]): Readonly<Record<string, T>> {
  return Object.fromEntries([...entries].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** A pair, as a list of two items. */
export class PairShape<A, B> implements Shape<readonly [A, B]> {
  readonly first: Shape<A>;
  readonly second: Shape<B>;

  constructor(first: Shape<A>, second: Shape<B>) {
    this.first = first;
    this.second = second;
  }

  read(value: unknown): readonly [A, B] {
    if (!Array.isArray(value) || value.length !== 2) throw new Mismatch('a pair');
    return [inside(0, () => this.first.read(value[0])), inside(1, () => this.second.read(value[1]))];
  }

  write([first, second]: readonly [A, B]): unknown {
    return [this.first.write(first), this.second.write(second)];
  }

  schema(): JsonSchema {
    return { type: 'array', minItems: 2, maxItems: 2, prefixItems: [this.first.schema(), this.second.schema()] };
  }
}

/** A shape with an additional rule, or whose value has another form in the program than on the wire. */
export class MappedShape<W, T> implements Shape<T> {
  readonly inner: Shape<W>;
  readonly from: (wire: W) => T;
  readonly to: (value: T) => W;

  /**
   * @param from returns the program's form; may throw Mismatch
   * @param to is the inverse of `from`
   */
  constructor(inner: Shape<W>, from: (wire: W) => T, to: (value: T) => W) {
    this.inner = inner;
    this.from = from;
    this.to = to;
  }

  read(value: unknown): T {
    return this.from(this.inner.read(value));
  }

  write(value: T): unknown {
    return this.inner.write(this.to(value));
  }

  schema(): JsonSchema {
    return this.inner.schema();
  }
}

/** One of several shapes, chosen by the JSON type of the value. The last one reads a value that no choice claims. */
export class EitherShape<T> implements Shape<T> {
  readonly choices: readonly { readonly when: (value: unknown) => boolean; readonly shape: Shape<unknown> }[];
  readonly choose: (value: T) => number;

  /** @param choose returns the index of the choice that writes a value */
  constructor(choices: EitherShape<T>['choices'], choose: (value: T) => number) {
    this.choices = choices;
    this.choose = choose;
  }

  read(value: unknown): T {
    const { shape } = this.choices.find(({ when }) => when(value)) ?? (this.choices.at(-1) as EitherShape<T>['choices'][number]);
    return shape.read(value) as T;
  }

  write(value: T): unknown {
    return this.choices[this.choose(value)]?.shape.write(value);
  }

  schema(): JsonSchema {
    return { anyOf: this.choices.map(({ shape }) => shape.schema()) };
  }
}

/** Returns a shape for a value or null; see {@link NullableShape}. */
export function nullable<T>(inner: Shape<T>): NullableShape<T> {
  return new NullableShape(inner);
}

/** Returns a shape for a field that may be missing; see {@link OptionalShape}. */
export function optional<T>(inner: Shape<T>): OptionalShape<T> {
  return new OptionalShape(inner);
}

/** Returns a shape for a field that has a value even if it is missing; see {@link DefaultShape}. */
export function withDefault<T>(inner: Shape<T>, fallback: T): DefaultShape<T> {
  return new DefaultShape(inner, fallback);
}

/** Returns the shape with a description. @param note a clause for the schema */
export function documented<T>(inner: Shape<T>, note: string): DocumentedShape<T> {
  return new DocumentedShape(inner, note);
}

/** Returns a shape for a list. One item that cannot be read makes the whole list a Mismatch. @param max number of items */
export function list<T>(item: Shape<T>, max: number): ListShape<T> {
  return new ListShape(item, max);
}

/**
 * Returns a shape for a list from a peer; see {@link ItemsShape}.
 * @param max number of items
 * @param key name on the wire of the field that identifies an item
 */
export function items<T>(item: Shape<T>, max: number, key: string): ItemsShape<T> {
  return new ItemsShape(item, max, key);
}

/** Returns a shape for an object whose keys are data; see {@link DictionaryShape}. @param max number of entries */
export function dictionary<T>(key: Shape<string>, value: Shape<T>, max: number): DictionaryShape<T> {
  return new DictionaryShape(key, value, max);
}

/** Returns a shape for a list of exactly two items. */
export function pair<A, B>(first: Shape<A>, second: Shape<B>): PairShape<A, B> {
  return new PairShape(first, second);
}

/**
 * Returns a shape with another form in the program; see {@link MappedShape}.
 * @param from may throw Mismatch
 * @param to is the inverse of `from`
 */
export function mapped<W, T>(inner: Shape<W>, from: (wire: W) => T, to: (value: T) => W): MappedShape<W, T> {
  return new MappedShape(inner, from, to);
}
