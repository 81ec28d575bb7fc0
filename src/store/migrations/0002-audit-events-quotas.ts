import { type Kysely, type Migration, sql } from 'kysely';
import { type DialectName, textType } from '../dialect.ts';

/** Adds audit chains, events, projects with their usage and limits, idempotency keys, and revisions of helpers. */
export function auditEventsQuotas(dialect: DialectName): Migration {
  return { up: (db) => up(db, dialect) };
}

async function up(db: Kysely<unknown>, dialect: DialectName): Promise<void> {
  const text = textType(dialect);
  await db.schema
    .alterTable('conntrack_helpers')
    .addColumn('revision', 'integer', (column) => column.notNull().defaultTo(1))
    .execute();
  await db.schema
    .alterTable('routers')
    .addColumn('description', text, (column) => column.notNull().defaultTo(''))
    .execute();
  await db.schema.createIndex('routers_name').on('routers').column('name').execute();
  await auditTables(db, text);
  await db.schema
    .createTable('events')
    .addColumn('seq', 'bigint', (column) => column.primaryKey())
    .addColumn('at', text, (column) => column.notNull())
    .addColumn('kind', text, (column) => column.notNull())
    .addColumn('project_id', text, (column) => column.notNull())
    .addColumn('router_id', text, (column) => column.notNull())
    .addColumn('request_id', text, (column) => column.notNull())
    .addColumn('data', text, (column) => column.notNull())
    .execute();
  await db.schema
    .createTable('projects')
    .addColumn('project_id', text, (column) => column.primaryKey())
    .addColumn('routers', 'integer', (column) => column.notNull())
    .addColumn('helpers', 'integer', (column) => column.notNull())
    .addColumn('router_limit', 'integer')
    .addColumn('helper_limit', 'integer')
    .execute();
  await countWhatIsThere(db);
  await db.schema
    .createTable('idempotency_keys')
    .addColumn('actor', text, (column) => column.notNull())
    .addColumn('key', text, (column) => column.notNull())
    .addColumn('digest', text, (column) => column.notNull())
    .addColumn('answer', text, (column) => column.notNull())
    .addColumn('created_at', text, (column) => column.notNull())
    .addPrimaryKeyConstraint('idempotency_keys_key', ['actor', 'key'])
    .execute();
  await db.schema.createIndex('idempotency_keys_age').on('idempotency_keys').column('created_at').execute();
  await db.schema
    .createTable('counters')
    .addColumn('name', text, (column) => column.primaryKey())
    .addColumn('value', 'bigint', (column) => column.notNull())
    .execute();
  await sql`insert into counters (name, value) values ('events', 0)`.execute(db);
}

async function auditTables(db: Kysely<unknown>, text: ReturnType<typeof textType>): Promise<void> {
  for (const [name, type] of [
    ['chain', text],
    ['seq', 'bigint'],
    ['hash', text],
  ] as const) {
    await db.schema.alterTable('audit').addColumn(name, type).execute();
  }
  await db.schema.createIndex('audit_chain').on('audit').columns(['chain', 'seq']).unique().execute();
  await db.schema
    .createTable('audit_anchors')
    .addColumn('chain', text, (column) => column.primaryKey())
    .addColumn('seq', 'bigint', (column) => column.notNull())
    .addColumn('hash', text, (column) => column.notNull())
    .execute();
  await db.schema
    .createTable('audit_heads')
    .addColumn('chain', text, (column) => column.primaryKey())
    .addColumn('seq', 'bigint', (column) => column.notNull())
    .addColumn('hash', text, (column) => column.notNull())
    .addColumn('at', text, (column) => column.notNull())
    .addColumn('key_id', text, (column) => column.notNull())
    .addColumn('public_key', text, (column) => column.notNull())
    .addColumn('signature', text, (column) => column.notNull())
    .execute();
}

/** Counts the routers and helpers that exist already, so that quotas are exact from the start. */
async function countWhatIsThere(db: Kysely<unknown>): Promise<void> {
  await sql`
    insert into projects (project_id, routers, helpers)
    select r.project_id, count(distinct r.id), count(h.id)
    from routers r left join conntrack_helpers h on h.router_id = r.id
    group by r.project_id`.execute(db);
}
