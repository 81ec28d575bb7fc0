import { type Kysely, type Selectable, sql } from 'kysely';
import type { AuditEntry, ChainHead } from '../contract/audit.ts';
import { entryHash, genesis } from '../contract/audit-chain.ts';
import type { NewEvent } from '../contract/event.ts';
import { BulkInsert } from './bulk-insert.ts';
import type { Database } from './database.ts';
import { Prepared } from './prepared.ts';
import type { AuditRow, EventRow, OutboxRow, Schema } from './schema.ts';

/** What units of work record beside their changes: hints to send, audit entries and events. */
export class JournalEntries {
  readonly outbox: Omit<OutboxRow, 'id' | 'server'>[] = [];
  readonly audit: AuditEntry[] = [];
  readonly events: NewEvent[] = [];

  /** Appends the entries of another unit. */
  add(other: JournalEntries): void {
    for (const row of other.outbox) this.outbox.push(row);
    for (const entry of other.audit) this.audit.push(entry);
    for (const event of other.events) this.events.push(event);
  }
}

/**
 * Writes the entries of a whole batch at its end, in few statements. Audit entries go on this server's chain. Events take their
 * numbers from a counter whose row stays locked until the commit, so that numbers rise in the order of commits and have no gaps.
 */
export class Journal {
  readonly #chain: string;
  readonly #outbox = new BulkInsert<Omit<OutboxRow, 'id'>>('outbox', ['server', 'host', 'router_id', 'created_at']);
  readonly #audit = new BulkInsert<Omit<Selectable<AuditRow>, 'id'>>('audit', [
    'chain',
    'seq',
    'hash',
    'at',
    'request_id',
    'actor',
    'action',
    'target',
    'project_id',
    'before',
    'after',
  ]);
  readonly #events = new BulkInsert<EventRow>('events', ['seq', 'at', 'kind', 'project_id', 'router_id', 'request_id', 'data']);
  readonly #countEvents = new Prepared<{ added: number }, { value: number }>((db, p) =>
    db
      .updateTable('counters')
      .set((e) => ({ value: e('value', '+', p('added')) }))
      .where('name', '=', 'events')
      .returning('value'),
  );
  /** The chain's end after the last commit; null if it has to be read from the database. */
  #tail: ChainHead | null = null;
  /** The chain's end after the commit that is under way. */
  #next: ChainHead | null = null;

  constructor(chain: string) {
    this.#chain = chain;
  }

  /**
   * Writes the entries of a batch. Followed by exactly one call of {@link onCommit} or {@link onFailure}. @throws the database's
   * error
   */
  async write(db: Database, entries: JournalEntries): Promise<void> {
    await Promise.all([
      this.#outbox.run(
        db,
        entries.outbox.map((row) => ({ server: this.#chain, ...row })),
      ),
      this.#writeAudit(db, entries.audit),
      this.#writeEvents(db, entries.events),
    ]);
  }

  /** The commit succeeded: the next batch continues from the end that was written. */
  onCommit(): void {
    this.#tail = this.#next ?? this.#tail;
    this.#next = null;
  }

  /** The batch failed. The commit may have been made all the same, so that the next batch reads the chain's end from the database. */
  onFailure(): void {
    this.#tail = null;
    this.#next = null;
  }

  async #writeAudit(db: Database, entries: readonly AuditEntry[]): Promise<void> {
    if (entries.length > 0) await this.#audit.run(db, await this.#chained(db, entries));
  }

  async #writeEvents(db: Database, events: readonly NewEvent[]): Promise<void> {
    if (events.length > 0) await this.#events.run(db, await this.#numbered(db, events));
  }

  async #chained({ db }: Database, entries: readonly AuditEntry[]): Promise<Omit<Selectable<AuditRow>, 'id'>[]> {
    let head = this.#tail ?? (await chainTail(db, this.#chain));
    const rows = entries.map(({ before, after, ...entry }) => {
      const texts = { before: before && JSON.stringify(before), after: after && JSON.stringify(after) };
      head = { seq: head.seq + 1, hash: entryHash(head, { ...entry, ...texts }) };
      const { requestId, projectId, ...same } = entry;
      return { chain: this.#chain, ...head, ...same, ...texts, request_id: requestId, project_id: projectId };
    });
    this.#next = head;
    return rows;
  }

  async #numbered(db: Database, events: readonly NewEvent[]): Promise<EventRow[]> {
    const { rows } = await this.#countEvents.run(db, { added: events.length });
    const first = Number(rows[0]?.value) - events.length + 1;
    return events.map(({ at, kind, projectId, routerId, requestId, data }, index) => ({
      seq: first + index,
      at,
      kind,
      project_id: projectId,
      router_id: routerId ?? '',
      request_id: requestId,
      data: JSON.stringify(data),
    }));
  }
}

/** Returns the end of a chain: its last entry, else its anchor (where retention cut it), else its genesis. */
export async function chainTail(db: Kysely<Schema>, chain: string): Promise<ChainHead> {
  const last = await db
    .selectFrom('audit')
    .select(['seq', 'hash'])
    .where('chain', '=', chain)
    .orderBy(sql.ref('seq'), 'desc')
    .limit(1)
    .executeTakeFirst();
  if (last) return last as ChainHead;
  const anchor = await db.selectFrom('audit_anchors').select(['seq', 'hash']).where('chain', '=', chain).executeTakeFirst();
  return anchor ?? genesis(chain);
}

/** Records that the chain exists, so that {@link Reads.auditChains} lists it before its server signs it for the first time. */
export async function registerChain(db: Kysely<Schema>, chain: string): Promise<void> {
  await db
    .insertInto('audit_anchors')
    .values({ chain, ...genesis(chain) })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}
