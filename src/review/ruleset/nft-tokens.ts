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

/** Words, strings and punctuation of nft's language; comments and continued lines are gone, line ends are tokens. */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let line = 1;
  const pattern =
    /(\\\r?\n)|(#[^\n]*)|(\r?\n)|([ \t\r\f\v]+)|"([^"\n]*)"|([{};,:=]|[<>]=?|==|!=|!)|([^\s{};,"#=<>!:]+(?::[^\s{};,"#=<>!:]+)*)|(.)/gy;
  for (const found of text.matchAll(pattern)) {
    const start = found.index;
    const place = { line, start, end: start + found[0].length };
    const [, continued, comment, newline, space, string, symbol, word] = found;
    if (continued) line++;
    else if (newline) {
      tokens.push({ ...place, text: '\n', quoted: false });
      line++;
    } else if (string !== undefined) tokens.push({ ...place, text: string.slice(0, MAX_WORD), quoted: true });
    else if (symbol ?? word) tokens.push({ ...place, text: ((symbol ?? word) as string).slice(0, MAX_WORD), quoted: false });
    else if (!comment && !space) tokens.push({ ...place, text: found[0], quoted: false });
  }
  return tokens;
}
