/** What a table says of a word of somebody's; undefined for any other word, also for those that every object has (`constructor`). */
export function lookUp<T>(table: Readonly<Record<string, T>>, word: string): T | undefined {
  return Object.hasOwn(table, word) ? table[word] : undefined;
}
