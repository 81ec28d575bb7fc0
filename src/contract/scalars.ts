import { Mismatch } from './mismatch.ts';
import type { JsonSchema, Shape } from './shape.ts';

/** The rules of a text. */
export interface TextOptions {
  /** In bytes of UTF-8, the unit of all lengths in Pinhole. */
  readonly max: number;
  /** In bytes of UTF-8 as well. Absent: an empty text is valid. */
  readonly min?: number;
  readonly pattern?: RegExp;
  /** What the text is, for messages and the schema, as a phrase after "expected": `the name of a host`. */
  readonly what: string;
  /** @returns the canonical spelling. @throws Mismatch */
  readonly canonical?: (text: string) => string;
  /** Whether the text may contain line ends and tabs. */
  readonly multiline?: boolean;
  /** The format's name in JSON Schema, if it has one. */
  readonly format?: string;
}

/** Unicode category Cc: characters that end lines, control terminals, or end strings in C. */
const CONTROL = /\p{Cc}/u;
const CONTROL_IN_LINES = /(?![\n\t])\p{Cc}/u;

/** Well-formed Unicode without control characters, with bounds in bytes. */
export class TextShape<T extends string = string> implements Shape<T> {
  readonly options: TextOptions;

  constructor(options: TextOptions) {
    this.options = options;
  }

  get max(): number {
    return this.options.max;
  }

  read(value: unknown): T {
    const { max, min = 0, pattern, what, canonical, multiline = false } = this.options;
    if (typeof value !== 'string') throw new Mismatch(what);
    // UTF-8 has at most three bytes per UTF-16 unit, so that most texts need not be measured.
    const tooLong = value.length > max || (value.length * 3 > max && Buffer.byteLength(value) > max);
    if (tooLong) throw new Mismatch(`${what}, of at most ${max} bytes of UTF-8`);
    if (min > 0 && Buffer.byteLength(value) < min) throw new Mismatch(min === 1 ? `${what}, not an empty text` : what);
    if (!value.isWellFormed()) throw new Mismatch(`${what}, in well-formed Unicode`);
    if ((multiline ? CONTROL_IN_LINES : CONTROL).test(value)) throw new Mismatch(`${what}, without control characters`);
    if (pattern && !pattern.test(value)) throw new Mismatch(what);
    return (canonical ? canonical(value) : value) as T;
  }

  write(value: T): string {
    return value;
  }

  schema(): JsonSchema {
    const { max, min = 0, pattern, what, format } = this.options;
    return {
      type: 'string',
      ...(min > 0 ? { minLength: 1 } : {}),
      maxLength: max,
      ...(pattern ? { pattern: pattern.source } : {}),
      ...(format ? { format } : {}),
      description: `${what}; at most ${max} bytes of UTF-8`,
    };
  }
}

/** An integer from `min` to `max`, both included. */
export class IntegerShape implements Shape<number> {
  readonly min: number;
  readonly max: number;

  constructor(min: number, max: number) {
    this.min = min;
    this.max = max;
  }

  read(value: unknown): number {
    if (typeof value === 'number' && Number.isInteger(value) && value >= this.min && value <= this.max) return value;
    throw new Mismatch(`an integer from ${this.min} to ${this.max}`);
  }

  write(value: number): number {
    return value;
  }

  schema(): JsonSchema {
    return { type: 'integer', minimum: this.min, maximum: this.max };
  }
}

class BooleanShape implements Shape<boolean> {
  read(value: unknown): boolean {
    if (typeof value !== 'boolean') throw new Mismatch('true or false');
    return value;
  }

  write(value: boolean): boolean {
    return value;
  }

  schema(): JsonSchema {
    return { type: 'boolean' };
  }
}

/** true or false. */
export const BOOLEAN: Shape<boolean> = new BooleanShape();

/** One of several words. */
export class ChoiceShape<T extends string> implements Shape<T> {
  readonly values: readonly T[];

  constructor(values: readonly T[]) {
    this.values = values;
  }

  read(value: unknown): T {
    const found = this.values.find((one) => one === value);
    if (found === undefined) throw new Mismatch(this.values.map((one) => `'${one}'`).join(' or '));
    return found;
  }

  write(value: T): T {
    return value;
  }

  schema(): JsonSchema {
    return { type: 'string', enum: [...this.values] };
  }
}

/** Exactly one value: the tag of a union, or a version. */
export class LiteralShape<const T extends string | boolean | null> implements Shape<T> {
  readonly value: T;

  constructor(value: T) {
    this.value = value;
  }

  read(value: unknown): T {
    if (value !== this.value) throw new Mismatch(JSON.stringify(this.value));
    return this.value;
  }

  write(): T {
    return this.value;
  }

  schema(): JsonSchema {
    return { const: this.value };
  }
}

/** Any JSON object up to a size and depth, which Pinhole passes on without reading it. */
export class JsonShape implements Shape<Readonly<Record<string, unknown>>> {
  readonly maxBytes: number;
  readonly maxDepth: number;

  constructor(maxBytes: number, maxDepth: number) {
    this.maxBytes = maxBytes;
    this.maxDepth = maxDepth;
  }

  read(value: unknown): Readonly<Record<string, unknown>> {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Mismatch('an object');
    if (!isShallow(value, this.maxDepth)) throw new Mismatch(`an object nested at most ${this.maxDepth} deep`);
    if (Buffer.byteLength(JSON.stringify(value)) > this.maxBytes) throw new Mismatch(`an object of at most ${this.maxBytes} bytes of JSON`);
    return value as Readonly<Record<string, unknown>>;
  }

  write(value: Readonly<Record<string, unknown>>): unknown {
    return value;
  }

  schema(): JsonSchema {
    return { type: 'object', additionalProperties: true };
  }
}

function isShallow(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return depth > 0 && Object.values(value).every((inner) => isShallow(inner, depth - 1));
}

/** Returns the shape of a text with these rules. */
export function text<T extends string = string>(options: TextOptions): TextShape<T> {
  return new TextShape<T>(options);
}

/** Returns the shape of an integer. @param range smallest and largest value, both included */
export function integer(...[min, max]: [min: number, max: number]): IntegerShape {
  return new IntegerShape(min, max);
}

/** Returns the shape of one of these words. */
export function oneOf<const T extends string>(...values: readonly T[]): ChoiceShape<T> {
  return new ChoiceShape(values);
}

/** Returns the shape of exactly this value. */
export function literal<const T extends string | boolean | null>(value: T): LiteralShape<T> {
  return new LiteralShape(value);
}

/** Returns the shape of any JSON object. @param maxBytes size as compact JSON @param maxDepth number of nested levels */
export function json(maxBytes: number, maxDepth = 16): JsonShape {
  return new JsonShape(maxBytes, maxDepth);
}
