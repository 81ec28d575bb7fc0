const ESCAPES: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' };

/**
 * Returns the rows of a table in a script of pg_restore, by the names of columns: what stands between `COPY … FROM stdin;` and `\.`.
 * Null values are missing.
 */
export function copiedRows(script: string, table: string): Map<string, string>[] {
  const lines = script.split('\n');
  const head = new RegExp(`^COPY (?:\\S+\\.)?"?${table}"? \\(([^)]*)\\) FROM stdin;$`);
  const start = lines.findIndex((line) => head.test(line));
  if (start < 0) return [];
  const columns = (head.exec(lines[start] as string)?.[1] ?? '').split(', ').map((name) => name.replaceAll('"', ''));
  const end = lines.indexOf('\\.', start);
  return lines.slice(start + 1, end < 0 ? lines.length : end).map((line) => {
    const values = line.split('\t');
    return new Map(
      columns.flatMap((name, at) => (values[at] === undefined || values[at] === '\\N' ? [] : [[name, unescaped(values[at])]])),
    );
  });
}

function unescaped(text: string): string {
  return text.replace(/\\(.)/g, (_all, letter: string) => ESCAPES[letter] ?? letter);
}
