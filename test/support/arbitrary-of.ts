import fc from 'fast-check';
import {
  DefaultShape,
  DictionaryShape,
  DocumentedShape,
  EitherShape,
  ItemsShape,
  ListShape,
  MappedShape,
  NullableShape,
  OptionalShape,
  PairShape,
} from '../../src/contract/compounds.ts';
import { LABEL_KEY } from '../../src/contract/labels.ts';
import { Mismatch } from '../../src/contract/mismatch.ts';
import { ADDRESS, HELPER_NAME, NETWORK, PROTOCOL_NAME, UUID } from '../../src/contract/primitives.ts';
import { RecordShape, TaggedShape } from '../../src/contract/record.ts';
import { BOOLEAN, ChoiceShape, IntegerShape, JsonShape, LiteralShape, TextShape } from '../../src/contract/scalars.ts';
import { SELECTOR } from '../../src/contract/selector.ts';
import type { Shape } from '../../src/contract/shape.ts';
import { TimeShape } from '../../src/contract/time.ts';
import { CATALOGUE } from '../../src/model/catalogue.ts';
import { runs } from './runs.ts';

/** Arbitrary values of a shape: those that it reads from its arbitrary JSON. */
export function arbitraryOf<T>(shape: Shape<T>): fc.Arbitrary<T> {
  return wireOf(shape).map((wire) => shape.read(wire));
}

/**
 * Arbitrary JSON that a shape reads, derived from the shape's structure: any spelling that it accepts, not the canonical one alone.
 * Bounds come up often: the smallest and largest number, the longest text in characters of one to four bytes, the first and last year.
 * @throws Error for a shape of a class that is not known here
 */
export function wireOf(shape: Shape<unknown>): fc.Arbitrary<unknown> {
  if (shape === BOOLEAN) return fc.boolean();
  if (shape instanceof TextShape) return pooled(shape, () => texts(shape));
  if (shape instanceof IntegerShape) return integers(shape);
  if (shape instanceof ChoiceShape) return fc.constantFrom(...shape.values);
  if (shape instanceof LiteralShape) return fc.constant(shape.value);
  if (shape instanceof TimeShape) return pooled(shape, () => times);
  if (shape instanceof JsonShape) return accepted(shape, fc.dictionary(fc.string({ maxLength: 8 }), carriedJson, { maxKeys: 3 }));
  if (shape instanceof DocumentedShape) return wireOf(shape.inner);
  if (shape instanceof NullableShape || shape instanceof DefaultShape)
    return fc.oneof({ weight: 3, arbitrary: wireOf(shape.inner) }, { weight: 1, arbitrary: fc.constant(null) });
  if (shape instanceof ListShape || shape instanceof ItemsShape) return fc.array(wireOf(shape.item), { maxLength: Math.min(shape.max, 3) });
  if (shape instanceof DictionaryShape)
    return fc
      .uniqueArray(fc.tuple(wireOf(shape.key) as fc.Arbitrary<string>, wireOf(shape.value)), {
        maxLength: Math.min(shape.max, 3),
        selector: ([key]) => key,
      })
      .map((entries) => Object.fromEntries(entries));
  if (shape instanceof PairShape) return fc.tuple(wireOf(shape.first), wireOf(shape.second));
  if (shape instanceof MappedShape) return accepted(shape, wireOf(shape.inner));
  if (shape instanceof EitherShape) return fc.oneof(...shape.choices.map((choice) => wireOf(choice.shape)));
  if (shape instanceof TaggedShape) return fc.oneof(...[...shape.choices.values()].map(wireOf));
  if (shape instanceof RecordShape) return records(shape);
  throw new Error(`no arbitrary values of a ${shape.constructor.name}`);
}

const POOL = runs(1 / 8).numRuns;
const pools = new WeakMap<Shape<unknown>, fc.Arbitrary<unknown>>();

/** A scalar's values drawn from some that were made once: a law is tried on many values, and most of a trial went into making texts. */
function pooled(shape: Shape<unknown>, make: () => fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  const known = pools.get(shape);
  if (known) return known;
  const pool = fc.constantFrom(...fc.sample(make(), POOL));
  pools.set(shape, pool);
  return pool;
}

/** Whether a shape reads a value. Any other error than a mismatch is a defect, and thrown. */
export function conforms(shape: Shape<unknown>, value: unknown): boolean {
  try {
    shape.read(value);
    return true;
  } catch (error) {
    if (error instanceof Mismatch) return false;
    throw error;
  }
}

function accepted(shape: Shape<unknown>, wire: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return wire.filter((value) => conforms(shape, value));
}

function records(shape: RecordShape<Readonly<Record<string, Shape<unknown>>>>): fc.Arbitrary<unknown> {
  const absent = (one: Shape<unknown>) => one instanceof OptionalShape || one instanceof NullableShape || one instanceof DefaultShape;
  const fields = shape.entries.map(({ name, shape: one }) => [name, wireOf(one instanceof OptionalShape ? one.inner : one)] as const);
  const requiredKeys = shape.entries.filter((entry) => !absent(entry.shape)).map(({ name }) => name);
  return fc.record(Object.fromEntries(fields), { requiredKeys, noNullPrototype: true });
}

