import { DefaultShape, DocumentedShape, EitherShape, ListShape, MappedShape, NullableShape, OptionalShape } from '../contract/compounds.ts';
import { Mismatch, type Origin } from '../contract/mismatch.ts';
import { type Fields, type RecordOf, RecordShape } from '../contract/record.ts';
import { type JsonSchema, read, type Shape } from '../contract/shape.ts';
import { PinholeError } from '../model/errors.ts';

/** An object of an answer: as the contract has it, and as it came, which is what `--json` prints. */
export interface Answer<T> {
  readonly value: T;
  readonly json: Readonly<Record<string, unknown>>;
}

/** The most items that a list of an answer may have: each server bounds its own lists. */
export const ANY_NUMBER = Number.MAX_SAFE_INTEGER;

class KeptShape<F extends Fields> implements Shape<Answer<RecordOf<F>>> {
  readonly #inner: RecordShape<F>;

  constructor(inner: RecordShape<F>) {
    this.#inner = inner;
  }

  read(value: unknown): Answer<RecordOf<F>> {
    if (!isObject(value)) throw new Mismatch('an object');
    return { value: this.#inner.read(known(this.#inner, value)), json: value };
  }

  write({ json }: Answer<RecordOf<F>>): unknown {
    return json;
  }

  schema(): JsonSchema {
    return this.#inner.schema();
  }
}

/** The shape of a record that is read, and kept as it came too: with fields of a newer server that this program does not know. */
export function kept<F extends Fields>(shape: RecordShape<F>): Shape<Answer<RecordOf<F>>> {
  return new KeptShape(shape);
}

/**
 * Reads parsed JSON from a server that may be newer: fields that the shape does not have are ignored, at any depth.
 * @param options `path` stands in messages in front of the field at fault; `origin` is whose fault it is
 * @throws PinholeError `invalid-message` (`invalid-input` for the origin `input`) that names the field
 */
export function readAnswer<T>(shape: Shape<T>, json: unknown, options: { path?: string; origin?: Origin } = {}): T {
  const { path = 'answer', origin = 'message' } = options;
  return read(shape, known(shape, json), path, origin);
}

/** Parses the text of an answer. @throws PinholeError `invalid-message` for text that is not JSON */
export function parseAnswer(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new PinholeError('invalid-message', `The server's answer is not JSON: ${(error as Error).message}.`, { cause: error });
  }
}

/** Shapes around one other shape. */
const WRAPPERS = [NullableShape, OptionalShape, DefaultShape, DocumentedShape, MappedShape] as const;

/** JSON without the fields that a shape does not have. What is not of the shape is left for the shape's reader to refuse. */
function known(shape: Shape<unknown>, json: unknown): unknown {
  if (shape instanceof RecordShape) {
    if (!isObject(json)) return json;
    const entries = shape.entries.filter(({ name }) => Object.hasOwn(json, name));
    return Object.fromEntries(entries.map(({ name, shape: inner }) => [name, known(inner, json[name])]));
  }
  if (shape instanceof ListShape) return Array.isArray(json) ? json.map((item) => known(shape.item, item)) : json;
  if (shape instanceof EitherShape) {
    const chosen = shape.choices.find(({ when }) => when(json));
    return chosen ? known(chosen.shape, json) : json;
  }
  for (const wrapper of WRAPPERS) if (shape instanceof wrapper) return known(shape.inner, json);
  return json;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
