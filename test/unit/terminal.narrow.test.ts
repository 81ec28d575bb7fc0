import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { doctorText } from '../../src/commands/observe/doctor-text.ts';
import { wrapped } from '../../src/terminal/lines.ts';
import { type NarrowColumn, narrowTable } from '../../src/terminal/narrow.ts';
import { table } from '../../src/terminal/table.ts';

interface Row {
  readonly id: string;
  readonly name: string;
  readonly scope: string;
}

const COLUMNS: readonly NarrowColumn<Row>[] = [
  { title: 'ID', value: ({ id }) => id, below: true },
  { title: 'NAME', value: ({ name }) => name, cut: true },
  { title: 'SCOPE', value: ({ scope }) => scope, below: true },
];
const ID = '0a1b2c3d-0000-4000-8000-000000000001';
const lines = (row: Row, width: number) => narrowTable([row], COLUMNS, width).trimEnd().split('\n');

describe('a table in narrow lines', () => {
  it('is the usual one where that fits', () => {
    const row = { id: ID, name: 'edge', scope: '-' };
    expect(narrowTable([row], COLUMNS, 80)).toBe(table([row], COLUMNS));
    expect(narrowTable([row], COLUMNS, Number.POSITIVE_INFINITY)).toBe(table([row], COLUMNS));
    expect(narrowTable([], COLUMNS, 80)).toBe('ID  NAME  SCOPE\n');
  });

  it('has columns below the row, and leaves out those that say nothing', () => {
    const row = { id: ID, name: 'edge', scope: 'from 192.0.2.0/24 in wan' };
    expect(lines(row, 70)).toEqual(['ID                                    NAME  SCOPE', `${ID}  edge  from 192.0.2.0/24 in wan`]);
    expect(lines(row, 60)).toEqual(['NAME', 'edge', `  id ${ID}`, '  scope from 192.0.2.0/24 in wan']);
    expect(lines({ ...row, scope: '-' }, 44)).toEqual(['NAME', 'edge', `  id ${ID}`]);
  });

  it('is cut where that is not enough, and never below eight characters', () => {
    const row = { id: ID, name: 'n'.repeat(100), scope: '-' };
    expect(lines(row, 50)).toEqual(['NAME', `${'n'.repeat(49)}…`, `  id ${ID}`]);
    expect(lines(row, 5)[1]).toBe(`${'n'.repeat(7)}…`);
  });

  it('never has a line that is too long, unless for one word', () => {
    const word = fc.stringMatching(/^[a-z0-9.:/-]{1,30}$/);
    const row = fc.record({
      id: fc.constant(ID),
      name: fc.stringMatching(/^[a-z-]{1,100}$/),
      scope: fc.array(word).map((all) => all.join(' ')),
    });
    fc.assert(
      fc.property(fc.array(row, { minLength: 1 }), fc.integer({ min: 45, max: 120 }), (rows, width) => {
        const shown = narrowTable(rows, COLUMNS, width).split('\n');
        expect(Math.max(...shown.map((line) => line.length))).toBeLessThanOrEqual(width);
        for (const { name } of rows) expect(shown.some((line) => line.includes(name.slice(0, 7)))).toBe(true);
      }),
    );
  });
});

describe('wrapped lines', () => {
  it('do not count colours', () => {
    const red = (text: string) => `\u001b[31m${text}\u001b[39m`;
    expect(wrapped(`aaa ${red('bbb')} ccc`, 7)).toEqual([`aaa ${red('bbb')}`, 'ccc']);
    expect(wrapped('aaa bbb ccc', 9, '  ')).toEqual(['  aaa bbb', '  ccc']);
    expect(wrapped('', 9, '  ')).toEqual([]);
  });
});

describe("doctor's text", () => {
  it('breaks a long check too', () => {
    const check = 'ftp tcp/2121 over ipv6 from 2001:db8:1234:5678:9abc:def0:1111:2222 to 2001:db8:1234::/48 passive data connection';
    const text = doctorText([{ check, result: 'problem', detail: 'a firewall drops it' }]);
    expect(text).toBe(
      [
        'problem  ftp tcp/2121 over ipv6 from 2001:db8:1234:5678:9abc:def0:1111:2222 to',
        '         2001:db8:1234::/48 passive data connection',
        '         a firewall drops it',
        '',
      ].join('\n'),
    );
  });
});
