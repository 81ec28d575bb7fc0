import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { PinholeError } from '../../model/errors.ts';
import { type Contents, checkBackup, notABackup, type Restored, type RestoreRequest, stampOf } from '../backup.ts';
import { MIGRATIONS_TABLE } from '../migrate.ts';
import { type ConnectionOptions, connectionConfig } from './connection.ts';
import { copiedRows } from './copied-rows.ts';
import { DatabaseFailure, unavailable } from './errors.ts';
import { type Login, runProgram, withoutPassword } from './programs.ts';

/** The name of servers' connections, by which a restore notices them. */
const SERVERS = `select 1 from pg_stat_activity where datname = current_database() and application_name = 'pinhole' and pid <> pg_backend_pid()`;

/** What stands in the database now. */
interface Present {
  readonly schema: string;
  readonly tables: readonly string[];
  readonly installation: string | null;
  readonly isInUse: boolean;
}

/**
 * Writes Pinhole's tables, as of one moment, into a file in pg_dump's own format, while servers write to them.
 * @throws PinholeError `program-missing`, `store-unavailable`
 */
export async function backupPostgres(options: ConnectionOptions, target: string): Promise<void> {
  const { schema, tables } = await look(options);
  if (!tables.includes('meta')) throw new PinholeError('store-unavailable', 'The database has no tables of Pinhole.');
  const login = withoutPassword(options.url);
  const chosen = tables.flatMap((table) => ['--table', `${quoted(schema)}.${quoted(table)}`]);
  await runProgram(
    'pg_dump',
    ['--format=custom', '--no-owner', '--no-privileges', '--file', target, ...chosen, '--dbname', login.url],
    login,
  );
}

/**
 * Replaces Pinhole's tables by those of a backup, in one transaction. The previous ones stay, in a schema of their own.
 * @throws InvalidInput as {@link checkBackup}; PinholeError `store-unavailable` while a server is connected, `program-missing`
 */
export async function restorePostgres(options: ConnectionOptions, request: RestoreRequest): Promise<Restored> {
  const login = withoutPassword(options.url);
  const contents = await readContents(request.file, login);
  const present = await look(options);
  if (present.isInUse) throw new PinholeError('store-unavailable', 'Servers are connected to the database. Stop all of them first.');
  const installation = checkBackup(contents, present.installation, request);
  if (installation === null)
    throw new PinholeError('store-unavailable', 'The backup is older than installations. Restore it with pg_restore.');
  const epoch = randomUUID();
  const folder = mkdtempSync(join(tmpdir(), 'pinhole-restore-'));
  try {
    const [before, tables, after] = ['before', 'tables', 'after'].map((name) => join(folder, `${name}.sql`)) as [string, string, string];
    // To a file and not to a pipe: psql would take the end of a pipe for the end of the work, and commit a part.
    await runProgram('pg_restore', ['--no-owner', '--no-privileges', '--file', tables, request.file], login);
    const kept = `pinhole_before_${stampOf(request.at)}`;
    writeFileSync(before, moveAside(present, kept), { mode: 0o600 });
    writeFileSync(after, identify(present.schema, { epoch, installation }), { mode: 0o600 });
    const files = [before, tables, after].flatMap((file) => ['--file', file]);
    const psql = ['--no-psqlrc', '--quiet', '--output', '/dev/null', '--set', 'ON_ERROR_STOP=1', '--single-transaction', ...files];
    await runProgram('psql', [...psql, '--dbname', login.url], login);
    return { installation, epoch, previous: present.tables.length > 0 ? `schema ${kept}` : null };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function readContents(file: string, login: Login): Promise<Contents> {
  const argv = ['--data-only', '--table', 'meta', '--table', MIGRATIONS_TABLE, '--file', '-', file];
  const script = await runProgram('pg_restore', argv, login).catch((error) => {
    if (error instanceof PinholeError && error.code === 'program-missing') throw error;
    throw notABackup(file);
  });
  return {
    migrations: copiedRows(script, MIGRATIONS_TABLE).map((row) => row.get('name') ?? ''),
    meta: new Map(copiedRows(script, 'meta').map((row) => [row.get('key') ?? '', row.get('value') ?? ''])),
  };
}

async function look(options: ConnectionOptions): Promise<Present> {
  const client = new pg.Client({ ...connectionConfig(options), application_name: 'pinhole-backup' });
  const query = async (sql: string) => (await client.query(sql)).rows as Record<string, string>[];
  try {
    await client.connect();
    const [place] = await query('select current_schema() as schema');
    const owned = await query(
      'select tablename from pg_tables where schemaname = current_schema() and tableowner = current_user order by 1',
    );
    const tables = owned.map(({ tablename = '' }) => tablename);
    const [identity] = tables.includes('meta') ? await query("select value from meta where key = 'installation'") : [];
    const isInUse = (await query(SERVERS)).length > 0;
    return { schema: place?.['schema'] ?? 'public', tables, installation: identity?.['value'] ?? null, isInUse };
  } catch (error) {
    throw unavailable(new DatabaseFailure(error));
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** The locks of the moves keep servers out until the end of the transaction, so the look at them comes after. */
function moveAside({ schema, tables }: Present, kept: string): string {
  const moves = tables.map((table) => `alter table ${quoted(schema)}.${quoted(table)} set schema ${quoted(kept)};`);
  const refuse = `do $$ begin if exists (${SERVERS}) then raise exception 'servers are connected to the database'; end if; end $$;`;
  return [...(tables.length > 0 ? [`create schema ${quoted(kept)};`] : []), ...moves, refuse, ''].join('\n');
}

/** Values are hexadecimal digits and dashes. */
function identify(schema: string, values: Readonly<Record<'epoch' | 'installation', string>>): string {
  const rows = Object.entries(values).map(([key, value]) => `('${key}', '${value.replaceAll("'", "''")}')`);
  return `insert into ${quoted(schema)}.meta (key, value) values ${rows.join(', ')} on conflict (key) do update set value = excluded.value;\n`;
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
