/** One simple command of a shell script: its words, without quotes, redirections and assignments in front. */
export type SimpleCommand = readonly string[];

const OPERATORS = /^(?:&&|\|\||\||;|&|\n)/;
const REDIRECTION = /^\d?(?:>>|>|<)&?/;
const KEYWORDS = new Set(['if', 'then', 'else', 'fi', 'for', 'do', 'done', 'while', 'until', '!', 'sudo', 'time']);

/**
 * Takes a script apart into simple commands. It knows the small part of the shell that documentation uses: quotes, comments,
 * pipes, lists, redirections, substitutions inside a word and continued lines.
 * @throws Error for a quote that is not closed
 */
export function simpleCommands(script: string): SimpleCommand[] {
  const commands: string[][] = [[]];
  let rest = script.replaceAll('\\\n', ' ');
  let isTarget = false;
  while (rest !== '') {
    const blank = /^[ \t]+|^#[^\n]*/.exec(rest)?.[0] ?? '';
    const operator = blank === '' ? (OPERATORS.exec(rest)?.[0] ?? '') : '';
    const redirection = blank === '' && operator === '' ? (REDIRECTION.exec(rest)?.[0] ?? '') : '';
    const taken = blank || operator || redirection;
    if (operator !== '') commands.push([]);
    if (redirection !== '') isTarget = true;
    if (taken !== '') {
      rest = rest.slice(taken.length);
      continue;
    }
    const { word, length } = readWord(rest);
    if (!isTarget) commands.at(-1)?.push(word);
    isTarget = false;
    rest = rest.slice(length);
  }
  return commands.map(withoutPrefix).filter((words) => words.length > 0);
}

function readWord(text: string): { word: string; length: number } {
  let word = '';
  let at = 0;
  while (at < text.length && !/[\s|&;<>]/.test(text[at] ?? '')) {
    const [whole = ''] = /^'[^']*'|^"(?:[^"\\]|\\.)*"|^\$\([^()]*\)|^\\.|^[^\s'"|&;<>\\]/.exec(text.slice(at)) ?? [];
    if (whole === '') throw new Error(`a quote is not closed: ${text.slice(at, at + 40)}`);
    word += /^['"]/.test(whole) ? whole.slice(1, -1) : whole.replace(/^\\/, '');
    at += whole.length;
  }
  return { word, length: at };
}

function withoutPrefix(words: readonly string[]): string[] {
  const start = words.findIndex((word) => !KEYWORDS.has(word) && !/^[A-Za-z_]\w*=/.test(word));
  return start < 0 ? [] : words.slice(start);
}
