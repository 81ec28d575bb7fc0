import { type Kysely, sql } from 'kysely';
import type { AuditEntry, SignedHead } from '../contract/audit.ts';
import type { NewEvent } from '../contract/event.ts';
import type { ConntrackHelper } from '../contract/helper.ts';
import type { HelperId, RouterId } from '../contract/primitives.ts';
import type { Router } from '../contract/router.ts';
import { PinholeError } from '../model/errors.ts';
import type { Database } from './database.ts';
import type { DialectName } from './dialect.ts';
import type { Agent, Heard, IdempotentAnswer, ProjectUsage, StoredReport, Token, Writes } from './interface.ts';
import { JournalEntries } from './journal.ts';
import { Queries } from './queries.ts';
import { LocksCross, type UnitLocks } from './router-locks.ts';
import { fromHead, fromHelper, fromRouter, toRouter } from './rows.ts';
import type { AgentRow, Schema } from './schema.ts';
import type { Statements } from './statements.ts';
import type { Gained, UnitUsage } from './usage-ledger.ts';

/** The number of an advisory lock of PostgreSQL: "pinh" in ASCII. Each database has advisory locks of its own. */
const MANIFEST_LOCK = 0x70_69_6e_68;

/** What a unit shares with the other units of its batch. */
export interface UnitParts {
  readonly usage: UnitUsage;
  readonly dialect: DialectName;
  readonly chain: string;
  /** Null if units run one after the other, so that none has to wait. */
  readonly locks: UnitLocks | null;
  readonly isUniqueViolation: (error: unknown) => boolean;
}

/** One unit of work within a transaction. {@link Writes} documents the methods. */
export class Changes extends Queries implements Writes {
  /** Entries that the batch writes at its end, if this unit succeeded. */
  readonly entries = new JournalEntries();
  readonly #parts: UnitParts;
  readonly #hinted = new Set<string>();
  #hasWritten = false;

  constructor(database: Database, statements: Statements, parts: UnitParts) {
    super(database, statements);
    this.#parts = parts;
  }

  /**
   * Whether a failure of this unit leaves changes in the transaction that have to be rolled back. Added usage does not count: the
   * ledger undoes it in memory.
   */
  get hasWritten(): boolean {
    return this.#hasWritten;
  }

  /** The unit's part of the usage ledger. */
  get usageOfUnit(): UnitUsage {
    return this.#parts.usage;
  }

  /** Ends the unit: other units of the batch may now lock its router. */
  end(): void {
    this.#parts.locks?.release();
  }

  async lockRouter(id: RouterId): Promise<Router | null> {
    await this.#parts.locks?.lock(id);
    const { rows } = await this.statements.lockRouter.run(this.database, { id });
    return rows[0] ? toRouter(rows[0]) : null;
  }

