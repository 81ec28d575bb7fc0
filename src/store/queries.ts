import { type Kysely, sql } from 'kysely';
import { genesis } from '../contract/audit-chain.ts';
import type { StoredEvent } from '../contract/event.ts';
import type { ConntrackHelper } from '../contract/helper.ts';
import type { HelperId, RouterId } from '../contract/primitives.ts';
import type { Router } from '../contract/router.ts';
import type { Database } from './database.ts';
import { inChunks } from './in-chunks.ts';
import type {
  Agent,
  AuditChain,
  AuditFilter,
  History,
  IdempotentAnswer,
  OutboxItem,
  ProjectUsage,
  Reads,
  RouterFilter,
  StoredAudit,
  StoredReport,
  Token,
  Totals,
} from './interface.ts';
import { chainTail } from './journal.ts';
import { toAgent, toAudit, toEvent, toHead, toHelper, toReport, toRouter, toToken, toUsage } from './rows.ts';
import type { HelperRow, Schema } from './schema.ts';
import type { Statements } from './statements.ts';

/**
 * All reads, over the whole database or within one transaction. The SQL is the same for every dialect. {@link Reads} documents the
 * methods.
 */
export class Queries implements Reads {
  protected readonly database: Database;
  protected readonly statements: Statements;

  constructor(database: Database, statements: Statements) {
    this.database = database;
    this.statements = statements;
  }

  protected get db(): Kysely<Schema> {
    return this.database.db;
  }

  async router(id: RouterId): Promise<Router | null> {
    const { rows } = await this.statements.router.run(this.database, { id });
    return rows[0] ? toRouter(rows[0]) : null;
  }

  async routers(filter: RouterFilter): Promise<Router[]> {
    let query = this.db.selectFrom('routers').selectAll().orderBy('id');
    if (filter.marker !== undefined) query = query.where('id', '>', filter.marker);
    if (filter.limit !== undefined) query = query.limit(filter.limit);
    if (filter.projects) query = query.where('project_id', 'in', [...filter.projects]);
    if (filter.projectId !== undefined) query = query.where('project_id', '=', filter.projectId);
    if (filter.ids) query = query.where('id', 'in', [...filter.ids]);
    if (filter.names) query = query.where('name', 'in', [...filter.names]);
    if (filter.hosts) query = query.where('host', 'in', [...filter.hosts]);
    return (await query.execute()).map(toRouter);
  }

  async routersOfHost(host: string, marker: string, limit: number): Promise<Router[]> {
    const rows = await this.db
      .selectFrom('routers')
      .selectAll()
      .where('host', '=', host)
      .where('netns', 'is not', null)
      .where('id', '>', marker)
      .orderBy('id')
      .limit(limit)
      .execute();
    return rows.map(toRouter);
  }

  async revisionsOfHost(host: string): Promise<Pick<Router, 'id' | 'revision'>[]> {
    const { rows } = await this.statements.revisionsOfHost.run(this.database, { host });
    return rows.map(({ id, revision }) => ({ id: id as RouterId, revision }));
  }

  async helper(id: HelperId): Promise<ConntrackHelper | null> {
    const { rows } = await this.statements.helper.run(this.database, { id });
    return rows[0] ? toHelper(rows[0]) : null;
  }

  async routerHelpers(routerId: RouterId): Promise<{ projectId: string; helpers: ConntrackHelper[] } | null> {
    const { rows } = await this.statements.routerHelpers.run(this.database, { router: routerId });
    if (!rows[0]) return null;
    // For a router without helpers, the left join returns one row with nulls.
    const helpers = rows[0].id === null ? [] : rows.map((row) => toHelper(row as HelperRow)).sort((a, b) => (a.id < b.id ? -1 : 1));
    return { projectId: rows[0].project_id, helpers };
  }

  async helpersOfMany(routerIds: readonly string[]): Promise<ConntrackHelper[]> {
    const parts = await inChunks(routerIds, (ids) =>
      this.db.selectFrom('conntrack_helpers').selectAll().where('router_id', 'in', ids).orderBy('id').execute(),
    );
    return parts.map(toHelper);
  }

  async countHelpers(routerId: RouterId): Promise<number> {
    const { rows } = await this.statements.countHelpers.run(this.database, { router: routerId });
    return Number(rows[0]?.count ?? 0);
  }

  async expiredHelpers(now: string, limit: number): Promise<ConntrackHelper[]> {
    const rows = await this.db
      .selectFrom('conntrack_helpers')
      .selectAll()
      .where('expires_at', '<=', now)
      .orderBy('expires_at')
      .limit(limit)
      .execute();
    return rows.map(toHelper);
  }

  async nextExpiry(): Promise<string | null> {
    const row = await this.db
      .selectFrom('conntrack_helpers')
      .select('expires_at')
      .where('expires_at', 'is not', null)
      .orderBy('expires_at')
      .limit(1)
      .executeTakeFirst();
    return row?.expires_at ?? null;
  }

  async reports(routerIds: readonly string[]): Promise<StoredReport[]> {
    const rows = await inChunks(routerIds, (ids) =>
      this.db.selectFrom('router_status').selectAll().where('router_id', 'in', ids).execute(),
    );
    return rows.map(toReport);
  }

