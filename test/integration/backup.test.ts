import { execFile, spawn } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import Database from 'better-sqlite3';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { paths } from '../../src/config/config.ts';
import { CLI } from '../support/cli-path.ts';
import { crashAt } from '../support/crash-at.ts';
import { eventually } from '../support/eventually.ts';
import { STORES, type StoreName } from '../support/stores.ts';
import { TestServer } from '../support/test-server.ts';

const run = promisify(execFile);

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** `pinhole db …` of a server's configuration. */
async function db(server: TestServer, argv: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ran> {
  const all = [CLI, 'db', ...argv, '--config', join(server.directory, 'pinhole.yaml'), '--data-dir', server.directory];
  return run(process.execPath, all, { env: { ...process.env, ...env } }).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error) => ({ code: error.code ?? error.signal, stdout: error.stdout, stderr: error.stderr }),
  );
}

/** What identifies a database and its history. */
async function meta(server: TestServer): Promise<{ installation: string; epoch: string }> {
  const { url } = server.config.server.database;
  const sql = "select key, value from meta where key in ('installation', 'epoch')";
  return Object.fromEntries((await query(server, url, sql)).map(({ key, value }) => [key, value])) as never;
}

async function query(server: TestServer, url: string | null, sql: string): Promise<Record<string, string>[]> {
  if (url === null) {
    const database = new Database(paths(server.config).database);
    try {
      return database.prepare(sql).all() as Record<string, string>[];
    } finally {
      database.close();
    }
  }
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

const names = async (server: TestServer): Promise<string[]> =>
  (await server.call('GET', '/v1/routers')).body.routers.map(({ name }: { name: string }) => name).sort();

describe.each(STORES)('backup and restore, on %s', (store: StoreName) => {
  const folder = mkdtempSync(join(tmpdir(), 'phb-'));
  const server = new TestServer('', { store });
  const file = (name: string) => join(folder, name);

  beforeAll(() => server.start());
  afterAll(async () => {
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('a backup under writes has every write that was answered before, and its audit log is whole', async () => {
    const answered: string[] = [];
    let writing = true;
    const writers = Array.from({ length: 4 }, async (_, writer) => {
      for (let count = 0; writing; count++) {
        const name = `w${writer}-${count}`;
        expect((await server.call('POST', '/v1/routers', { name })).status).toBe(201);
        answered.push(name);
      }
    });
    await eventually(() => answered.length > 40);
    const known = [...answered];
    const made = await db(server, ['backup', file('load')]);
    expect(made).toMatchObject({ code: 0 });
    const during = answered.length;
    writing = false;
    await Promise.all(writers);
    expect(during).toBeGreaterThan(known.length);
    expect(statSync(file('load')).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder)).toEqual(['load']);

    const other = await new TestServer('', { store }).start();
    try {
      await other.stop();
      // A copy of another installation is noticed.
      const refused = await db(other, ['restore', file('load')]);
      expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('With --force') });
      expect(await db(other, ['restore', file('load'), '--force'])).toMatchObject({ code: 0 });
      await other.start();
      expect((await meta(other)).installation).toBe((await meta(server)).installation);
      expect((await meta(other)).epoch).not.toBe((await meta(server)).epoch);
      const restored = await names(other);
      expect(known.filter((name) => !restored.includes(name))).toEqual([]);
      const auditor = await other.newToken('auditor');
      const env = { ...process.env, PINHOLE_URL: other.url, PINHOLE_TOKEN: auditor };
      const { stdout } = await run(process.execPath, [CLI, 'audit', 'verify', '--json'], { env });
      const verdict = JSON.parse(stdout) as { ok: boolean; chains: { entries: number }[] };
      expect(verdict.ok).toBe(true);
      expect(Math.max(...verdict.chains.map(({ entries }) => entries))).toBeGreaterThanOrEqual(known.length);
    } finally {
      await other.close();
    }
  });

  it('replaces a file only with --force', async () => {
    writeFileSync(file('taken'), 'mine');
    expect(await db(server, ['backup', file('taken')])).toMatchObject({ code: 2, stderr: expect.stringContaining('exists already') });
    expect(readFileSync(file('taken'), 'utf8')).toBe('mine');
    expect(await db(server, ['backup', file('taken'), '--force'])).toMatchObject({ code: 0 });
    expect(statSync(file('taken')).mode & 0o777).toBe(0o600);
    expect(readFileSync(file('taken'), 'latin1')).toMatch(store === 'sqlite' ? /^SQLite format 3/ : /^PGDMP/);
  });

  it('a restore keeps the previous database and the installation, and begins an epoch', async () => {
    await server.call('POST', '/v1/routers', { name: 'early' });
    expect(await db(server, ['backup', file('early')])).toMatchObject({ code: 0 });
    const before = await meta(server);
    await server.call('POST', '/v1/routers', { name: 'late' });
    expect(await names(server)).toContain('late');
    await server.stop();
    const { code, stdout } = await db(server, ['restore', file('early'), '--json']);
    expect(code).toBe(0);
    const { previous, installation } = JSON.parse(stdout) as { previous: string; installation: string };
    await server.start();
    const after = await meta(server);
    expect([installation, after.installation]).toEqual([before.installation, before.installation]);
    expect(after.epoch).not.toBe(before.epoch);
    expect(await names(server)).toContain('early');
    expect(await names(server)).not.toContain('late');
    const { url } = server.config.server.database;
    if (url === null) {
      const kept = new Database(previous, { readonly: true });
      expect(kept.prepare("select count(*) as n from routers where name = 'late'").get()).toEqual({ n: 1 });
      kept.close();
    } else {
      const schema = previous.replace('schema ', '');
      expect(await query(server, url, `select name from ${schema}.routers where name = 'late'`)).toHaveLength(1);
      // The restored database works: its sequences go on where they were.
      expect((await server.call('POST', '/v1/routers', { name: 'after' })).status).toBe(201);
    }
  });

  it('refuses what is no backup, a damaged one, one of another kind, and one of a newer version', async () => {
    await db(server, ['backup', file('whole'), '--force']);
    await server.stop();
    const before = await meta(server);
    const refusal = async (name: string) => (await db(server, ['restore', file(name)])).stderr;
    try {
      writeFileSync(file('text'), 'routers: []\n');
      expect(await refusal('text')).toContain('is no backup of a Pinhole database');
      expect(await refusal('nosuch')).toContain('cannot be read (ENOENT)');
      const whole = readFileSync(file('whole'));
      writeFileSync(file('cut'), whole.subarray(0, whole.length / 2));
      expect(await refusal('cut')).toMatch(/is no backup|pg_restore failed/);
      writeFileSync(file('other'), store === 'sqlite' ? 'PGDMP\x01' : 'SQLite format 3\0');
      expect(await refusal('other')).toMatch(/is a backup of (a PostgreSQL|an embedded) database/);
      if (store === 'sqlite') {
        const foreign = new Database(file('foreign'));
        foreign.exec('create table meta (key text, value text); create table songs (title text)');
        foreign.close();
        expect(await refusal('foreign')).toContain('is no backup of a Pinhole database');
        copyFileSync(file('whole'), file('newer'));
        const newer = new Database(file('newer'));
        newer.exec(
          "insert into kysely_migration (name, timestamp) values ('9999-next', ''); update meta set value = '9999-next' where key = 'needs'",
        );
        newer.close();
        expect(await refusal('newer')).toContain('is of a newer version (9999-next)');
      }
      expect(await meta(server)).toEqual(before);
    } finally {
      await server.start();
    }
  });

  it('needs a database', async () => {
    const empty = new TestServer('', { store });
    await empty.start();
    await empty.stop();
    rmSync(paths(empty.config).database, { force: true });
    if (store === 'sqlite')
      expect(await db(empty, ['backup', file('none')])).toMatchObject({ code: 5, stderr: expect.stringContaining('There is no database') });
    expect(existsSync(file('none'))).toBe(false);
    await empty.close();
  });
});