  async lockManifests(): Promise<void> {
    // The unit will lock many routers, so it cannot run beside others.
    if (this.#parts.locks) throw new LocksCross();
    if (this.#parts.dialect === 'postgres') await sql`select pg_advisory_xact_lock(${MANIFEST_LOCK})`.execute(this.db);
  }

  async insertRouter(router: Router): Promise<void> {
    await this.#guardNetns(router, () => this.#writing().insertInto('routers').values(fromRouter(router)).execute());
  }

  async updateRouter(router: Router): Promise<void> {
    await this.#guardNetns(router, () =>
      this.#writing().updateTable('routers').set(fromRouter(router)).where('id', '=', router.id).execute(),
    );
  }

  async deleteRouter(id: RouterId): Promise<void> {
    await this.#writing().deleteFrom('routers').where('id', '=', id).execute();
  }

  async bumpRevision(id: RouterId, at: string): Promise<number> {
    this.#hasWritten = true;
    const { rows } = await this.statements.bumpRevision.run(this.database, { id, at });
    return rows[0]?.revision ?? 0;
  }

  async insertHelper(helper: ConntrackHelper, at: string): Promise<boolean> {
    const { changed } = await this.statements.insertHelper.run(this.database, { ...fromHelper(helper), created_at: at });
    if (changed === 1) this.#hasWritten = true;
    return changed === 1;
  }

  /**
   * Looks for the key first, because a failing statement would spoil the transaction in PostgreSQL. The caller holds the router's
   * lock, so that no other unit can insert the key in between.
   */
  async updateHelper(helper: ConntrackHelper): Promise<boolean> {
    const { id, router_id, protocol, port, helper: name, scope, ...rest } = fromHelper(helper);
    const key = { router_id, protocol, port, helper: name, scope };
    const taken = await this.db
      .selectFrom('conntrack_helpers')
      .select('id')
      .where((e) => e.and(key))
      .where('id', '!=', id)
      .executeTakeFirst();
    if (taken) return false;
    await this.#writing()
      .updateTable('conntrack_helpers')
      .set({ ...key, ...rest })
      .where('id', '=', id)
      .execute();
    return true;
  }

  async deleteHelper(id: HelperId): Promise<void> {
    await this.#writing().deleteFrom('conntrack_helpers').where('id', '=', id).execute();
  }

  countUsage(projectId: string, gained: Gained): Promise<ProjectUsage> {
    // Other units may use what this unit gives back before it ends, so its failure cannot be undone in memory.
    if ((gained.routers ?? 0) < 0 || (gained.helpers ?? 0) < 0) this.#hasWritten = true;
    return this.#parts.usage.count(this.database, projectId, gained);
  }

  override usage(projectId: string): Promise<ProjectUsage> {
    return this.#parts.usage.count(this.database, projectId, {});
  }

  async setLimits(projectId: string, limits: Pick<ProjectUsage, 'routerLimit' | 'helperLimit'>): Promise<void> {
    await this.#parts.usage.setLimits(this.database, projectId, limits);
    await this.#writing()
      .updateTable('projects')
      .set({ router_limit: limits.routerLimit, helper_limit: limits.helperLimit })
      .where('project_id', '=', projectId)
      .execute();
  }

  /** A hint names a router and carries nothing else, so that one is enough for all changes of the unit. */
  appendOutbox(host: string, routerId: RouterId, at: string): void {
    const key = `${routerId} ${host}`;
    if (this.#hinted.has(key)) return;
    this.#hinted.add(key);
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
    await this.#writing()
      .insertInto('audit_heads')
      .values(row)
      .onConflict((conflict) => conflict.column('chain').doUpdateSet(row))
      .execute();
  }

  async saveIdempotentAnswer({ actor, key, digest, answer }: IdempotentAnswer, at: string): Promise<void> {
    await this.#writing()
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

  /** Deletes from the old end of each chain. The rest is still a chain: the anchor records where it begins. */
  async #pruneAudit(olderThan: string, limit: number): Promise<number> {
    const oldest = await this.db.selectFrom('audit').select(['id', 'at', 'chain', 'seq', 'hash']).orderBy('id').limit(limit).execute();
    const rows = leading(oldest, olderThan);
    const ends = new Map(rows.map((row) => [row.chain, row]));
    for (const { chain, seq, hash } of ends.values())
      if (chain !== null && seq !== null && hash !== null) await this.#anchor({ chain, seq, hash });
    const last = rows.at(-1);
    if (last) await this.#writing().deleteFrom('audit').where('id', '<=', last.id).execute();
    return rows.length;
  }

  async #anchor(end: { chain: string; seq: number; hash: string }): Promise<void> {
    await this.#writing()
      .insertInto('audit_anchors')
      .values(end)
      .onConflict((conflict) => conflict.column('chain').doUpdateSet(end))
      .execute();
  }

  async #pruneEvents(olderThan: string, limit: number): Promise<number> {
    const oldest = await this.db.selectFrom('events').select(['seq', 'at']).orderBy('seq').limit(limit).execute();
    const rows = leading(oldest, olderThan);
    const last = rows.at(-1);
    if (last) await this.#writing().deleteFrom('events').where('seq', '<=', last.seq).execute();
    return rows.length;
  }

