import { type Kysely, type Migration, sql } from 'kysely';
import { addSerial, type DialectName, textType } from '../dialect.ts';

/** Creates the first tables: routers, helpers, reports, agents, tokens, outbox, audit, meta. */
export function initial(dialect: DialectName): Migration {
  return { up: (db) => up(db, dialect) };
}

async function up(db: Kysely<unknown>, dialect: DialectName): Promise<void> {
  const text = textType(dialect);
  await db.schema
    .createTable('routers')
    .addColumn('id', text, (column) => column.primaryKey())
    .addColumn('name', text, (column) => column.notNull())
    .addColumn('project_id', text, (column) => column.notNull())
    .addColumn('host', text)
    .addColumn('netns', text)
    .addColumn('revision', 'integer', (column) => column.notNull())
    .addColumn('confinement', text)
    .addColumn('created_at', text, (column) => column.notNull())
    .addColumn('updated_at', text, (column) => column.notNull())
    .addUniqueConstraint('routers_host_netns', ['host', 'netns'])
    .execute();
  await db.schema.createIndex('routers_project').on('routers').columns(['project_id', 'id']).execute();
  await db.schema
    .createTable('conntrack_helpers')
    .addColumn('id', text, (column) => column.primaryKey())
    .addColumn('router_id', text, (column) => column.notNull().references('routers.id').onDelete('cascade'))
    .addColumn('protocol', text, (column) => column.notNull())
    .addColumn('port', 'integer', (column) => column.notNull())
    .addColumn('helper', text, (column) => column.notNull())
    .addColumn('scope', text, (column) => column.notNull())
    .addColumn('expires_at', text)
    .addColumn('created_at', text, (column) => column.notNull())
    .addUniqueConstraint('conntrack_helpers_key', ['router_id', 'protocol', 'port', 'helper', 'scope'])
    .execute();
  await db.schema
    .createIndex('conntrack_helpers_expiry')
    .on('conntrack_helpers')
    .column('expires_at')
    .where(sql.ref('expires_at'), 'is not', null)
    .execute();
  await db.schema
    .createTable('router_status')
    .addColumn('router_id', text, (column) => column.primaryKey().references('routers.id').onDelete('cascade'))
    .addColumn('host', text, (column) => column.notNull())
    .addColumn('revision', 'integer', (column) => column.notNull())
    .addColumn('reason', text, (column) => column.notNull())
    .addColumn('drifts', 'integer', (column) => column.notNull())
    .addColumn('helpers', text, (column) => column.notNull())
    .addColumn('reported_at', text, (column) => column.notNull())
    .execute();
  await db.schema
    .createTable('agents')
    .addColumn('host', text, (column) => column.primaryKey())
    .addColumn('started_at', text, (column) => column.notNull())
    .addColumn('seen_at', text, (column) => column.notNull())
    .addColumn('interval', 'integer', (column) => column.notNull())
    .addColumn('state', text, (column) => column.notNull())
    .execute();
  await db.schema
    .createTable('tokens')
    .addColumn('id', text, (column) => column.primaryKey())
    .addColumn('hash', text, (column) => column.notNull())
    .addColumn('role', text, (column) => column.notNull())
    .addColumn('project_id', text)
    .addColumn('description', text, (column) => column.notNull())
    .addColumn('created_at', text, (column) => column.notNull())
    .addColumn('expires_at', text)
    .addColumn('revoked_at', text)
    .execute();
  await addSerial(db.schema.createTable('outbox'), 'id', dialect)
    .addColumn('host', text, (column) => column.notNull())
    .addColumn('router_id', text, (column) => column.notNull())
    .addColumn('created_at', text, (column) => column.notNull())
    .execute();
  await addSerial(db.schema.createTable('audit'), 'id', dialect)
    .addColumn('at', text, (column) => column.notNull())
    .addColumn('request_id', text, (column) => column.notNull())
    .addColumn('actor', text, (column) => column.notNull())
    .addColumn('action', text, (column) => column.notNull())
    .addColumn('target', text, (column) => column.notNull())
    .addColumn('project_id', text, (column) => column.notNull())
    .addColumn('before', text)
    .addColumn('after', text)
    .execute();
  await db.schema
    .createTable('meta')
    .addColumn('key', text, (column) => column.primaryKey())
    .addColumn('value', text, (column) => column.notNull())
    .execute();
}
