import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { largest, smallest } from '../../src/model/extremes.ts';
import { didYouMean } from '../../src/model/nearest.ts';
import { narrowTable } from '../../src/terminal/narrow.ts';
import { table } from '../../src/terminal/table.ts';
import { runs } from '../support/runs.ts';

const SRC = resolve(import.meta.dirname, '../../src');
const MANY = 300_000;

describe('the largest and the smallest of a list', () => {
  it('are those of Math, whatever the list', () => {
    fc.assert(
      fc.property(fc.array(fc.integer()), fc.integer(), (numbers, least) => {
        expect(largest(numbers, least)).toBe(Math.max(least, ...numbers));
        expect(smallest(numbers)).toBe(Math.min(...numbers));
      }),
      runs(),
    );
  });

  it('are found in lists that do not fit on the stack', () => {
    const numbers = Array.from({ length: MANY }, (_, index) => index);
    expect([largest(numbers, 0), smallest(numbers)]).toEqual([MANY - 1, 0]);
  });

  it('are asked for in one way: Math takes no list anywhere', () => {
    const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
    expect(
      files.filter((name) =>
        /Math\.(?:max|min)\([^;]*?\.\.\./.test(readFileSync(join(SRC, name), 'utf8').replaceAll(/\/\*[\s\S]*?\*\//g, '')),
      ),
    ).toEqual([]);
  });
});

describe('very many rows', () => {
  const rows = Array.from({ length: MANY }, (_, index) => `row-${index}`);
  const columns = [{ title: 'NAME', value: (row: string) => row, cut: true }];

  it('are a table', () => {
    expect(table(rows, columns, false).split('\n')).toHaveLength(MANY + 2);
    expect(narrowTable(rows, columns, 8).split('\n')).toHaveLength(MANY + 2);
  });

  it('may hold the name that was meant', () => {
    expect(didYouMean('row-299999x', rows)).toContain("'row-299999'");
  });
});
