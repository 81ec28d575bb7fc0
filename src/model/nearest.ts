import { smallest } from './extremes.ts';

/** Edits after which a word is another word, and not a slip. A third of a short word is enough. */
const MAX_EDITS = 3;
const MAX_SHOWN = 3;
/** Words that are longer are not typed, and comparing them takes long. */
const MAX_LENGTH = 64;

/**
 * Returns a question for the end of a message about a word that is not known, like ` Did you mean 'ftp'?`; empty where no known word is near.
 * Letters that are swapped, missing, added or wrong count as one edit each; upper and lower case are the same.
 */
export function didYouMean(word: string, known: Iterable<string>): string {
  const near = nearest(word, known).map((one) => `'${one}'`);
  return near.length === 0 ? '' : ` Did you mean ${near.join(' or ')}?`;
}

/** The known words with the fewest edits from this one, in their order. */
function nearest(word: string, known: Iterable<string>): string[] {
  if (word.length > MAX_LENGTH) return [];
  const allowed = Math.min(MAX_EDITS, Math.ceil(word.length / 3));
  const scored = [...new Set(known)]
    .filter((one) => Math.abs(one.length - word.length) <= allowed)
    .map((one) => ({ one, edits: distance(word.toLowerCase(), one.toLowerCase()) }))
    .filter(({ edits }) => edits <= allowed);
  const fewest = smallest(scored.map(({ edits }) => edits));
  return scored
    .filter(({ edits }) => edits === fewest)
    .map(({ one }) => one)
    .slice(0, MAX_SHOWN);
}

/** Optimal string alignment: row by row, each cell the fewest edits between two beginnings. */
function distance(a: string, b: string): number {
  let [before, last]: [number[], number[]] = [[], Array.from({ length: b.length + 1 }, (_, index) => index)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      const edited = Math.min(at(last, j) + 1, at(row, j - 1) + 1, at(last, j - 1) + same);
      const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row.push(isSwapped ? Math.min(edited, at(before, j - 2) + 1) : edited);
    }
    [before, last] = [last, row];
  }
  return at(last, b.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] as number;
}
