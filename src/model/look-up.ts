/**
 * Returns the table's value for a word from outside; undefined for any other word, including names that every object has
 * (`constructor`).
 */
export function lookUp<T>(table: Readonly<Record<string, T>>, word: string): T | undefined {
  return Object.hasOwn(table, word) ? table[word] : undefined;
}
