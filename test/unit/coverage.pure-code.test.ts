import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { coverageTable } from '../support/coverage-table.ts';
import { covers, MIN_LINES, PURE, thresholds } from '../support/pure-code.ts';

const SOURCE = fileURLToPath(new URL('../../src/', import.meta.url));
const files = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => `src/${path}`);

describe('the list of pure code', () => {
  it.each(Object.entries(PURE).flatMap(([module, paths]) => paths.map((path) => ({ module, path }))))(
    'names what is there: $path',
    ({ module, path }) => {
      expect(files.filter((file) => covers([path], file))).not.toEqual([]);
      expect(path.startsWith(`src/${module}/`)).toBe(true);
    },
  );

  it('takes a path that ends in a slash for everything below it, any other for itself', () => {
    expect(covers(['src/a/'], 'src/a/b/c.ts')).toBe(true);
    expect(covers(['src/a/'], 'src/ab/c.ts')).toBe(false);
    expect(covers(['src/a/b.ts'], 'src/a/b.ts')).toBe(true);
    expect(covers(['src/a/b.ts'], 'src/a/b.tsx')).toBe(false);
  });

  it('has one threshold a module', () => {
    expect(Object.values(thresholds())).toEqual(Object.keys(PURE).map(() => ({ lines: MIN_LINES })));
    expect(Object.keys(thresholds())).toContain('{src/model/**,}');
  });
});

describe('the table of coverage', () => {
  it('sums lines by module, those of pure code and all of them', () => {
    const lines = (covered: number, total: number) => ({ covered, total });
    const text = coverageTable([
      { path: 'src/cli.ts', lines: lines(0, 10) },
      { path: 'src/store/rows.ts', lines: lines(9, 10) },
      { path: 'src/store/journal.ts', lines: lines(10, 10) },
      { path: 'src/store/queries.ts', lines: lines(0, 20) },
    ]);
    const rows = text.split('\n').map((line) => line.trim().split(/\s{2,}/));
    expect(rows).toContainEqual(['.', '-', '-', '0.0 %', '0/10']);
    expect(rows).toContainEqual(['store', '95.0 %', '19/20', '47.5 %', '19/40']);
    expect(rows).toContainEqual(['all', '95.0 %', '19/20', '38.0 %', '19/50']);
  });
});
