import { dictionary, nullable } from './compounds.ts';
import { Mismatch } from './mismatch.ts';
import { text } from './scalars.ts';
import type { Of } from './shape.ts';

/** Labels and their bounds are those of Kubernetes: an optional DNS prefix and a name; a value may be empty. */
const NAME_PART = /^[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/;
const PREFIX_PART = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/;
const MAX_PREFIX = 253;
const KEY = 'a label key like site or example.com/site';
const VALUE = "a label value: up to 63 letters, digits and '-_.', with a letter or digit at both ends";

/** The key of a label. */
export const LABEL_KEY = text({
  max: 317,
  min: 1,
  pattern: /^[A-Za-z0-9_./-]+$/,
  what: KEY,
  canonical: (key) => {
    const [name = '', prefix, ...more] = key.split('/').reverse();
    const hasPrefix = prefix === undefined || (prefix.length <= MAX_PREFIX && PREFIX_PART.test(prefix));
    if (more.length > 0 || !NAME_PART.test(name) || !hasPrefix) throw new Mismatch(KEY);
    return key;
  },
});

/** The value of a label. */
export const LABEL_VALUE = text({ max: 63, pattern: /^(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?)?$/, what: VALUE });

const MAX_LABELS = 32;

/** Labels of a router: keys and values by which operators select it. In the order of the keys, so that equal labels have equal JSON. */
export const LABELS = dictionary(LABEL_KEY, LABEL_VALUE, MAX_LABELS);
export type Labels = Of<typeof LABELS>;

/** Labels that change. Null removes a label. */
export const LABEL_CHANGES = dictionary(LABEL_KEY, nullable(LABEL_VALUE), 2 * MAX_LABELS);
export type LabelChanges = Of<typeof LABEL_CHANGES>;

/** Returns the labels after a change. @throws Mismatch if they are too many */
export function changedLabels(before: Labels, changes: LabelChanges): Labels {
  const all = Object.entries({ ...before, ...changes }).filter(([, value]) => value !== null);
  return LABELS.read(Object.fromEntries(all));
}

/** Whether two sets of labels are equal. */
export function sameLabels(a: Labels, b: Labels): boolean {
  return JSON.stringify(LABELS.write(a)) === JSON.stringify(LABELS.write(b));
}
