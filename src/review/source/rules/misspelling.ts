import { at, place, replaceLine } from '../claims.ts';
import { boundNames, wordsOf } from '../expressions.ts';
import type { FunctionInfo, SourceModule } from '../module.ts';
import type { SourceRule } from '../rule.ts';

/** The right spelling has to be this many times more frequent. */
const TIMES_MORE = 4;
const MIN_COUNT = 5;
const MIN_LENGTH = 8;
/** Length of each of two words that form a compound. */
const MIN_PART = 4;

export const misspeltIdentifier: SourceRule = {
  id: 'misspelt-identifier',
  cwe: 1099,
  severity: 'low',
  title: 'a misspelt name',
  why: 'A word of this name is spelt differently in the rest of the file. A search for the right spelling misses it, and code that calls or overrides the method by the right spelling does not reach it.',
  remedy: 'Correct the spelling, here and in the callers.',
  checks: 'the spelling of words in names of definitions',
  check(module, report) {
    const words = wordCounts(module);
    const frequent = new Map([...words].filter(([word, count]) => word.length >= MIN_LENGTH && count >= MIN_COUNT));
    if (frequent.size === 0) return;
    for (const { name, node, fn } of definedNames(module)) {
      for (const word of wordsOf(name)) {
        const count = words.get(word) ?? 0;
        const right = word.length >= MIN_LENGTH - 1 ? rightSpelling(word, count, frequent) : null;
        if (!right || isCompound(module, word)) continue;
        const fixed = name.replace(new RegExp(word, 'i'), (found) => inCaseOf(found, right));
        const text = module.lines.textOf(node.line);
        report({
          ...place({ line: node.line, endLine: node.line }, fn),
          claim: `\`${name}\` is misspelt: '${word}' stands for '${right}'`,
          evidence: [
            at(module, node, `'${word}', in ${times(words.get(word) ?? 0)} of the file's names`),
            { line: null, fact: `'${right}' is in ${times(words.get(right) ?? 0)} of them` },
          ],
          solution: replaceLine(module, node.line, {
            text: `Rename it to \`${fixed}\`, and update its callers.`,
            by: text.replace(name, fixed),
          }),
          severity: 'low',
          confidence: 'likely',
        });
        break;
      }
    }
  },
};

function times(count: number): string {
  return `${count} ${count === 1 ? 'place' : 'places'}`;
}

interface Definition {
  readonly name: string;
  readonly node: { readonly line: number };
  readonly fn: FunctionInfo | null;
}

/** Names that this file defines: functions, parameters, variables and classes, at their first definition. */
function definedNames(module: SourceModule): Definition[] {
  const found = new Map<string, Definition>();
  const add = (name: string | null, node: { line: number }, fn: FunctionInfo | null) => {
    if (name && !found.has(name)) found.set(name, { name, node, fn });
  };
  for (const fn of module.functions) {
    add(fn.name, fn.node, fn);
    for (const { name } of fn.node.params) add(name, fn.node, fn);
    for (const assign of fn.of('assign')) for (const name of boundNames(assign.targets)) add(name, assign, fn);
  }
  for (const cls of module.classes.values()) add(cls.name, cls.node, null);
  return [...found.values()];
}

/** For each word, how many names in the code contain it, counted by use. */
function wordCounts(module: SourceModule): Map<string, number> {
  const names = new Map<string, number>();
  const count = (name: string | null) => {
    if (name && name.length >= MIN_LENGTH - 1) names.set(name, (names.get(name) ?? 0) + 1);
  };
  for (const fn of module.functions) {
    count(fn.name);
    for (const { name } of fn.node.params) count(name);
    for (const { name } of fn.of('name')) count(name);
    for (const { name } of fn.of('attribute')) count(name);
    for (const { names: imported, module: from } of fn.of('import')) {
      count(from);
      for (const { local } of imported) count(local);
    }
  }
  const words = new Map<string, number>();
  for (const [name, uses] of names) for (const word of wordsOf(name)) words.set(word, (words.get(word) ?? 0) + uses);
  return words;
}

/**
 * The word of which another is a misspelling: one inner letter omitted, added or swapped; null: none. Real words may differ by
 * as little, so the right one has to be much more frequent, and the first and last two letters have to agree.
 */
function rightSpelling(word: string, own: number, frequent: ReadonlyMap<string, number>): string | null {
  for (const [other, count] of frequent) {
    if (count < own * TIMES_MORE || Math.abs(other.length - word.length) > 1) continue;
    if (other.slice(0, 2) === word.slice(0, 2) && other.slice(-2) === word.slice(-2) && isSlip(word, other)) return other;
  }
  return null;
}

/** Whether a word is a compound of two words (`sourcelist`), and so no misspelling of a similar compound (`sourceslist`). */
function isCompound(module: SourceModule, word: string): boolean {
  const text = module.memo('words of the text', () => new Set(wordsOf(module.lines.text)));
  for (let at = MIN_PART; at <= word.length - MIN_PART; at++) if (text.has(word.slice(0, at)) && text.has(word.slice(at))) return true;
  return false;
}

function inCaseOf(model: string, word: string): string {
  if (model === model.toUpperCase()) return word.toUpperCase();
  return model[0] === model[0]?.toUpperCase() ? (word[0] as string).toUpperCase() + word.slice(1) : word;
}

function isSlip(word: string, other: string): boolean {
  if (word.length === other.length) {
    const differing = [...word].flatMap((letter, index) => (letter === other[index] ? [] : [index]));
    const [first, second] = differing as [number, number];
    return differing.length === 2 && second === first + 1 && word[first] === other[second] && word[second] === other[first];
  }
  const [short, long] = word.length < other.length ? [word, other] : [other, word];
  for (let index = 1; index < long.length - 1; index++) {
    if (long.slice(0, index) + long.slice(index + 1) === short) return true;
  }
  return false;
}