function integers({ min, max }: IntegerShape): fc.Arbitrary<number> {
  return fc.oneof(fc.integer({ min, max }), fc.constantFrom(min, max));
}

/** Longer texts than this are made by the tests that are about them. */
const LONGEST = 4_096;
/** One character each of one to four bytes of UTF-8. */
const CHARACTERS = ['a', 'ä', '語', '😀'] as const;

function texts(shape: TextShape): fc.Arbitrary<string> {
  const { max, pattern, canonical, format } = shape.options;
  const special = SPECIAL.get(shape);
  if (special) return special;
  if (format === 'uuid') return fc.uuid();
  const limit = Math.min(max, LONGEST);
  const usual = pattern ? fc.stringMatching(pattern, { size: 'xsmall' }) : plainText;
  const longest = pattern ? usual.map((text) => toLength(text, limit)) : fc.constantFrom(...CHARACTERS.map((one) => toLength(one, limit)));
  const all = fc.oneof({ weight: 6, arbitrary: usual }, { weight: 1, arbitrary: longest });
  return canonical || pattern || max < 64 ? all.filter((text) => conforms(shape, text)) : all;
}

/** A text repeated up to so many bytes. */
function toLength(text: string, bytes: number): string {
  return text.repeat(Math.floor(bytes / Math.max(1, Buffer.byteLength(text))));
}

/** A negative zero is none any more after a journey as JSON. */
const carriedJson = fc.jsonValue({ maxDepth: 1, depthSize: 'xsmall' }).map((value): unknown => JSON.parse(JSON.stringify(value)));

const plainText = fc.string({ unit: 'binary', maxLength: 12 }).map((text) => text.replace(/\p{Cc}/gu, '·'));

const ipv4 = fc.ipV4();
/** Every spelling: upper case, leading zeros, an IPv4 tail. */
const ipv6 = fc.ipV6();

/** What a pattern describes too loosely. */
const SPECIAL: ReadonlyMap<Shape<unknown>, fc.Arbitrary<string>> = new Map<Shape<unknown>, fc.Arbitrary<string>>([
  [
    NETWORK,
    fc.oneof(
      ipv4,
      ipv6,
      fc.tuple(ipv4, fc.integer({ min: 0, max: 32 })).map((parts) => parts.join('/')),
      fc.tuple(ipv6, fc.integer({ min: 0, max: 128 })).map((parts) => parts.join('/')),
    ),
  ],
  [
    ADDRESS,
    fc.oneof(
      ipv4,
      ipv6.map((address) => address.toLowerCase()),
    ),
  ],
  [UUID, fc.uuid()],
  [LABEL_KEY, fc.oneof(fc.constantFrom('site', 'example.com/tier'), fc.stringMatching(/^[A-Za-z0-9]{1,8}$/))],
  [
    SELECTOR.inner,
    fc.constantFrom('site=berlin', 'site!=berlin,tier', 'site in (a, b),!tier', 'site notin (a)', 'a==b', 'example.com/site=', 'a,!b'),
  ],
  [PROTOCOL_NAME, fc.oneof(fc.constantFrom('tcp', 'udp'), fc.stringMatching(/^[a-z0-9-]{1,16}$/))],
  [HELPER_NAME, fc.oneof(fc.constantFrom(...CATALOGUE.map(({ helper }) => helper)), fc.stringMatching(/^[A-Za-z0-9._-]{1,64}$/))],
]);

const FIRST = Date.UTC(1970, 0, 1);
const LAST = Date.UTC(9999, 11, 31, 23, 59, 59, 999);
const DAY_MINUTES = 24 * 60;

/** Moments that every side reads, in UTC or with an offset, to the second or the millisecond. */
const times = fc
  .record({
    time: fc.oneof(fc.integer({ min: FIRST, max: LAST }), fc.constantFrom(FIRST, LAST)),
    offset: fc.oneof(fc.constant(0), fc.integer({ min: 1 - DAY_MINUTES, max: DAY_MINUTES - 1 })),
    lower: fc.boolean(),
  })
  .map(({ time, offset, lower }) => {
    const local = new Date(time + offset * 60_000);
    // Near the ends, some offsets lead to years that RFC 3339 cannot write.
    if (offset === 0 || local.getTime() > LAST || local.getUTCFullYear() < 1970) return new Date(time).toISOString();
    const size = Math.abs(offset);
    const [hours, minutes] = [Math.floor(size / 60), size % 60].map((one) => String(one).padStart(2, '0'));
    const text = local.toISOString().replace('Z', `${offset < 0 ? '-' : '+'}${hours}:${minutes}`);
    return lower ? text.replace('T', 't') : text;
  });
