import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { pages, readPage } from '../support/docs.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const ITSELF = 'test/unit/english.test.ts';

/** Words that hide who acts. Name the actor, or use the passive: "the agent", "another program", "no process". */
const VAGUE = /\b(?:somebody|someone|whoever|nobody|everybody|anybody|that which)\b/gi;

/** Every text file below a path that is in the repository, from its root. */
function filesBelow(path: string): string[] {
  const full = join(ROOT, path);
  if (statSync(full).isFile()) return [path];
  return readdirSync(full, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)));
}

function vagueWords(file: string): string[] {
  const lines = readFileSync(join(ROOT, file), 'utf8').split('\n');
  return lines.flatMap((line, at) => [...line.matchAll(VAGUE)].map(([word]) => `${file}:${at + 1}: ${word}`));
}

/** Units of the check: pages of the root, and directories at the second level. */
function places(): string[] {
  const rooted = readdirSync(ROOT).filter((name) => name.endsWith('.md'));
  const nested = ['docs', 'src', 'test', 'packaging', 'bench', 'scripts'].flatMap((top) =>
    readdirSync(join(ROOT, top)).map((name) => `${top}/${name}`),
  );
  return [...rooted, ...nested];
}

describe('plain English', () => {
  it.each(places())('%s names who acts', (place) => {
    const files = filesBelow(place).filter((file) => file !== ITSELF);
    expect(files.flatMap(vagueWords)).toEqual([]);
  });

  it('finds the words in any case, and only as words', () => {
    const found = (text: string) => [...text.matchAll(VAGUE)].map(([word]) => word);
    expect(found("Whoever asks, nobody's table, that which is there")).toEqual(['Whoever', 'nobody', 'that which']);
    expect(found('nobodyElse, that, which')).toEqual([]);
  });
});

describe('lines of documents', () => {
  it.each(pages())('%s: at most 140 characters, except in tables', (page) => {
    const long = readPage(page)
      .split('\n')
      .flatMap((line, at) => (line.length > 140 && !line.startsWith('|') ? [at + 1] : []));
    expect(long).toEqual([]);
  });
});
