import { InvalidInput } from '../../model/errors.ts';

/** A word, string or punctuation mark of nft's language. A line end is the token `\n`. */
export interface Token {
  readonly text: string;
  /** From 1. */
  readonly line: number;
  /** Whether it was a string in quotes; its text is without them. */
  readonly quoted: boolean;
  /** Offsets into the text, in UTF-16 code units. */
  readonly start: number;
  readonly end: number;
}

/** Longer than any word that nft accepts (NFT_NAME_MAXLEN is 256, a comment has at most 128 bytes). */
const MAX_WORD = 4096;

/** More than a ruleset of {@link MAX_RULES} rules has. */
const MAX_TOKENS = 500_000;

/** IPv6 and MAC addresses. */
const COLONS = String.raw`[\da-fA-F]{0,4}(?::[\da-fA-F]{0,4}){2,}(?:\.\d+){0,3}`;
/** Words that contain colons. Any other colon is the punctuation of a map, with or without spaces beside it. */
const ADDRESS = String.raw`${COLONS}(?:/\d+)?(?:-${COLONS})?|(?:\d+(?:\.\d+){3}|\[[^\]\s]{0,64}\])(?::\d+(?:-\d+)?)`;
const PATTERN = new RegExp(
  String.raw`(\\\r?\n)|(#[^\n]*)|(\r?\n)|([ \t\r\f\v]+)|"([^"\n]*)"|(${ADDRESS}|[^\s{};,"#=<>!:]+)|([{};,:=]|[<>]=?|==|!=|!)|(.)`,
  'gy',
);

/** Splits a text into tokens on demand, so that a text that is no ruleset fails early. Comments and line continuations are dropped. */
export class TokenStream {
  readonly #found: RegExpStringIterator<RegExpExecArray>;
  readonly #tokens: Token[] = [];
  #line = 1;

  constructor(text: string) {
    this.#found = text.matchAll(PATTERN);
  }

  /** The token at an index; undefined: the text has ended. @throws InvalidInput beyond {@link MAX_TOKENS} */
  at(index: number): Token | undefined {
    if (index >= MAX_TOKENS) throw new InvalidInput('ruleset', `line ${this.#line}: more than ${MAX_TOKENS.toLocaleString('en')} words.`);
    while (this.#tokens.length <= index && this.#read());
    return this.#tokens[index];
  }

  /** The last token that was read. */
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
