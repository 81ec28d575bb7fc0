import { SyntaxKind } from 'typescript/unstable/ast';
import { computeLineStarts, createScanner } from 'typescript/unstable/ast/scanner';

/** Functions that load a module without `import`. An ES module needs neither. */
const LOADERS = ['require', 'getBuiltinModule'];
const NAMES = new Set([SyntaxKind.Identifier, SyntaxKind.RequireKeyword]);

/** After one of these tokens a slash divides. After any other token it begins a regular expression. */
const OPERAND_ENDS = new Set([
  SyntaxKind.Identifier,
  SyntaxKind.PrivateIdentifier,
  SyntaxKind.NumericLiteral,
  SyntaxKind.BigIntLiteral,
  SyntaxKind.StringLiteral,
  SyntaxKind.NoSubstitutionTemplateLiteral,
  SyntaxKind.TemplateTail,
  SyntaxKind.RegularExpressionLiteral,
  SyntaxKind.CloseParenToken,
  SyntaxKind.CloseBracketToken,
  SyntaxKind.CloseBraceToken,
  SyntaxKind.PlusPlusToken,
  SyntaxKind.MinusMinusToken,
  SyntaxKind.ThisKeyword,
  SyntaxKind.SuperKeyword,
  SyntaxKind.NullKeyword,
  SyntaxKind.TrueKeyword,
  SyntaxKind.FalseKeyword,
]);
const STRINGS = new Set([SyntaxKind.StringLiteral, SyntaxKind.NoSubstitutionTemplateLiteral]);
const CALL_GOES_ON = new Set([SyntaxKind.CloseParenToken, SyntaxKind.CommaToken]);

/**
 * Lists the imports of a TypeScript file in every spelling: `import … from`, `import type`, `import 'x'`, `export … from`, and
 * `import('x')` as an expression or as a type. The compiler's own scanner makes the tokens.
 * @param {string} text
 * @returns {{ line: number, specifier?: string, refused?: string }[]} `refused` says why an import cannot be read
 */
export function importsOf(text) {
  const tokens = tokensOf(text);
  return tokens.flatMap(({ kind, value, line, unterminated }, index) => {
    if (unterminated) return { line, refused: 'this literal has no end' };
    if (NAMES.has(kind) && LOADERS.includes(value)) return { line, refused: `'${value}' is not allowed: use import` };
    if (kind !== SyntaxKind.ImportKeyword && kind !== SyntaxKind.FromKeyword) return [];
    const next = tokens[index + 1];
    if (STRINGS.has(next?.kind)) return { line: next.line, specifier: next.value };
    return kind === SyntaxKind.ImportKeyword ? calledAt(tokens, index + 1) : [];
  });
}

/** `import(…)`, or a form like `import.defer(…)`. */
function calledAt(tokens, index) {
  const open = tokens[index]?.kind === SyntaxKind.DotToken ? index + 2 : index;
  if (tokens[open]?.kind !== SyntaxKind.OpenParenToken) return [];
  const [first, second] = tokens.slice(open + 1, open + 3);
  const { line } = tokens[open];
  if (STRINGS.has(first?.kind) && CALL_GOES_ON.has(second?.kind)) return { line, specifier: first.value };
  return { line, refused: 'import() takes one plain string, so that its module is known' };
}

function tokensOf(text) {
  const scanner = createScanner(true, undefined, text);
  const lineStarts = computeLineStarts(text);
  const tokens = [];
  // For each open brace: whether it is the `${` of a template.
  const braces = [];
  for (let line = 1; ; ) {
    let kind = scanner.scan();
    if (kind === SyntaxKind.CloseBraceToken && braces.pop()) kind = scanner.reScanTemplateToken(false);
    const isSlash = kind === SyntaxKind.SlashToken || kind === SyntaxKind.SlashEqualsToken;
    if (isSlash && !OPERAND_ENDS.has(tokens.at(-1)?.kind)) kind = scanner.reScanSlashToken();
    if (kind === SyntaxKind.EndOfFile) return tokens;
    if (kind === SyntaxKind.OpenBraceToken) braces.push(false);
    if (kind === SyntaxKind.TemplateHead || kind === SyntaxKind.TemplateMiddle) braces.push(true);
    while (lineStarts[line] <= scanner.getTokenStart()) line += 1;
    tokens.push({ kind, line, value: scanner.getTokenValue(), unterminated: scanner.isUnterminated() });
  }
}
