import { mapped } from './compounds.ts';
import { LABEL_KEY, LABEL_VALUE, type Labels } from './labels.ts';
import { Mismatch } from './mismatch.ts';
import { text } from './scalars.ts';

/** One condition of a selector: whether a label has one of the values, or, without values, whether it exists. */
export interface Requirement {
  readonly key: string;
  /** Null: any value. */
  readonly values: readonly string[] | null;
  /** Whether the condition must hold, or must not. A label that is missing has none of the values. */
  readonly holds: boolean;
}

/** Conditions that all have to be met. */
export type Selector = readonly Requirement[];

const WHAT = "a selector like 'site=berlin,tier!=test,env in (a, b),!old'";
const MAX_REQUIREMENTS = 32;

/** A selector of labels, in the syntax of `kubectl get -l`. */
export const SELECTOR = mapped<string, Selector>(text({ max: 2_048, min: 1, what: WHAT }), parse, format);

/** Whether labels meet all conditions of a selector. */
export function isSelected(labels: Labels, selector: Selector): boolean {
  return selector.every(({ key, values, holds }) => {
    const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
    const is = value !== undefined && (values === null || values.includes(value));
    return is === holds;
  });
}

/** A comma that separates requirements: one outside of parentheses. */
const BETWEEN = /,(?![^()]*\))/;
const SET = /^(\S+)\s+(in|notin)\s*\(([^()]*)\)$/;
const EQUALITY = /^([^\s=!]+)\s*(==|=|!=)\s*(\S*)$/;
const EXISTENCE = /^(!?)\s*([^\s=!()]+)$/;

function parse(selector: string): Selector {
  const parts = selector.split(BETWEEN).map((part) => part.trim());
  if (parts.length > MAX_REQUIREMENTS) throw new Mismatch(`a selector of at most ${MAX_REQUIREMENTS} conditions`);
  return parts.map(parseRequirement);
}

function parseRequirement(part: string): Requirement {
  const [, setKey, operator, list] = SET.exec(part) ?? [];
  if (setKey !== undefined) return requirement(setKey, (list ?? '').split(','), operator === 'in');
  const [, key, sign, value] = EQUALITY.exec(part) ?? [];
  if (key !== undefined) return requirement(key, [value ?? ''], sign !== '!=');
  const [, not, only] = EXISTENCE.exec(part) ?? [];
  if (only !== undefined) return requirement(only, null, not === '');
  throw new Mismatch(WHAT);
}

function requirement(key: string, values: readonly string[] | null, holds: boolean): Requirement {
  return { key: LABEL_KEY.read(key), values: values?.map((value) => LABEL_VALUE.read(value.trim())) ?? null, holds };
}

function format(selector: Selector): string {
  return selector
    .map(({ key, values, holds }) => {
      if (values === null) return holds ? key : `!${key}`;
      return `${key} ${holds ? 'in' : 'notin'} (${values.join(',')})`;
    })
    .join(',');
}
