import { lookUp } from '../../model/look-up.ts';
import type { Comparison, Operand, Scalar, Statement, Target, Value, Verdict } from './exact.ts';
import { field, isFlags, UNKNOWN } from './exact.ts';
import type { NftFamily } from './model.ts';

type Json = Readonly<Record<string, unknown>>;

/** A set or map with its elements as they are now. It is read once, however many rules name it. */
export class CurrentSet {
  readonly #elements: readonly unknown[];
  #values: Value[] | null = null;
  #scalars: (readonly [Value, Scalar])[] | null = null;
  #verdicts: (readonly [Value, Verdict])[] | null = null;

  /** @param elements as libnftables-json(5) has them: values, or pairs of a key and a value */
  constructor(elements: readonly unknown[]) {
    this.#elements = elements;
  }

  get values(): readonly Value[] {
    this.#values ??= this.#elements.map(alternativeOf);
    return this.#values;
  }

  /** Pairs of a map to values. */
  get scalars(): readonly (readonly [Value, Scalar])[] {
    this.#scalars ??= this.#pairs().map(([key, value]) => [alternativeOf(key), scalarOf(value)] as const);
    return this.#scalars;
  }

  /** Pairs of a map to verdicts. */
  get verdicts(): readonly (readonly [Value, Verdict])[] {
    this.#verdicts ??= this.#pairs().flatMap(([key, value]) => {
      const [[kind, body] = ['', null]] = isObject(value) ? Object.entries(value) : [];
      const verdict = verdictOf(kind, body);
      return verdict ? [[alternativeOf(key), verdict] as const] : [];
    });
    return this.#verdicts;
  }

  #pairs(): (readonly [unknown, unknown])[] {
    return this.#elements.flatMap((pair) => (Array.isArray(pair) && pair.length === 2 ? [[pair[0], pair[1]] as const] : []));
  }
}

/** A set or map of the rule's table, by its name; null: there is none. */
export type Elements = (name: string) => CurrentSet | null;

/** Statements that neither decide nor change anything that a later rule can see. */
const HARMLESS = new Set(['counter', 'log', 'flow', 'dup', 'last']);

/** The statements of a rule in nft's JSON (libnftables-json(5)), in order. */
export function exactOf(parts: readonly Json[], elements: Elements): Statement[] {
  return parts.flatMap((part) => {
    const [[kind, value] = ['', null]] = Object.entries(part);
    return statementsOf(kind, value, elements);
  });
}

function statementsOf(kind: string, value: unknown, elements: Elements): Statement[] {
  const body = isObject(value) ? value : {};
  switch (kind) {
    case 'match':
      return [conditionOf(body, elements)];
    case 'limit':
      return [{ kind: 'rate', over: body['inv'] === true }];
    case 'ct count':
      return [{ kind: 'connections', count: Number(body['val']), over: body['inv'] === true }];
    case 'set':
    case 'map':
      return nested(body['stmt'], elements);
    case 'meter':
      return nested([body['stmt']], elements);
    case 'mangle':
      return changeOf(body, elements);
    case 'notrack':
      return [{ kind: 'notrack' }];
    case 'ct helper':
      return [{ kind: 'helper', object: isObject(value) ? operandOf(value, elements) : constant(textOf(value)), type: null }];
    case 'masquerade':
    case 'snat':
    case 'dnat':
    case 'redirect':
      return [
        {
          kind: 'nat',
          form: kind,
          family: (textOf(body['family']) || null) as NftFamily | null,
          address: body['addr'] === undefined ? null : operandOf(body['addr'], elements),
          port: body['port'] === undefined ? null : operandOf(body['port'], elements),
        },
      ];
    case 'vmap':
      return [{ kind: 'verdict-map', key: operandOf(body['key'], elements), entries: mapOf(body['data'], elements)?.verdicts ?? null }];
    default: {
      const verdict = verdictOf(kind, value);
      if (verdict) return [{ kind: 'verdict', verdict }];
      return HARMLESS.has(kind) ? [] : [{ kind: 'opaque' }];
    }
  }
}

function conditionOf(body: Json, elements: Elements): Statement {
  const left = operandOf(body['left'], elements);
  const op = body['op'] === '!' ? 'not in' : (textOf(body['op']) as Comparison);
  const right = body['right'];
  // The elements of a set are whole values, unlike the flags that follow a field without a set.
  if (isFlags(left) && isObject(right) && Array.isArray(right['set']))
    return { kind: 'condition', left, op, right: right['set'].map((one) => ({ kind: 'flags', all: flagsOf(one) })) };
  return { kind: 'condition', left, op, right: valuesOf(right, elements) };
}

/** Words of `syn` and of `syn | ack`. */
function flagsOf(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(flagsOf);
  return isObject(value) ? flagsOf(value['|']) : [textOf(value)].filter((word) => word !== '');
}

