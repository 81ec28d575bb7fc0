import type { AuditEntry, SignedHead } from '../model/audit.ts';
import type { ConntrackHelper, HelperId } from '../model/conntrack-helper.ts';
import { PinholeError } from '../model/errors.ts';
import type { NewEvent } from '../model/event.ts';
import type { Router, RouterId } from '../model/router.ts';
import type { Database } from './database.ts';
import type { Agent, IdempotentAnswer, ProjectUsage, StoredReport, Token, Writes } from './interface.ts';
import { JournalEntries } from './journal.ts';
import { Queries } from './queries.ts';
import { fromHead, fromHelper, fromRouter, toRouter } from './rows.ts';
import type { AgentRow } from './schema.ts';
import type { Statements } from './statements.ts';
import type { Gained, UsageLedger } from './usage-ledger.ts';

/** One unit of work within a transaction. */
export class Changes extends Queries implements Writes {
  /** Written at the end of the batch, if this unit is kept. */
  readonly entries = new JournalEntries();
  readonly #usage: UsageLedger;
  readonly #isUniqueViolation: (error: unknown) => boolean;

  constructor(database: Database, statements: Statements, parts: { isUniqueViolation: (error: unknown) => boolean; usage: UsageLedger }) {
    super(database, statements);
    this.#usage = parts.usage;
    this.#isUniqueViolation = parts.isUniqueViolation;
  }

  async lockRouter(id: RouterId): Promise<Router | null> {
    const { rows } = await this.statements.lockRouter.run(this.database, { id });
    return rows[0] ? toRouter(rows[0]) : null;
  }

  async insertRouter(router: Router): Promise<void> {
    await this.#guardNetns(router, () => this.db.insertInto('routers').values(fromRouter(router)).execute());
  }

  async updateRouter(router: Router): Promise<void> {
    await this.#guardNetns(router, () => this.db.updateTable('routers').set(fromRouter(router)).where('id', '=', router.id).execute());
  }

  async deleteRouter(id: RouterId): Promise<void> {
    await this.db.deleteFrom('routers').where('id', '=', id).execute();
  }

  async bumpRevision(id: RouterId, at: string): Promise<number> {
    const { rows } = await this.statements.bumpRevision.run(this.database, { id, at });
    return rows[0]?.revision ?? 0;
  }

  async insertHelper(helper: ConntrackHelper, at: string): Promise<boolean> {
    const { changed } = await this.statements.insertHelper.run(this.database, { ...fromHelper(helper), created_at: at });
    return changed === 1;
  }

  async updateHelper(helper: ConntrackHelper): Promise<boolean> {
    try {
      await this.db.updateTable('conntrack_helpers').set(fromHelper(helper)).where('id', '=', helper.id).execute();
      return true;
    } catch (error) {
      if (this.#isUniqueViolation(error)) return false;
      throw error;
    }
  }

  async deleteHelper(id: HelperId): Promise<void> {
    await this.db.deleteFrom('conntrack_helpers').where('id', '=', id).execute();
  }

  countUsage(projectId: string, gained: Gained): Promise<ProjectUsage> {
    return this.#usage.count(this.database, projectId, gained);
  }

  override usage(projectId: string): Promise<ProjectUsage> {
    return this.#usage.count(this.database, projectId, {});
  }

  async setLimits(projectId: string, limits: Pick<ProjectUsage, 'routerLimit' | 'helperLimit'>): Promise<void> {
    await this.countUsage(projectId, {});
    this.#usage.setLimits(projectId, limits);
    await this.db
      .updateTable('projects')
      .set({ router_limit: limits.routerLimit, helper_limit: limits.helperLimit })
      .where('project_id', '=', projectId)
      .execute();
  }

  appendOutbox(host: string, routerId: RouterId, at: string): void {
    this.entries.outbox.push({ host, router_id: routerId, created_at: at });
  }

  appendAudit(entry: AuditEntry): void {
    this.entries.audit.push(entry);
  }

  appendEvent(event: NewEvent): void {
    this.entries.events.push(event);
  }

  async saveSignedHead(head: SignedHead): Promise<void> {
    const row = fromHead(head);
    await this.db
      .insertInto('audit_heads')
      .values(row)
      .onConflict((conflict) => conflict.column('chain').doUpdateSet(row))
      .execute();
  }

  async saveIdempotentAnswer({ actor, key, digest, answer }: IdempotentAnswer, at: string): Promise<void> {
    await this.db
      .insertInto('idempotency_keys')
      .values({ actor, key, digest, answer: JSON.stringify(answer), created_at: at })
      .execute();
  }

  async prune(older: { audit: string; events: string; idempotency: string }, limit: number): Promise<number> {
    const counts = [
      await this.#pruneAudit(older.audit, limit),
      await this.#pruneEvents(older.events, limit),
      await this.#pruneKeys(older.idempotency),
    ];
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** From the old end of each chain, so that what is left is still a chain: it begins at the anchor. */
  async #pruneAudit(olderThan: string, limit: number): Promise<number> {
    const oldest = await this.db.selectFrom('audit').select(['id', 'at', 'chain', 'seq', 'hash']).orderBy('id').limit(limit).execute();
    const rows = leading(oldest, olderThan);
    const ends = new Map(rows.map((row) => [row.chain, row]));
    for (const { chain, seq, hash } of ends.values())
      if (chain !== null && seq !== null && hash !== null) await this.#anchor({ chain, seq, hash });
    const last = rows.at(-1);
    if (last) await this.db.deleteFrom('audit').where('id', '<=', last.id).execute();
    return rows.length;
  }

  async #anchor(end: { chain: string; seq: number; hash: string }): Promise<void> {
    await this.db
      .insertInto('audit_anchors')
      .values(end)
      .onConflict((conflict) => conflict.column('chain').doUpdateSet(end))
      .execute();
  }

  async #pruneEvents(olderThan: string, limit: number): Promise<number> {
    const oldest = await this.db.selectFrom('events').select(['seq', 'at']).orderBy('seq').limit(limit).execute();
    const rows = leading(oldest, olderThan);
    const last = rows.at(-1);
    if (last) await this.db.deleteFrom('events').where('seq', '<=', last.seq).execute();
    return rows.length;
  }

  async #pruneKeys(olderThan: string): Promise<number> {
    const { numDeletedRows } = await this.db.deleteFrom('idempotency_keys').where('created_at', '<', olderThan).executeTakeFirst();
    return Number(numDeletedRows);
  }

  async deleteOutbox(upTo: number): Promise<void> {
    await this.db.deleteFrom('outbox').where('id', '<=', upTo).execute();
  }

  /** A report of a router that is gone meanwhile leaves no row. */
  async saveReport(report: StoredReport): Promise<void> {
    await this.statements.saveReport.run(this.database, {
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
    await this.db
      .insertInto('agents')
      .values(row)
      .onConflict((conflict) => conflict.column('host').doUpdateSet(row))
      .execute();
  }

  async insertToken(token: Token): Promise<void> {
    await this.db
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
    await this.db.updateTable('tokens').set({ revoked_at: at }).where('id', '=', id).where('revoked_at', 'is', null).execute();
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

/** Rows up to the first that is kept: they are in the order in which they were written, and so nothing has to be indexed by time. */
function leading<R extends { at: string }>(rows: readonly R[], olderThan: string): readonly R[] {
  const end = rows.findIndex(({ at }) => at >= olderThan);
  return end < 0 ? rows : rows.slice(0, end);
}
