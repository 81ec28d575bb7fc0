import { describe, expect, it } from 'vitest';
import { checkBackup, stampOf } from '../../src/store/backup.ts';
import { MIGRATION_NAMES } from '../../src/store/migrate.ts';
import { copiedRows } from '../../src/store/postgres/copied-rows.ts';
import { withoutPassword } from '../../src/store/postgres/programs.ts';

const request = { file: 'f', force: false, at: new Date(0) };
const contents = (meta: Record<string, string>, migrations: readonly string[] = MIGRATION_NAMES) => ({
  migrations,
  meta: new Map(Object.entries({ epoch: 'e', ...meta })),
});

describe('what a backup says about itself', () => {
  it('decides about the installation', () => {
    expect(checkBackup(contents({ installation: 'a' }), 'a', request)).toBe('a');
    expect(checkBackup(contents({ installation: 'a' }), null, request)).toBe('a');
    expect(() => checkBackup(contents({ installation: 'a' }), 'b', request)).toThrow('f is of installation a, and the database here of b');
    expect(checkBackup(contents({ installation: 'a' }), 'b', { ...request, force: true })).toBe('a');
    // Pinhole 0.1 had no installations: the one that is here stays.
    expect(checkBackup(contents({}, MIGRATION_NAMES.slice(0, 2)), 'b', request)).toBe('b');
  });

  it('decides about the version', () => {
    const newer = [...MIGRATION_NAMES, '9999-next'];
    expect(() => checkBackup(contents({ needs: '9999-next' }, newer), null, request)).toThrow('newer version (9999-next)');
    expect(() => checkBackup(contents({}, newer), null, request)).toThrow('newer version');
    expect(checkBackup(contents({ needs: MIGRATION_NAMES[1] as string, installation: 'a' }, newer), null, request)).toBe('a');
    expect(() => checkBackup(contents({}, []), null, request)).toThrow('f is no backup');
    expect(() => checkBackup({ migrations: MIGRATION_NAMES, meta: new Map() }, null, request)).toThrow('f is no backup');
  });

  it('stamps are names', () => {
    expect(stampOf(new Date('2026-12-01T02:03:04.567Z'))).toBe('20261201t020304567z');
  });
});

describe('PostgreSQL’s programs', () => {
  it.each([
    ['postgresql://u:p%40ss@h:5432/d?sslmode=require', 'postgresql://u@h:5432/d?sslmode=require', 'p@ss'],
    ['postgresql://u:p@ss@h/d', 'postgresql://u@h/d', 'p@ss'],
    ['postgres://u@h/d?password=x&host=%2Fs&uselibpqcompat=true', 'postgres://u@h/d?host=%2Fs', 'x'],
    ['postgresql://pinhole@/d?host=%2Ftmp', 'postgresql://pinhole@/d?host=%2Ftmp', null],
    ['postgresql://h:1/d', 'postgresql://h:1/d', null],
    ['postgresql://u:%zz@h/d', 'postgresql://u@h/d', '%zz'],
  ])('%s has no password in %s', (text, url, password) => {
    expect(withoutPassword(text)).toEqual({ url, password });
  });

  it('rows of a script are read, with escapes and nulls', () => {
    const script =
      'SET x = 1;\nCOPY public.meta (key, "value") FROM stdin;\nepoch\ta\\tb\\\\\nnone\t\\N\n\\.\n\nCOPY public.metadata (key) FROM stdin;\nno\n\\.\n';
    expect(copiedRows(script, 'meta').map((row) => Object.fromEntries(row))).toEqual([{ key: 'epoch', value: 'a\tb\\' }, { key: 'none' }]);
    expect(copiedRows(script, 'nosuch')).toEqual([]);
  });
});
