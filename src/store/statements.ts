import { type RawBuilder, sql } from 'kysely';
import type { DialectName } from './dialect.ts';
import { Prepared } from './prepared.ts';
import type { HelperRow, ProjectRow, RouterRow, StatusRow, TokenRow } from './schema.ts';

/** Returns the statements of the hot paths. Each is compiled once per store, at its first run. */
export function prepareStatements(dialect: DialectName) {
  return {
    router: new Prepared<{ id: string }, RouterRow>((db, p) => db.selectFrom('routers').selectAll().where('id', '=', p('id'))),
    /** SQLite needs no row lock, because it has one writer at a time. */
    lockRouter: new Prepared<{ id: string }, RouterRow>((db, p) => {
      const query = db.selectFrom('routers').selectAll().where('id', '=', p('id'));
      return dialect === 'postgres' ? query.forUpdate() : query;
    }),
    revisionsOfHost: new Prepared<{ host: string }, Pick<RouterRow, 'id' | 'revision'>>((db, p) =>
      db.selectFrom('routers').select(['id', 'revision']).where('host', '=', p('host')).where('netns', 'is not', null),
    ),
    outbox: new Prepared<{ server: string; marker: number; limit: number }, { id: number; host: string; router_id: string }>((db, p) =>
      db
        .selectFrom('outbox')
        .select(['id', 'host', 'router_id'])
        .where('server', '=', p('server'))
        .where('id', '>', p('marker'))
        .orderBy('id')
        .limit(p('limit')),
    ),
    epoch: new Prepared<Record<string, never>, { value: string }>((db) => db.selectFrom('meta').select('value').where('key', '=', 'epoch')),
    totals: new Prepared<Record<string, never>, { routers: number | string | null; helpers: number | string | null }>((db) =>
      db.selectFrom('projects').select(({ fn }) => [fn.sum('routers').as('routers'), fn.sum('helpers').as('helpers')]),
    ),
    outboxTotals: new Prepared<Record<string, never>, { hints: number | string; oldest: string | null }>((db) =>
      db.selectFrom('outbox').select(({ fn }) => [fn.countAll().as('hints'), fn.min('created_at').as('oldest')]),
    ),
    confinesNewRouters: new Prepared<Record<string, never>, { value: string }>((db) =>
      db.selectFrom('meta').select('value').where('key', '=', 'confine_new_routers'),
    ),
    history: new Prepared<Record<string, never>, { installation: string | null; epoch: string | null; position: number }>((db) =>
      db
        .selectFrom('counters')
        .where('name', '=', 'events')
        .select('value as position')
        .select(({ selectFrom }) => [
          selectFrom('meta').select('value').where('key', '=', 'epoch').as('epoch'),
          selectFrom('meta').select('value').where('key', '=', 'installation').as('installation'),
        ]),
    ),
    helper: new Prepared<{ id: string }, HelperRow>((db, p) => db.selectFrom('conntrack_helpers').selectAll().where('id', '=', p('id'))),
    /** A single statement, because this is the most frequent query. */
    routerHelpers: new Prepared<{ router: string }, { project_id: string } & (HelperRow | { id: null })>(
      (db, p) =>
        db
          .selectFrom('routers')
          .leftJoin('conntrack_helpers', 'conntrack_helpers.router_id', 'routers.id')
          .selectAll('conntrack_helpers')
          .select('routers.project_id')
          .where('routers.id', '=', p('router')) as never,
    ),
    countHelpers: new Prepared<{ router: string }, { count: number | string }>((db, p) =>
      db
        .selectFrom('conntrack_helpers')
        .select((e) => e.fn.countAll<number>().as('count'))
        .where('router_id', '=', p('router')),
    ),
    insertHelper: new Prepared<{ [K in keyof HelperRow]: HelperRow[K] }, unknown>((db, p) =>
      db
        .insertInto('conntrack_helpers')
        .values({
          id: p('id'),
          router_id: p('router_id'),
          protocol: p('protocol'),
          port: p('port'),
          helper: p('helper'),
          scope: p('scope'),
          expires_at: p('expires_at'),
          created_at: p('created_at'),
          revision: p('revision'),
        })
        .onConflict((conflict) => conflict.columns(['router_id', 'protocol', 'port', 'helper', 'scope']).doNothing()),
    ),
    bumpRevision: new Prepared<{ id: string; at: string }, { revision: number }>((db, p) =>
      db
        .updateTable('routers')
        .set((e) => ({ revision: e('revision', '+', 1), updated_at: p('at') }))
        .where('id', '=', p('id'))
        .returning('revision'),
    ),
    countUsage: new Prepared<{ project: string; routers: number; helpers: number }, ProjectRow>((db, p) =>
      db
        .insertInto('projects')
        .values({ project_id: p('project'), routers: p('routers'), helpers: p('helpers'), router_limit: null, helper_limit: null })
        .onConflict((conflict) =>
          conflict.column('project_id').doUpdateSet((e) => ({
            routers: e('projects.routers', '+', e.ref('excluded.routers')),
            helpers: e('projects.helpers', '+', e.ref('excluded.helpers')),
          })),
        )
        .returningAll(),
    ),
    /** Selects from `routers`, so that a report about a deleted router inserts nothing. */
    saveReport: new Prepared<{ [K in keyof StatusRow]: StatusRow[K] }, unknown>((db, p) =>
      db
        .insertInto('router_status')
        .columns(['router_id', 'host', 'revision', 'reason', 'drifts', 'helpers', 'reported_at'])
        .expression((e) =>
          e
            .selectFrom('routers')
            .select([
              'routers.id as router_id',
              parameter(p('host')).as('host'),
              parameter(p('revision')).as('revision'),
              parameter(p('reason')).as('reason'),
              parameter(p('drifts')).as('drifts'),
              parameter(p('helpers')).as('helpers'),
              parameter(p('reported_at')).as('reported_at'),
            ])
            .where('routers.id', '=', p('router_id')),
        )
        .onConflict((conflict) =>
          conflict.column('router_id').doUpdateSet((e) => ({
            host: e.ref('excluded.host'),
            revision: e.ref('excluded.revision'),
            reason: e.ref('excluded.reason'),
            drifts: e.ref('excluded.drifts'),
            helpers: e.ref('excluded.helpers'),
            reported_at: e.ref('excluded.reported_at'),
          })),
        ),
    ),
    token: new Prepared<{ id: string }, TokenRow>((db, p) => db.selectFrom('tokens').selectAll().where('id', '=', p('id'))),
  };
}

function parameter<T>(value: T): RawBuilder<T> {
  return sql.val(value) as RawBuilder<T>;
}

export type Statements = ReturnType<typeof prepareStatements>;
