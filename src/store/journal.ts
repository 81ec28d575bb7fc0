import { type Kysely, type Selectable, sql } from 'kysely';
import type { AuditEntry, ChainHead } from '../contract/audit.ts';
import { entryHash, genesis } from '../contract/audit-chain.ts';
import type { NewEvent } from '../contract/event.ts';
import { BulkInsert } from './bulk-insert.ts';
import type { Database } from './database.ts';
import { Prepared } from './prepared.ts';
import type { AuditRow, EventRow, OutboxRow, Schema } from './schema.ts';

/** What a unit of work says beside what it changes: hints to send, who did it, what happened. */
export class JournalEntries {
  readonly outbox: Omit<OutboxRow, 'id' | 'server'>[] = [];
  readonly audit: AuditEntry[] = [];
  readonly events: NewEvent[] = [];

  add(other: JournalEntries): void {
    this.outbox.push(...other.outbox);
    this.audit.push(...other.audit);
    this.events.push(...other.events);
  }
}

/**
 * Writes the entries of a whole batch at its end, in few statements. Audit rows go on this server's chain. Events take their
 * numbers from a counter whose row stays locked until the commit: so numbers rise in the order of commits, without holes.
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
  /** As of the last commit; null when that is not known. */
  #tail: ChainHead | null = null;
  #next: ChainHead | null = null;

  constructor(chain: string) {
    this.#chain = chain;
  }

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

  onCommit(): void {
    this.#tail = this.#next ?? this.#tail;
    this.#next = null;
  }

  /** Whether a commit that failed was made is not known: the chain's end is read again. */
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
      router_id: routerId,
      request_id: requestId,
      data: JSON.stringify(data),
    }));
  }
}

/** The end of a chain: its last entry, or where retention cut it, or its beginning. */
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

/** Notes that there is such a chain, so that it is found before its server has signed it for the first time. */
export async function registerChain(db: Kysely<Schema>, chain: string): Promise<void> {
  await db
    .insertInto('audit_anchors')
    .values({ chain, ...genesis(chain) })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}