/** Statements inside a statement, such as the limit of `add @set { ip saddr limit … }`. */
function nested(value: unknown, elements: Elements): Statement[] {
  return Array.isArray(value) ? exactOf(value.filter(isObject), elements) : [];
}

const TARGETS: Readonly<Record<string, Target>> = {
  'meta mark': 'meta mark',
  'ct mark': 'ct mark',
  'ct zone': 'ct zone',
  'ct original zone': 'ct original zone',
  'ct reply zone': 'ct reply zone',
};

/** `meta mark set …` and the like. Changes of other fields, such as the DSCP, are left out. */
function changeOf(body: Json, elements: Elements): Statement[] {
  const key = operandOf(body['key'], elements);
  const target = key.kind === 'field' ? lookUp(TARGETS, key.name) : undefined;
  return target === undefined ? [] : [{ kind: 'set', target, value: operandOf(body['value'], elements) }];
}

function verdictOf(kind: string, value: unknown): Verdict | null {
  switch (kind) {
    case 'accept':
    case 'drop':
    case 'return':
    case 'continue':
    case 'queue':
      return { kind };
    case 'reject':
      return { kind: 'drop' };
    case 'jump':
    case 'goto':
      return { kind, chain: isObject(value) ? textOf(value['target']) : '' };
    default:
      return null;
  }
}

/** The right side of an expression, or a part of it, as an operand. */
function operandOf(value: unknown, elements: Elements): Operand {
  if (typeof value === 'number' || typeof value === 'string') return constant(value);
  if (Array.isArray(value)) return { kind: 'constant', value: value.map(textOf) };
  if (!isObject(value)) return UNKNOWN;
  const [[kind, body] = ['', null]] = Object.entries(value);
  const inner = isObject(body) ? body : {};
  switch (kind) {
    case 'payload':
      return inner['protocol'] === undefined ? UNKNOWN : field(`${textOf(inner['protocol'])} ${textOf(inner['field'])}`);
    case 'meta':
      return field(`meta ${textOf(inner['key'])}`);
    case 'ct':
      return field(['ct', textOf(inner['dir']), textOf(inner['key'])].filter(Boolean).join(' '));
    case 'fib':
      return field(`fib ${wordsOf(inner['flags']).join()} ${textOf(inner['result'])}`);
    case 'concat':
      return Array.isArray(body) ? { kind: 'concat', parts: body.map((part) => operandOf(part, elements)) } : UNKNOWN;
    case '&':
    case '|':
    case '^':
      return Array.isArray(body) && body.length === 2
        ? { kind: 'bits', op: kind, left: operandOf(body[0], elements), right: operandOf(body[1], elements) }
        : UNKNOWN;
    case 'map':
      return { kind: 'map', key: operandOf(inner['key'], elements), entries: mapOf(inner['data'], elements)?.scalars ?? null };
    default:
      return UNKNOWN;
  }
}

/** Alternatives; null: they are in a set that is not there. */
function valuesOf(right: unknown, elements: Elements): readonly Value[] | null {
  if (typeof right === 'string' && right.startsWith('@')) return elements(right.slice(1))?.values ?? null;
  if (Array.isArray(right)) return right.map(alternativeOf);
  return isObject(right) && Array.isArray(right['set']) ? right['set'].map(alternativeOf) : [alternativeOf(right)];
}

function alternativeOf(value: unknown): Value {
  if (typeof value === 'boolean') return { kind: 'one', value: String(value) };
  if (value === '*') return { kind: 'any' };
  if (!isObject(value)) return { kind: 'one', value: scalarOf(value) };
  if (isObject(value['elem'])) return alternativeOf(value['elem']['val']);
  if (isObject(value['prefix']))
    return { kind: 'prefix', address: textOf(value['prefix']['addr']), length: Number(value['prefix']['len']) };
  if (Array.isArray(value['range'])) return { kind: 'range', from: scalarOf(value['range'][0]), to: scalarOf(value['range'][1]) };
  if (Array.isArray(value['concat'])) return { kind: 'concat', parts: value['concat'].map(alternativeOf) };
  // A value in a form that is not known equals nothing that a packet has.
  return { kind: 'one', value: JSON.stringify(value) };
}

/** A map, by name or in place; null: it is not known. */
function mapOf(data: unknown, elements: Elements): CurrentSet | null {
  if (typeof data === 'string' && data.startsWith('@')) return elements(data.slice(1));
  return isObject(data) && Array.isArray(data['set']) ? new CurrentSet(data['set']) : null;
}

function constant(value: Scalar): Operand {
  return { kind: 'constant', value };
}

function scalarOf(value: unknown): Scalar {
  return typeof value === 'number' ? value : textOf(value);
}

function textOf(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

function wordsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.map(textOf) : [textOf(value)];
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
