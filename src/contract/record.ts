import { DefaultShape, DocumentedShape, MappedShape, NullableShape, OptionalShape, optional } from './compounds.ts';
import { Mismatch } from './mismatch.ts';
import { inside, type JsonSchema, type Of, type Shape } from './shape.ts';

export type Fields = Readonly<Record<string, Shape<unknown>>>;

type OptionalKeys<F> = { [K in keyof F]: F[K] extends OptionalShape<infer _> ? K : never }[keyof F];

/** The type of a record. Fields that may be missing are optional. */
export type RecordOf<F> = { readonly [K in Exclude<keyof F, OptionalKeys<F>>]: Of<F[K]> } & {
  readonly [K in OptionalKeys<F>]?: Of<F[K]>;
};

interface Entry {
  readonly key: string;
  /** The field's name on every wire: `expires_at` for `expiresAt`. */
  readonly name: string;
  readonly shape: Shape<unknown>;
}

/** Names on the wire that are not the snake_case of the program's name. */
type Renamed = Readonly<Record<string, string>>;

/** An object with exactly these fields. Names are camelCase in the program and snake_case on every wire. */
export class RecordShape<F extends Fields> implements Shape<RecordOf<F>> {
  readonly fields: F;
  readonly entries: readonly Entry[];
  readonly #names: ReadonlySet<string>;

  constructor(fields: F, renamed: Renamed = {}) {
    this.fields = fields;
    this.entries = Object.entries(fields).map(([key, shape]) => ({ key, name: renamed[key] ?? wireName(key), shape }));
    this.#names = new Set(this.entries.map(({ name }) => name));
  }

  read(value: unknown): RecordOf<F> {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Mismatch('an object');
    for (const name of Object.keys(value)) if (!this.#names.has(name)) throw new Mismatch('no such field', name.slice(0, MAX_SHOWN));
    return this.#read(value as Readonly<Record<string, unknown>>);
  }

  /** Reads an answer of a peer that may be newer: unknown fields are ignored. @throws Mismatch */
  readKnown(value: unknown): RecordOf<F> {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Mismatch('an object');
    return this.#read(value as Readonly<Record<string, unknown>>);
  }

  write(value: RecordOf<F>): Readonly<Record<string, unknown>> {
    const given = value as Readonly<Record<string, unknown>>;
    const written: Record<string, unknown> = {};
    for (const { key, name, shape } of this.entries) {
      const one = given[key];
      if (one !== undefined || !(shape instanceof OptionalShape)) written[name] = shape.write(one);
    }
    return written;
  }

  schema(): JsonSchema {
    const required = this.entries.filter(({ shape }) => !mayBeAbsent(shape)).map(({ name }) => name);
    return {
      type: 'object',
      additionalProperties: false,
      ...(required.length > 0 ? { required } : {}),
      properties: Object.fromEntries(this.entries.map(({ name, shape }) => [name, shape.schema()])),
    };
  }

  #read(given: Readonly<Record<string, unknown>>): RecordOf<F> {
    const found: Record<string, unknown> = {};
    for (const { key, name, shape } of this.entries) {
      const one = Object.hasOwn(given, name) ? given[name] : undefined;
      const value = inside(name, () => shape.read(one));
      if (value !== undefined) found[key] = value;
    }
    return found as RecordOf<F>;
  }
}

/** Number of characters of a refused name that a message shows. */
const MAX_SHOWN = 64;

/** One of several records, which differ in the text of one field. */
export class TaggedShape<T> implements Shape<T> {
  readonly tag: string;
  readonly choices: ReadonlyMap<string, Shape<unknown>>;

  constructor(tag: string, choices: Readonly<Record<string, Shape<unknown>>>) {
    this.tag = tag;
    this.choices = new Map(Object.entries(choices));
  }

  read(value: unknown): T {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Mismatch('an object');
    const tag = (value as Record<string, unknown>)[this.tag];
    const choice = typeof tag === 'string' ? this.choices.get(tag) : undefined;
    if (!choice) throw new Mismatch([...this.choices.keys()].map((one) => `'${one}'`).join(' or '), this.tag);
    return choice.read(value) as T;
  }

  write(value: T): unknown {
    const tag = (value as Readonly<Record<string, unknown>>)[this.tag] as string;
    return this.choices.get(tag)?.write(value);
  }

  schema(): JsonSchema {
    return { oneOf: [...this.choices.values()].map((choice) => choice.schema()) };
  }
}

function mayBeAbsent(shape: Shape<unknown>): boolean {
  if (shape instanceof DocumentedShape || shape instanceof MappedShape) return mayBeAbsent(shape.inner);
  return shape instanceof OptionalShape || shape instanceof NullableShape || shape instanceof DefaultShape;
}

/** Returns the name on the wire: `expires_at` for `expiresAt`. */
export function wireName(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/**
 * Returns the shape of a record.
 * @param renamed names on the wire that are not the snake_case of the field's name, by field
 */
export function record<F extends Fields>(fields: F, renamed: Renamed = {}): RecordShape<F> {
  return new RecordShape(fields, renamed);
}

/** Returns the shape of a record with the same fields, each of which may be missing: the fields that a change may name. */
export function partial<F extends Fields>(fields: F, renamed: Renamed = {}): RecordShape<{ [K in keyof F]: OptionalShape<Of<F[K]>> }> {
  const all = Object.entries(fields).map(([key, shape]) => [key, optional(shape)]);
  return new RecordShape(Object.fromEntries(all) as { [K in keyof F]: OptionalShape<Of<F[K]>> }, renamed);
}

type TaggedRecord<Tag extends string, C> = { [K in keyof C]: Of<C[K]> & { readonly [T in Tag]: K } }[keyof C];

/**
 * Returns the shape of one of several records, which `tag` distinguishes. The tag has the same name on the wire, and is a field of
 * each choice.
 */
export function tagged<const Tag extends string, const C extends Readonly<Record<string, Shape<unknown>>>>(
  tag: Tag,
  choices: C,
): TaggedShape<TaggedRecord<Tag, C>> {
  return new TaggedShape(tag, choices);
}
