import { InvalidInput } from '../../model/errors.ts';
import type { Token } from './nft-tokens.ts';

/** A larger one is not gone through for every rule that names it: its values are taken to be unseen. */
export const MAX_TOKENS = 4000;
/** Of all that variables and sets stand for, wherever they are named: a few names can stand for very much. */
const MAX_EXPANDED = 1_000_000;

/** Counts what names stand for, over a whole ruleset. */
export class Expansion {
  #count = 0;

  /** @throws InvalidInput past more than a ruleset's worth */
  add(values: number, place: string): void {
    this.#count += values;
    if (this.#count <= MAX_EXPANDED) return;
    throw new InvalidInput('ruleset', `${place}: its sets and variables stand for more than ${MAX_EXPANDED.toLocaleString('en')} words.`);
  }
}

/** What stands for values in nft's language: variables (`$lan`), and sets and maps that have names (`@ports`). */
export class NamedValues {
  /** Family and table of what is being read: a set is one table's. */
  scope = '';
  readonly #variables = new Map<string, readonly Token[]>();
  /** Elements in braces, where the ruleset says all of them; null: others put them in. */
  readonly #sets = new Map<string, readonly Token[] | null>();

  define(name: string, value: readonly Token[]): void {
    if (value.length <= MAX_TOKENS) this.#variables.set(name, value);
  }

  /** A set or a map of the table that is being read, by the statements of its block. */
  declare(name: string, statements: readonly (readonly Token[])[]): void {
    const words = (statement: readonly Token[]) => statement.map(({ text }) => text);
    const isOthers = statements.some(
      (statement) =>
        /^(timeout|gc-interval)$/.test(statement[0]?.text ?? '') || words(statement).some((word) => /^(dynamic|timeout)$/.test(word)),
    );
    const elements = statements.find(([first]) => first?.text === 'elements') ?? [];
    const inBraces = elements.slice(elements.findIndex(({ text }) => text === '{'));
    this.#sets.set(`${this.scope} ${name}`, isOthers || !isPlain(inBraces) ? null : inBraces);
  }

  /** `add element`. */
  add(key: string, elements: readonly Token[]): void {
    const before = this.#sets.get(key);
    const [first] = elements;
    if (before === null || !first || !isPlain(elements)) this.#sets.set(key, null);
    else this.#sets.set(key, before ? [...before.slice(0, -1), { ...first, text: ',' }, ...elements.slice(1)] : elements);
  }

  /** null: it stands for itself, or for what cannot be seen. */
  valueOf({ text, quoted }: Token): readonly Token[] | null {
    if (quoted) return null;
    if (text.startsWith('$')) return this.#variables.get(text.slice(1)) ?? null;
    return text.startsWith('@') ? (this.#sets.get(`${this.scope} ${text.slice(1)}`) ?? null) : null;
  }
}

/** Values alone: no concatenations, and nothing that elements have beside themselves. */
function isPlain(elements: readonly Token[]): boolean {
  return (
    elements[0]?.text === '{' &&
    elements.length <= MAX_TOKENS &&
    !elements.some(({ text, quoted }) => !quoted && /^(\.|timeout|expires|counter|comment)$/.test(text))
  );
}