  async routersByHost(host?: string): Promise<Map<string, number>> {
    const { count } = this.db.fn;
    const named = this.db
      .selectFrom('routers')
      .select(['host', count<number | string>('id').as('routers')])
      .where('host', 'is not', null)
      .groupBy('host');
    const rows = await (host === undefined ? named : named.where('host', '=', host)).execute();
    return new Map(rows.map(({ host, routers }) => [host as string, Number(routers)]));
  }

  async agents(): Promise<Agent[]> {
    return (await this.db.selectFrom('agents').selectAll().orderBy('host').execute()).map(toAgent);
  }

  async agent(host: string): Promise<Agent | null> {
    const row = await this.db.selectFrom('agents').selectAll().where('host', '=', host).executeTakeFirst();
    return row ? toAgent(row) : null;
  }

  async token(id: string): Promise<Token | null> {
    const { rows } = await this.statements.token.run(this.database, { id });
    return rows[0] ? toToken(rows[0]) : null;
  }

  async tokens(): Promise<Token[]> {
    return (await this.db.selectFrom('tokens').selectAll().orderBy('created_at').execute()).map(toToken);
  }

  async outbox(server: string, marker: number, limit: number): Promise<OutboxItem[]> {
    const { rows } = await this.statements.outbox.run(this.database, { server, marker, limit });
    return rows.map(({ id, host, router_id }) => ({ id, host, routerId: router_id as RouterId }));
  }

  async hasForsakenOutbox(server: string, before: string): Promise<boolean> {
    const row = await this.db
      .selectFrom('outbox')
      .select('id')
      .where('server', '!=', server)
      .where('created_at', '<', before)
      .limit(1)
      .executeTakeFirst();
    return row !== undefined;
  }

  async audit(filter: AuditFilter): Promise<StoredAudit[]> {
    let query = this.db.selectFrom('audit').selectAll().limit(filter.limit);
    if (filter.chain !== undefined) query = query.where('chain', '=', filter.chain);
    if (filter.before !== undefined) query = query.where('id', '<', filter.before);
    if (filter.action !== undefined) query = query.where('action', '=', filter.action);
    if (filter.target !== undefined) query = query.where('target', '=', filter.target);
    if (filter.projectId !== undefined) query = query.where('project_id', '=', filter.projectId);
    query =
      filter.after === undefined
        ? query.orderBy('id', 'desc')
        : query.where('chain', 'is not', null).where('seq', '>', filter.after).orderBy('seq');
    return (await query.execute()).map(toAudit);
  }

  async auditChain(chain: string): Promise<AuditChain> {
    const [anchor, head, tail] = await Promise.all([
      this.db.selectFrom('audit_anchors').selectAll().where('chain', '=', chain).executeTakeFirst(),
      this.db.selectFrom('audit_heads').selectAll().where('chain', '=', chain).executeTakeFirst(),
      chainTail(this.db, chain),
    ]);
    return {
      chain,
      anchor: anchor ? { seq: anchor.seq, hash: anchor.hash } : genesis(chain),
      tail,
      signed: head ? toHead(head) : null,
    };
  }

  async auditChains(): Promise<AuditChain[]> {
    const { rows } = await sql<{ chain: string }>`
      select chain from audit_anchors order by chain`.execute(this.db);
    return Promise.all(rows.map(({ chain }) => this.auditChain(chain)));
  }

  async events(after: number, limit: number): Promise<StoredEvent[]> {
    return (await this.db.selectFrom('events').selectAll().where('seq', '>', after).orderBy('seq').limit(limit).execute()).map(toEvent);
  }

  async eventRange(): Promise<{ oldest: number; newest: number }> {
    const { oldest } = await this.db
      .selectFrom('events')
      .select((e) => e.fn.min('seq').as('oldest'))
      .executeTakeFirstOrThrow();
    const { value } = await this.db.selectFrom('counters').select('value').where('name', '=', 'events').executeTakeFirstOrThrow();
    return { oldest: oldest ?? value + 1, newest: value };
  }

  async usage(projectId: string): Promise<ProjectUsage> {
    const row = await this.db.selectFrom('projects').selectAll().where('project_id', '=', projectId).executeTakeFirst();
    return row ? toUsage(row) : { projectId, routers: 0, helpers: 0, routerLimit: null, helperLimit: null };
  }

  async idempotentAnswer(actor: string, key: string): Promise<IdempotentAnswer | null> {
    const row = await this.db
      .selectFrom('idempotency_keys')
      .selectAll()
      .where('actor', '=', actor)
      .where('key', '=', key)
      .executeTakeFirst();
    return row ? { actor, key, digest: row.digest, answer: JSON.parse(row.answer) } : null;
  }

  async totals(): Promise<Totals> {
    const [declared, outbox] = await Promise.all([
      this.statements.totals.run(this.database, {}),
      this.statements.outboxTotals.run(this.database, {}),
    ]);
    const [{ routers, helpers } = { routers: 0, helpers: 0 }] = declared.rows;
    const [{ hints, oldest } = { hints: 0, oldest: null }] = outbox.rows;
    return { routers: Number(routers), helpers: Number(helpers), hints: Number(hints), oldestHint: oldest };
  }

  async confinesNewRouters(): Promise<boolean> {
    const { rows } = await this.statements.confinesNewRouters.run(this.database, {});
    return rows[0]?.value === 'true';
  }

  async epoch(): Promise<string> {
    const { rows } = await this.statements.epoch.run(this.database, {});
    return (rows[0] as { value: string }).value;
  }

  async history(): Promise<History> {
    const { rows } = await this.statements.history.run(this.database, {});
    return rows[0] as History;
  }
}
