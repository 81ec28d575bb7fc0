import type { Kysely } from 'kysely';
import type { ConntrackHelper, HelperId } from '../model/conntrack-helper.ts';
import { PinholeError } from '../model/errors.ts';
import type { Router, RouterId } from '../model/router.ts';
import type { Agent, AuditEntry, OutboxItem, RouterFilter, StoredReport, Token, Writes } from './interface.ts';
import { fromHelper, fromRouter, toAgent, toHelper, toReport, toRouter, toToken } from './rows.ts';
import type { AgentRow, Schema } from './schema.ts';
import type { Statements } from './statements.ts';

/** Values in one `in (…)` list; longer lists are asked in parts. */
const IN_CHUNK = 500;

/** All queries, over the whole database or within one transaction. The same for every dialect. */
export class Queries implements Writes {
  readonly #db: Kysely<Schema>;
  readonly #statements: Statements;
  readonly #isUniqueViolation: (error: unknown) => boolean;

  constructor(db: Kysely<Schema>, statements: Statements, isUniqueViolation: (error: unknown) => boolean) {
    this.#db = db;
    this.#statements = statements;
    this.#isUniqueViolation = isUniqueViolation;
  }

  async router(id: RouterId): Promise<Router | null> {
    const { rows } = await this.#statements.router.run(this.#db, { id });
    return rows[0] ? toRouter(rows[0]) : null;
  }

  async routers(filter: RouterFilter): Promise<Router[]> {
    let query = this.#db.selectFrom('routers').selectAll().orderBy('id');
    if (filter.projectId !== undefined) query = query.where('project_id', '=', filter.projectId);
    if (filter.ids) query = query.where('id', 'in', [...filter.ids]);
    if (filter.names) query = query.where('name', 'in', [...filter.names]);
    if (filter.hosts) query = query.where('host', 'in', [...filter.hosts]);
    return (await query.execute()).map(toRouter);
  }

  async routersOfHost(host: string, marker: string, limit: number): Promise<Router[]> {
    const rows = await this.#db
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

  async helper(id: HelperId): Promise<ConntrackHelper | null> {
    const { rows } = await this.#statements.helper.run(this.#db, { id });
    return rows[0] ? toHelper(rows[0]) : null;
  }

  async helpersOf(routerId: RouterId): Promise<ConntrackHelper[]> {
    const { rows } = await this.#statements.helpersOf.run(this.#db, { router: routerId });
    return rows.map(toHelper);
  }

  async helpersOfMany(routerIds: readonly string[]): Promise<ConntrackHelper[]> {
    const parts = await inChunks(routerIds, (ids) =>
      this.#db.selectFrom('conntrack_helpers').selectAll().where('router_id', 'in', ids).orderBy('id').execute(),
    );
    return parts.map(toHelper);
  }

  async countHelpers(routerId: RouterId): Promise<number> {
    const { rows } = await this.#statements.countHelpers.run(this.#db, { router: routerId });
    return Number(rows[0]?.count ?? 0);
  }

  async expiredHelpers(now: string, limit: number): Promise<ConntrackHelper[]> {
    const rows = await this.#db
      .selectFrom('conntrack_helpers')
      .selectAll()
      .where('expires_at', '<=', now)
      .orderBy('expires_at')
      .limit(limit)
      .execute();
    return rows.map(toHelper);
  }

  async nextExpiry(): Promise<string | null> {
    const row = await this.#db
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
      this.#db.selectFrom('router_status').selectAll().where('router_id', 'in', ids).execute(),
    );
    return rows.map(toReport);
  }

