import { randomBytes, randomUUID } from 'node:crypto';
import { type Kysely, type Migration, Migrator } from 'kysely';
import { INSTALLATION } from '../contract/primitives.ts';
import { PinholeError } from '../model/errors.ts';
import type { DialectName } from './dialect.ts';
import { initial } from './migrations/0001-initial.ts';
import { auditEventsQuotas } from './migrations/0002-audit-events-quotas.ts';
import { outboxServer } from './migrations/0003-outbox-server.ts';
import { verification } from './migrations/0004-verification.ts';
import { labels } from './migrations/0006-labels.ts';
import { hosts } from './migrations/0007-hosts.ts';
import { confineNewRouters } from './migrations/0008-confine-new-routers.ts';
import type { Schema } from './schema.ts';

type Migrations = Readonly<Record<string, Migration>>;

const MIGRATIONS = {
  '0001-initial': initial,
  '0002-audit-events-quotas': auditEventsQuotas,
  '0003-outbox-server': outboxServer,
  '0004-verification': verification,
  '0006-labels': labels,
  '0007-hosts': hosts,
  '0008-confine-new-routers': confineNewRouters,
} as const satisfies Record<string, (dialect: DialectName) => Migration>;

/** The names of the migrations that this version knows, in their order. */
export const MIGRATION_NAMES: readonly string[] = Object.keys(MIGRATIONS);

/** The oldest version that can work with a database that this version migrated. Later migrations only add to it. */
const NEEDS = '0002-audit-events-quotas';
export const MIGRATIONS_TABLE = 'kysely_migration';

/**
 * Migrates a database to this version. Several servers may do so at once, because Kysely takes a lock. If a newer server has
 * migrated the database further, it stays as it is, provided that the newer version declared this one compatible.
 * @returns names of the migrations that ran
 * @throws PinholeError `store-unavailable` if a migration fails, or the database is of a newer version that is not compatible
 */
export async function migrate(db: Kysely<Schema>, dialect: DialectName): Promise<string[]> {
  const own: Migrations = Object.fromEntries(Object.entries(MIGRATIONS).map(([name, make]) => [name, make(dialect)]));
  const newer = await newerMigrations(db, Object.keys(own));
  const migrator = new Migrator({ db, provider: { getMigrations: async () => ({ ...own, ...newer }) } });
  const { error, results = [] } = await migrator.migrateToLatest();
  if (error) throw new PinholeError('store-unavailable', 'The database could not be brought to this version.', { cause: error });
  await db
    .insertInto('meta')
    .values([
      { key: 'epoch', value: randomUUID() },
      { key: 'installation', value: randomBytes(INSTALLATION.max / 2).toString('hex') },
    ])
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  if (Object.keys(newer).length === 0) await setNeeds(db);
  return results.filter(({ status }) => status === 'Success').map(({ migrationName }) => migrationName);
}

async function setNeeds(db: Kysely<Schema>): Promise<void> {
  await db
    .insertInto('meta')
    .values({ key: 'needs', value: NEEDS })
    .onConflict((conflict) => conflict.column('key').doUpdateSet({ value: NEEDS }))
    .execute();
}

/** Those that ran and that this version does not know, as migrations that do nothing. */
async function newerMigrations(db: Kysely<Schema>, own: readonly string[]): Promise<Migrations> {
  const tables = await db.introspection.getTables({ withInternalKyselyTables: true });
  if (!tables.some(({ name }) => name === MIGRATIONS_TABLE)) return {};
  const ran = await (db as unknown as Kysely<{ [MIGRATIONS_TABLE]: { name: string } }>)
    .selectFrom(MIGRATIONS_TABLE)
    .select('name')
    .execute();
  const unknown = ran.map(({ name }) => name).filter((name) => !own.includes(name));
  if (unknown.length === 0) return {};
  const needs = await db.selectFrom('meta').select('value').where('key', '=', 'needs').executeTakeFirst();
  if (needs === undefined || !own.includes(needs.value)) {
    throw new PinholeError(
      'store-unavailable',
      `The database is of a newer version (${unknown.join(', ')}) than this server, which knows ${own.at(-1)}.`,
    );
  }
  return Object.fromEntries(unknown.map((name) => [name, { up: async () => undefined }]));
}
