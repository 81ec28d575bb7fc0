/** A line that arrived otherwise than it was sent. Empty where the other side has no such line. */
export interface Change {
  readonly sent: string;
  readonly arrived: string;
}

/** The most lines that are compared one by one; a longer text counts as one. */
const MAX_LINES = 128;

/**
 * The lines that were changed on the way, in order. A text that ends early has lost its end; that is no change.
 * @param sent what left one end, as text of one character a byte
 * @param arrived what the other end got, likewise
 */
export function changes(sent: string, arrived: string): Change[] {
  if (sent.startsWith(arrived)) return [];
  const [a, b] = [linesOf(sent), linesOf(arrived)];
  if (a.length > MAX_LINES || b.length > MAX_LINES) return [{ sent, arrived }];
  const found: Change[] = [];
  for (const { removed, added, isLast } of hunks(a, b)) {
    // What was sent after the last line that arrived was not changed: it has not arrived.
    const length = isLast ? added.length : Math.max(removed.length, added.length);
    for (let at = 0; at < length; at++) found.push({ sent: removed[at] ?? '', arrived: added[at] ?? '' });
  }
  return isCut(found.at(-1), arrived) ? found.slice(0, -1) : found;
}

/** Whether the last line of what arrived is the beginning of what was sent: its end has not arrived. */
function isCut(last: Change | undefined, arrived: string): boolean {
  return (
    last !== undefined &&
    last.arrived !== '' &&
    !arrived.endsWith('\n') &&
    arrived.endsWith(last.arrived) &&
    last.sent.startsWith(last.arrived)
  );
}

/** Lines without their ends. The empty text after the last line end is no line. */
function linesOf(text: string): string[] {
  const lines = text.split(/\r?\n/);
  return lines.at(-1) === '' ? lines.slice(0, -1) : lines;
}

interface Hunk {
  readonly removed: string[];
  readonly added: string[];
  readonly isLast: boolean;
}

/** Runs of lines that differ between two texts, by their longest common subsequence. */
function hunks(a: readonly string[], b: readonly string[]): Hunk[] {
  const common = commonLengths(a, b);
  const found: Hunk[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    const [removed, added]: [string[], string[]] = [[], []];
    for (; (i < a.length || j < b.length) && !(i < a.length && j < b.length && a[i] === b[j]); )
      if (j >= b.length || (i < a.length && at(common, i + 1, j) >= at(common, i, j + 1))) removed.push(a[i++] ?? '');
      else added.push(b[j++] ?? '');
    if (removed.length + added.length > 0) found.push({ removed, added, isLast: i === a.length && j === b.length });
    for (; i < a.length && j < b.length && a[i] === b[j]; i++) j++;
  }
  return found;
}

/** Lengths of the longest common subsequences of the tails of both. */
function commonLengths(a: readonly string[], b: readonly string[]): number[][] {
  const table = Array.from({ length: a.length + 1 }, () => new Array<number>(b.length + 1).fill(0));
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--) {
      const row = table[i];
      if (row) row[j] = a[i] === b[j] ? at(table, i + 1, j + 1) + 1 : Math.max(at(table, i + 1, j), at(table, i, j + 1));
    }
  return table;
}

function at(table: readonly number[][], i: number, j: number): number {
  return table[i]?.[j] ?? 0;
}