  async agents(): Promise<Agent[]> {
    return (await this.#db.selectFrom('agents').selectAll().orderBy('host').execute()).map(toAgent);
  }

  async token(id: string): Promise<Token | null> {
    const { rows } = await this.#statements.token.run(this.#db, { id });
    return rows[0] ? toToken(rows[0]) : null;
  }

  async tokens(): Promise<Token[]> {
    return (await this.#db.selectFrom('tokens').selectAll().orderBy('created_at').execute()).map(toToken);
  }

  async outbox(marker: number, limit: number): Promise<OutboxItem[]> {
    const rows = await this.#db.selectFrom('outbox').selectAll().where('id', '>', marker).orderBy('id').limit(limit).execute();
    return rows.map(({ id, host, router_id }) => ({ id, host, routerId: router_id as RouterId }));
  }

  async audit(limit: number): Promise<(AuditEntry & { id: number })[]> {
    const rows = await this.#db.selectFrom('audit').selectAll().orderBy('id', 'desc').limit(limit).execute();
    return rows.map((row) => ({
      id: row.id,
      at: row.at,
      requestId: row.request_id,
      actor: row.actor,
      action: row.action,
      target: row.target,
      projectId: row.project_id,
      before: row.before && JSON.parse(row.before),
      after: row.after && JSON.parse(row.after),
    }));
  }

  async epoch(): Promise<string> {
    const row = await this.#db.selectFrom('meta').select('value').where('key', '=', 'epoch').executeTakeFirstOrThrow();
    return row.value;
  }

  async insertRouter(router: Router): Promise<void> {
    await this.#guardNetns(router, () => this.#db.insertInto('routers').values(fromRouter(router)).execute());
  }

  async updateRouter(router: Router): Promise<void> {
    await this.#guardNetns(router, () => this.#db.updateTable('routers').set(fromRouter(router)).where('id', '=', router.id).execute());
  }

  async deleteRouter(id: RouterId): Promise<void> {
    await this.#db.deleteFrom('routers').where('id', '=', id).execute();
  }

  async bumpRevision(id: RouterId, at: string): Promise<number> {
    const { rows } = await this.#statements.bumpRevision.run(this.#db, { id, at });
    return rows[0]?.revision ?? 0;
  }

  async insertHelper(helper: ConntrackHelper, at: string): Promise<boolean> {
    const { changed } = await this.#statements.insertHelper.run(this.#db, { ...fromHelper(helper), created_at: at });
    return changed === 1;
  }

  async updateHelper(helper: ConntrackHelper): Promise<boolean> {
    try {
      await this.#db.updateTable('conntrack_helpers').set(fromHelper(helper)).where('id', '=', helper.id).execute();
      return true;
    } catch (error) {
      if (this.#isUniqueViolation(error)) return false;
      throw error;
    }
  }

  async deleteHelper(id: HelperId): Promise<void> {
    await this.#db.deleteFrom('conntrack_helpers').where('id', '=', id).execute();
  }

  async appendOutbox(host: string, routerId: RouterId, at: string): Promise<void> {
    await this.#statements.appendOutbox.run(this.#db, { host, router: routerId, at });
  }

  async deleteOutbox(upTo: number): Promise<void> {
    await this.#db.deleteFrom('outbox').where('id', '<=', upTo).execute();
  }

  async appendAudit(entry: AuditEntry): Promise<void> {
    await this.#statements.appendAudit.run(this.#db, {
      at: entry.at,
      request: entry.requestId,
      actor: entry.actor,
      action: entry.action,
      target: entry.target,
      project: entry.projectId,
      before: entry.before && JSON.stringify(entry.before),
      after: entry.after && JSON.stringify(entry.after),
    });
  }

  /** A report of a router that is gone meanwhile leaves no row. */
  async saveReport(report: StoredReport): Promise<void> {
    await this.#statements.saveReport.run(this.#db, {
      router_id: report.routerId,
      host: report.host,
      revision: report.revision,
      reason: report.reason,
      drifts: report.drifts,
      helpers: JSON.stringify(report.helpers),
      reported_at: report.reportedAt,
    });
  }

  async saveAgent(agent: Agent): Promise<void> {
    const row: AgentRow = {
      host: agent.host,
      started_at: agent.startedAt,
      seen_at: agent.seenAt,
      interval: agent.interval,
      state: JSON.stringify(agent.state),
    };
    await this.#db
      .insertInto('agents')
      .values(row)
      .onConflict((conflict) => conflict.column('host').doUpdateSet(row))
      .execute();
  }

  async insertToken(token: Token): Promise<void> {
    await this.#db
      .insertInto('tokens')
      .values({
        id: token.id,
        hash: token.hash,
        role: token.role,
        project_id: token.projectId,
        description: token.description,
        created_at: token.createdAt,
        expires_at: token.expiresAt,
        revoked_at: token.revokedAt,
      })
      .execute();
  }

  async revokeToken(id: string, at: string): Promise<void> {
    await this.#db.updateTable('tokens').set({ revoked_at: at }).where('id', '=', id).where('revoked_at', 'is', null).execute();
  }

  async #guardNetns(router: Router, run: () => Promise<unknown>): Promise<void> {
    try {
      await run();
    } catch (error) {
      if (!this.#isUniqueViolation(error)) throw error;
      const { host, netns } = router;
      throw new PinholeError('netns-in-use', `Another router has network namespace ${netns} on host ${host} already.`, {
        details: { field: 'netns', values: { host, netns } },
      });
    }
  }
}

async function inChunks<T>(ids: readonly string[], query: (ids: string[]) => Promise<T[]>): Promise<T[]> {
  const found: T[] = [];
  for (let at = 0; at < ids.length; at += IN_CHUNK) found.push(...(await query(ids.slice(at, at + IN_CHUNK))));
  return found;
}
