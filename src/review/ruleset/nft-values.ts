import { InvalidInput } from '../../model/errors.ts';
import type { Token } from './nft-tokens.ts';

/** The elements of a larger set are treated as unknown, because each rule that names the set would process them. */
export const MAX_TOKENS = 4000;
/** Bound on all expansions of one ruleset: a few names can stand for very many words. */
const MAX_EXPANDED = 1_000_000;

/** Counts the words that sets and variables of a ruleset expand to. */
export class Expansion {
  #count = 0;

  /**
   * @param place where the name is used, for the error
   * @throws InvalidInput beyond the bound
   */
  add(values: number, place: string): void {
    this.#count += values;
    if (this.#count <= MAX_EXPANDED) return;
    throw new InvalidInput('ruleset', `${place}: its sets and variables stand for more than ${MAX_EXPANDED.toLocaleString('en')} words.`);
  }
}

/** Names that stand for values in nft's language: variables (`$lan`), sets and maps (`@ports`). */
export class NamedValues {
  /** Family and table that are being read: sets are local to a table. */
  scope = '';
  readonly #variables = new Map<string, readonly Token[]>();
  /** Elements in braces; null: packets or other programs add elements, so they are unknown. */
  readonly #sets = new Map<string, readonly Token[] | null>();

  /** A variable. One with too many words stays undefined. */
  define(name: string, value: readonly Token[]): void {
    if (value.length <= MAX_TOKENS) this.#variables.set(name, value);
  }

  /** Records a set or map of the current table, from the statements of its block. */
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

  /**
   * Records an `add element` command.
   * @param key family, table and name of the set
   */
  add(key: string, elements: readonly Token[]): void {
    const before = this.#sets.get(key);
    const [first] = elements;
    if (before === null || !first || !isPlain(elements)) this.#sets.set(key, null);
    else this.#sets.set(key, before ? [...before.slice(0, -1), { ...first, text: ',' }, ...elements.slice(1)] : elements);
  }

  /** The tokens that a name stands for; null: the token is no name, or its values are unknown. */
  valueOf({ text, quoted }: Token): readonly Token[] | null {
    if (quoted) return null;
    if (text.startsWith('$')) return this.#variables.get(text.slice(1)) ?? null;
    return text.startsWith('@') ? (this.#sets.get(`${this.scope} ${text.slice(1)}`) ?? null) : null;
  }
}

/** Whether elements are plain values: no concatenations, time-outs, counters or comments. */
function isPlain(elements: readonly Token[]): boolean {
  return (
    elements[0]?.text === '{' &&
    elements.length <= MAX_TOKENS &&
    !elements.some(({ text, quoted }) => !quoted && /^(\.|timeout|expires|counter|comment)$/.test(text))
  );
}
