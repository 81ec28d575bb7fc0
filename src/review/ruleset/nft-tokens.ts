import { InvalidInput } from '../../model/errors.ts';

export interface Token {
  readonly text: string;
  readonly line: number;
  readonly quoted: boolean;
  /** Offsets into the text. */
  readonly start: number;
  readonly end: number;
}

/** Longer than what nft accepts (NFT_NAME_MAXLEN 256, comments 128). */
const MAX_WORD = 4096;

/** Of a ruleset with more rules than anybody goes through. */
const MAX_TOKENS = 500_000;

/** Of IPv6, or of a network card. */
const COLONS = String.raw`[\da-fA-F]{0,4}(?::[\da-fA-F]{0,4}){2,}(?:\.\d+){0,3}`;
/** The words that hold colons; any other colon is the punctuation of maps, with spaces beside it or not. */
const ADDRESS = String.raw`${COLONS}(?:/\d+)?(?:-${COLONS})?|(?:\d+(?:\.\d+){3}|\[[^\]\s]{0,64}\])(?::\d+(?:-\d+)?)`;
const PATTERN = new RegExp(
  String.raw`(\\\r?\n)|(#[^\n]*)|(\r?\n)|([ \t\r\f\v]+)|"([^"\n]*)"|(${ADDRESS}|[^\s{};,"#=<>!:]+)|([{};,:=]|[<>]=?|==|!=|!)|(.)`,
  'gy',
);

/**
 * Words, strings and punctuation of nft's language, read as far as they are asked for: what is no ruleset ends early. Comments
 * and continued lines are gone, line ends are tokens.
 */
export class TokenStream {
  readonly #found: RegExpStringIterator<RegExpExecArray>;
  readonly #tokens: Token[] = [];
  #line = 1;

  constructor(text: string) {
    this.#found = text.matchAll(PATTERN);
  }

  at(index: number): Token | undefined {
    if (index >= MAX_TOKENS) throw new InvalidInput('ruleset', `line ${this.#line}: more than ${MAX_TOKENS.toLocaleString('en')} words.`);
    while (this.#tokens.length <= index && this.#read());
    return this.#tokens[index];
  }

  /** The last that was read. */
  get last(): Token | undefined {
    return this.#tokens.at(-1);
  }

  #read(): boolean {
    const { value: found, done } = this.#found.next();
    if (done) return false;
    const place = { line: this.#line, start: found.index, end: found.index + found[0].length };
    const [whole, continued, comment, newline, space, string, word, symbol] = found;
    if (continued ?? newline) this.#line++;
    if (newline) this.#tokens.push({ ...place, text: '\n', quoted: false });
    else if (string !== undefined) this.#tokens.push({ ...place, text: string.slice(0, MAX_WORD), quoted: true });
    else if (!continued && !comment && !space)
      this.#tokens.push({ ...place, text: (word ?? symbol ?? whole).slice(0, MAX_WORD), quoted: false });
    return true;
  }
}
