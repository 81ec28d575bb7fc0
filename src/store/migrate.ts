import { randomUUID } from 'node:crypto';
import { type Kysely, Migrator } from 'kysely';
import { PinholeError } from '../model/errors.ts';
import type { DialectName } from './dialect.ts';
import { initial } from './migrations/0001-initial.ts';
import { auditEventsQuotas } from './migrations/0002-audit-events-quotas.ts';
import { outboxServer } from './migrations/0003-outbox-server.ts';
import type { Schema } from './schema.ts';

/**
 * Brings a database to this version; several servers may do so at once (Kysely takes a lock).
 * @returns names of the migrations that ran
 */
export async function migrate(db: Kysely<Schema>, dialect: DialectName): Promise<string[]> {
  const migrations = {
    '0001-initial': initial(dialect),
    '0002-audit-events-quotas': auditEventsQuotas(dialect),
    '0003-outbox-server': outboxServer(dialect),
  };
  const migrator = new Migrator({ db, provider: { getMigrations: async () => migrations } });
  const { error, results = [] } = await migrator.migrateToLatest();
  if (error) throw new PinholeError('store-unavailable', 'The database could not be brought to this version.', { cause: error });
  await db
    .insertInto('meta')
    .values({ key: 'epoch', value: randomUUID() })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  return results.filter(({ status }) => status === 'Success').map(({ migrationName }) => migrationName);
}