  async #pruneKeys(olderThan: string): Promise<number> {
    const { numDeletedRows } = await this.#writing().deleteFrom('idempotency_keys').where('created_at', '<', olderThan).executeTakeFirst();
    return Number(numDeletedRows);
  }

  async deleteOutbox(upTo: number): Promise<void> {
    await this.#writing().deleteFrom('outbox').where('server', '=', this.#parts.chain).where('id', '<=', upTo).execute();
  }

  async adoptOutbox({ before, at, limit }: { before: string; at: string; limit: number }): Promise<number> {
    const forsaken = this.#writing()
      .selectFrom('outbox')
      .selectAll()
      .where('server', '!=', this.#parts.chain)
      .where('created_at', '<', before);
    const page = forsaken.orderBy('id').limit(limit);
    const rows = await (this.#parts.dialect === 'postgres' ? page.forUpdate().skipLocked() : page).execute();
    const ids = rows.map(({ id }) => id);
    if (ids.length > 0) await this.#writing().deleteFrom('outbox').where('id', 'in', ids).execute();
    for (const { host, router_id } of rows) this.appendOutbox(host, router_id as RouterId, at);
    return rows.length;
  }

  /** The statement inserts nothing for a router that has been deleted meanwhile. */
  async saveReport(report: StoredReport): Promise<void> {
    this.#hasWritten = true;
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

  async saveAgent(agent: Heard): Promise<void> {
    const row: Omit<AgentRow, 'silent_since'> = {
      host: agent.host,
      started_at: agent.startedAt,
      seen_at: agent.seenAt,
      interval: agent.interval,
      state: JSON.stringify(agent.state),
      verified_at: agent.verifiedAt,
      bound_seconds: agent.boundSeconds,
      kernel: agent.kernel && JSON.stringify(agent.kernel),
    };
    await this.#writing()
      .insertInto('agents')
      .values({ ...row, silent_since: null })
      .onConflict((conflict) => conflict.column('host').doUpdateSet(row))
      .execute();
  }

  async markSilent({ host, seenAt }: Pick<Agent, 'host' | 'seenAt'>): Promise<boolean> {
    const changed = await this.#writing()
      .updateTable('agents')
      .set({ silent_since: seenAt })
      .where('host', '=', host)
      .where('seen_at', '=', seenAt)
      .where('silent_since', 'is', null)
      .executeTakeFirst();
    return changed.numUpdatedRows > 0n;
  }

  async markHeard(host: string): Promise<boolean> {
    const changed = await this.#writing()
      .updateTable('agents')
      .set({ silent_since: null })
      .where('host', '=', host)
      .where('silent_since', 'is not', null)
      .executeTakeFirst();
    return changed.numUpdatedRows > 0n;
  }

  async forgetAgent(host: string): Promise<void> {
    await this.#writing().deleteFrom('agents').where('host', '=', host).execute();
  }

  async insertToken(token: Token): Promise<void> {
    await this.#writing()
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
    await this.#writing().updateTable('tokens').set({ revoked_at: at }).where('id', '=', id).where('revoked_at', 'is', null).execute();
  }

  #writing(): Kysely<Schema> {
    this.#hasWritten = true;
    return this.db;
  }

  /** Runs an insert or update of a router. @throws PinholeError `netns-in-use` if its host and namespace are another router's */
  async #guardNetns(router: Router, run: () => Promise<unknown>): Promise<void> {
    try {
      await run();
    } catch (error) {
      if (!this.#parts.isUniqueViolation(error)) throw error;
      const { host, netns } = router;
      throw new PinholeError('netns-in-use', `Another router already has network namespace ${netns} on host ${host}.`, {
        details: { field: 'netns', values: { host, netns } },
      });
    }
  }
}

/**
 * Returns the rows before the first one that is kept. Rows are in the order in which they were written, so that no index by time
 * is needed.
 */
function leading<R extends { at: string }>(rows: readonly R[], olderThan: string): readonly R[] {
  const end = rows.findIndex(({ at }) => at >= olderThan);
  return end < 0 ? rows : rows.slice(0, end);
}
