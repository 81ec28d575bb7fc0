import { formatPath } from '../../src/contract/mismatch.ts';

type Path = readonly (string | number)[];

/** JSON that differs in one place from another, and the path of what holds the place. */
export interface Mutated {
  readonly value: unknown;
  /** Of the object or list around the change; empty for the top. A message about the change has to begin with it. */
  readonly parent: string;
}

const REMOVED = Symbol('removed');

/**
 * One step away from some JSON: a field removed or added, another type, a number or text out of bounds, ill-formed Unicode, a control
 * character. `which` chooses among all of them.
 */
export function mutated(json: unknown, which: number): Mutated {
  const all = placesOf(json, []).flatMap(({ path, value }): [path: Path, replacement: unknown][] => [
    ...replacements(value, path.length > 0).map((replacement): [Path, unknown] => [path, replacement]),
    ...(isObject(value) ? ADDED.map((name): [Path, unknown] => [[...path, name], 1]) : []),
  ]);
  const [path, replacement] = all[which % all.length] ?? [[], null];
  return { value: replaced(json, path, replacement), parent: formatPath('', path.slice(0, -1)) };
}

const ADDED = ['unknown_field', '__proto__', 'constructor'];

function placesOf(value: unknown, path: Path): { path: Path; value: unknown }[] {
  const inner = Array.isArray(value) ? value.map((one, index) => [index, one] as const) : isObject(value) ? Object.entries(value) : [];
  return [{ path, value }, ...inner.flatMap(([step, one]) => placesOf(one, [...path, step]))];
}

function replacements(value: unknown, isInside: boolean): unknown[] {
  const others = [null, true, 1.5, -1, 'x', [], {}, [[]], Number.MAX_VALUE];
  const near =
    typeof value === 'string'
      ? [`${value}\ud800`, `${value}\u0007`, `${value}\n`, value + '😀'.repeat(300), '']
      : typeof value === 'number'
        ? [value + 0.5, -value - 2, 2 ** 60, String(value)]
        : Array.isArray(value)
          ? [
              [...value, ...value],
              [...value, null],
            ]
          : [];
  return [...others, ...near, ...(isInside ? [REMOVED] : [])];
}

/** A copy of JSON with another value at a path. */
function replaced(json: unknown, [step, ...rest]: Path, replacement: unknown): unknown {
  if (step === undefined) return replacement;
  if (Array.isArray(json)) {
    const change = rest.length === 0 && replacement === REMOVED ? [] : [replaced(json[Number(step)], rest, replacement)];
    return json.toSpliced(Number(step), 1, ...change);
  }
  const entries = new Map<string, unknown>(isObject(json) ? Object.entries(json) : []);
  if (rest.length === 0 && replacement === REMOVED) entries.delete(String(step));
  else entries.set(String(step), replaced(entries.get(String(step)), rest, replacement));
  return Object.fromEntries(entries);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