describe('backup of SQLite', () => {
  it('and migrations say that there is no data folder yet', async () => {
    const nowhere = join(tmpdir(), `phb-${process.pid}-nowhere`);
    const migrated = await run(process.execPath, [CLI, 'db', 'migrate', '--data-dir', nowhere]).catch((error) => error);
    expect(migrated).toMatchObject({ code: 2, stderr: expect.stringContaining('There is no folder') });
    expect(migrated.stderr.trim().split('\n')).toHaveLength(1);
  });

  it('holds what a copy of the file alone lacks', async () => {
    const server = await new TestServer().start();
    const folder = mkdtempSync(join(tmpdir(), 'phb-'));
    try {
      await server.call('POST', '/v1/routers', { name: 'declared' });
      copyFileSync(paths(server.config).database, join(folder, 'copied'));
      await db(server, ['backup', join(folder, 'backed-up')]);
      const count = (name: string) => {
        const database = new Database(join(folder, name));
        try {
          return (database.prepare('select count(*) as n from routers').get() as { n: number }).n;
        } catch (error) {
          return (error as Error).message;
        } finally {
          database.close();
        }
      };
      expect(count('copied')).not.toBe(1);
      expect(count('backed-up')).toBe(1);
    } finally {
      await server.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('is refused as a restore while a server runs in the folder', { timeout: 60_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'phb-'));
    chmodSync(folder, 0o755);
    for (const name of ['server', 'run/server']) mkdirSync(join(folder, name), { recursive: true });
    const flags = ['--config', join(folder, 'pinhole.yaml'), '--data-dir', folder];
    writeFileSync(join(folder, 'pinhole.yaml'), 'log_level: fatal\n');
    const child = spawn(process.execPath, [CLI, 'server', ...flags, '--listen', '127.0.0.1:0'], { stdio: 'ignore' });
    const ended = new Promise((resolve) => child.once('close', resolve));
    const command = (...argv: string[]) =>
      run(process.execPath, [CLI, 'db', ...argv, ...flags]).then(
        () => ({ code: 0, stderr: '' }),
        (error) => ({ code: error.code, stderr: error.stderr }),
      );
    try {
      await eventually(() => existsSync(join(folder, 'run/server/endpoint')), { timeoutMs: 20_000 });
      expect(await command('backup', join(folder, 'saved'))).toMatchObject({ code: 0 });
      expect(await command('restore', join(folder, 'saved'))).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('is in use by another Pinhole'),
      });
      child.kill('SIGTERM');
      await ended;
      expect(await command('restore', join(folder, 'saved'))).toMatchObject({ code: 0 });
      // The server's user owns what root restored.
      const { uid } = statSync(join(folder, 'server'));
      for (const name of readdirSync(join(folder, 'server')))
        expect([name, statSync(join(folder, 'server', name)).uid]).toEqual([name, uid]);
    } finally {
      child.kill('SIGKILL');
      await ended;
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('loses nothing if the restore is killed before any of its changes', { timeout: 180_000 }, async () => {
    const server = await new TestServer().start();
    const folder = mkdtempSync(join(tmpdir(), 'phb-'));
    try {
      await db(server, ['backup', join(folder, 'empty')]);
      await server.call('POST', '/v1/routers', { name: 'precious' });
      await server.stop();
      const { database, serverDir } = paths(server.config);
      const has = (path: string) => {
        const opened = new Database(path, { readonly: true });
        try {
          return (opened.prepare("select count(*) as n from routers where name = 'precious'").get() as { n: number }).n === 1;
        } finally {
          opened.close();
        }
      };
      let rounds = 0;
      for (let isDone = false; !isDone; rounds++) {
        const env = crashAt(rounds, { folder, path: 'pinhole.db' });
        const { code, stderr } = await db(server, ['restore', join(folder, 'empty')], env);
        expect([code === 0 || String(code) === 'SIGKILL', stderr]).toEqual([true, '']);
        isDone = code === 0;
        const kept = readdirSync(serverDir).filter((name) => /before-[0-9tz]+$/.test(name));
        expect([rounds, has(database) || kept.some((name) => has(join(serverDir, name)))]).toEqual([rounds, true]);
      }
      expect(rounds).toBeGreaterThan(8);
      expect(has(database)).toBe(false);
      expect(readdirSync(serverDir).filter((name) => name.includes('restoring'))).toEqual([]);
      await server.start();
      expect(await names(server)).toEqual([]);
    } finally {
      await server.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe('backup of PostgreSQL', () => {
  const folder = mkdtempSync(join(tmpdir(), 'phb-'));
  const server = new TestServer('', { store: 'postgres' });
  beforeAll(() => server.start());
  afterAll(async () => {
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('gives the password to programs in their environment, and to no reader of a process list', async () => {
    const programs = join(folder, 'bin');
    mkdirSync(programs);
    writeFileSync(
      join(programs, 'pg_dump'),
      `#!/bin/sh\nprintf '%s\\n' "$*" > ${folder}/argv; printf %s "$PGPASSWORD" > ${folder}/password\nexec /usr/bin/pg_dump "$@"\n`,
      {
        mode: 0o755,
      },
    );
    const url = (server.config.server.database.url as string).replace('//pinhole@', '//pinhole:s%40same@');
    const env = { PINHOLE_DATABASE_URL: url, PATH: `${programs}:${process.env['PATH']}` };
    const made = await db(server, ['backup', join(folder, 'secret')], env);
    expect(made).toMatchObject({ code: 0, stderr: '' });
    expect(readFileSync(join(folder, 'argv'), 'utf8')).not.toContain('same');
    expect(readFileSync(join(folder, 'password'), 'utf8')).toBe('s@same');
    const failed = await db(server, ['backup', join(folder, 'nowhere')], {
      ...env,
      PINHOLE_DATABASE_URL: url.replace(/host=[^&]*/, 'host=/nosuch'),
    });
    expect(failed).toMatchObject({ code: 5 });
    expect(failed.stderr + failed.stdout).not.toContain('same');
  });

  it('says which program is missing', async () => {
    const nothing = join(folder, 'nothing');
    mkdirSync(nothing);
    expect(await db(server, ['backup', join(folder, 'x')], { PATH: nothing })).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('pg_dump is not installed'),
    });
  });

  it('is refused as a restore while a server is connected, and changes nothing if the restore is killed', { timeout: 60_000 }, async () => {
    const saved = join(folder, 'saved');
    expect(await db(server, ['backup', saved])).toMatchObject({ code: 0 });
    await server.call('POST', '/v1/routers', { name: 'precious' });
    expect(await db(server, ['restore', saved])).toMatchObject({ code: 5, stderr: expect.stringContaining('Servers are connected') });
    await server.stop();
    const before = await meta(server);
    const url = server.config.server.database.url as string;
    const holder = new pg.Client({ connectionString: url });
    await holder.connect();
    await holder.query('begin; lock table routers in access share mode');
    const argv = [CLI, 'db', 'restore', saved, '--config', join(server.directory, 'pinhole.yaml'), '--data-dir', server.directory];
    const child = spawn(process.execPath, argv, { stdio: 'ignore', detached: true });
    const ended = new Promise((resolve) => child.once('close', resolve));
    const waits = async () =>
      (
        await holder.query(
          'select 1 from pg_locks where not granted and database = (select oid from pg_database where datname = current_database())',
        )
      ).rows.length > 0;
    await eventually(waits, { what: 'the restore waits', timeoutMs: 20_000 });
    process.kill(-(child.pid as number), 'SIGKILL');
    await ended;
    await holder.query('rollback');
    await holder.end();
    await server.start();
    expect(await meta(server)).toEqual(before);
    expect(await names(server)).toEqual(['precious']);
  });
});
