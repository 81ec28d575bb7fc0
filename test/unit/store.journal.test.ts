import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AuditEntry, ChainHead } from '../../src/contract/audit.ts';
import { entryHash, genesis } from '../../src/contract/audit-chain.ts';
import { ChainCheck } from '../../src/contract/audit-check.ts';
import type { NewEvent } from '../../src/contract/event.ts';
import { chainTail, Journal, JournalEntries, registerChain } from '../../src/store/journal.ts';
import { toAudit } from '../../src/store/rows.ts';
import type { AuditRow } from '../../src/store/schema.ts';
import { runs } from '../support/runs.ts';
import { type Asked, ScriptedDatabase } from '../support/scripted-database.ts';

type Row = Record<string, unknown>;

/** Tables as one server sees them: what it inserted is undone by a rollback. */
class Tables {
  readonly database = new ScriptedDatabase((asked) => this.#answer(asked));
  readonly inserted: Record<string, Row[]> = { audit: [], events: [], outbox: [], audit_anchors: [] };
  counter = 0;
  anchor: ChainHead | null = null;
  #saved = { lengths: {} as Record<string, number>, counter: 0 };

  begin(): void {
    this.#saved = {
      lengths: Object.fromEntries(Object.entries(this.inserted).map(([table, rows]) => [table, rows.length])),
      counter: this.counter,
    };
  }

  rollback(): void {
    for (const [table, rows] of Object.entries(this.inserted)) rows.length = this.#saved.lengths[table] ?? 0;
    this.counter = this.#saved.counter;
  }

  #answer({ sql, parameters }: Asked): Row[] {
    const insert = /^insert into "(\w+)" \(([^)]*)\)/.exec(sql);
    if (insert?.[1] !== undefined) {
      const columns = [...(insert[2] ?? '').matchAll(/"(\w+)"/g)].map(([, name]) => name ?? '');
      for (let at = 0; at < parameters.length; at += columns.length) {
        this.inserted[insert[1]]?.push(Object.fromEntries(columns.map((column, index) => [column, parameters[at + index]])));
      }
      return [];
    }
    if (sql.startsWith('update "counters"')) {
      this.counter += Number(parameters[0]);
      return [{ value: this.counter }];
    }
    if (sql.includes('from "audit_anchors"')) return this.anchor ? [{ ...this.anchor }] : [];
    const last = this.inserted['audit']?.at(-1);
    return last ? [{ seq: last['seq'], hash: last['hash'] }] : [];
  }
}

const text = fc.string({ maxLength: 4 });
const audit: fc.Arbitrary<AuditEntry> = fc.record({
  at: text,
  requestId: text,
  actor: text,
  action: text,
  target: text,
  projectId: text,
  before: fc.option(fc.record({ name: text, value: fc.integer() })),
  after: fc.option(fc.record({ name: text, value: fc.integer() })),
});
const event: fc.Arbitrary<NewEvent> = fc.record({
  at: text,
  kind: fc.constantFrom('change' as const, 'status' as const, 'drift' as const),
  projectId: text,
  routerId: text,
  requestId: text,
  data: fc.record({ value: fc.integer() }),
});
/** Batches, and whether each is committed. */
const history = fc.array(
  fc.record({ audit: fc.array(audit, { maxLength: 2 }), events: fc.array(event, { maxLength: 2 }), isCommitted: fc.boolean() }),
  { maxLength: 3 },
);

function entriesOf(batch: { audit: readonly AuditEntry[]; events: readonly NewEvent[] }): JournalEntries {
  const entries = new JournalEntries();
  entries.audit.push(...batch.audit);
  entries.events.push(...batch.events);
  return entries;
}

async function play(journal: Journal, tables: Tables, batches: readonly (Parameters<typeof entriesOf>[0] & { isCommitted: boolean })[]) {
  for (const batch of batches) {
    tables.begin();
    await journal.write(tables.database, entriesOf(batch));
    if (batch.isCommitted) journal.onCommit();
    else {
      tables.rollback();
      journal.onFailure();
    }
  }
}

describe('law: what is committed is one chain, and one sequence of events', () => {
  // One for all values: what it prepares is the same, and after a failure it knows nothing of the chain.
  const journal = new Journal('s1');

  it('has every committed entry, in order and bound to the one before, and events from 1 without holes, whatever failed in between', async () => {
    await fc.assert(
      fc.asyncProperty(history, async (batches) => {
        journal.onFailure();
        const tables = new Tables();
        await play(journal, tables, batches);
        const committed = batches.filter(({ isCommitted }) => isCommitted);

        const rows = (tables.inserted['audit'] ?? []).map((row) => toAudit({ id: 0, ...row } as never as AuditRow & { id: number }));
        expect(rows.map(({ actor, before, after }) => ({ actor, before, after }))).toEqual(
          committed
            .flatMap((batch) => batch.audit)
            .map(({ actor, before, after }) => ({
              actor,
              before: before && JSON.stringify(before),
              after: after && JSON.stringify(after),
            })),
        );
        const { seq, hash } = rows.at(-1) ?? genesis('s1');
        const check = new ChainCheck({ chain: 's1', anchor: genesis('s1'), tail: { seq, hash }, signed: null });
        for (const row of rows) check.add(row);
        expect(check.finish()).toEqual([]);

        const events = committed.flatMap((batch) => batch.events);
        expect(tables.inserted['events']?.map(({ seq: number, data }) => [number, data])).toEqual(
          events.map(({ data }, index) => [index + 1, JSON.stringify(data)]),
        );
      }),
      runs(),
    );
  });
});

const ENTRY: AuditEntry = {
  at: '2026-01-01T00:00:00Z',
  requestId: 'req-1',
  actor: 'a',
  action: 'router.create',
  target: 't',
  projectId: 'p',
  before: null,
  after: { name: 'r' },
};

describe('Journal', () => {
  it('reads the end of its chain once, and again after a failure', async () => {
    const tables = new Tables();
    const journal = new Journal('s1');
    const batch = (isCommitted: boolean) => ({ audit: [ENTRY], events: [], isCommitted });
    const reads = () => tables.database.of('select').length;
    await play(journal, tables, [batch(true)]);
    const first = reads();
    await play(journal, tables, [batch(true), batch(true)]);
    expect(reads()).toBe(first);
    await play(journal, tables, [batch(false), batch(true)]);
    expect(reads()).toBe(first + 1);
    expect(tables.inserted['audit']?.map(({ seq }) => seq)).toEqual([1, 2, 3, 4]);
  });

  it('goes on from where retention cut the chain', async () => {
    const tables = new Tables();
    tables.anchor = { seq: 41, hash: 'f'.repeat(64) };
    await play(new Journal('s1'), tables, [{ audit: [ENTRY], events: [], isCommitted: true }]);
    const { before, after, ...rest } = ENTRY;
    expect(tables.inserted['audit']?.[0]).toMatchObject({
      chain: 's1',
      seq: 42,
      hash: entryHash(tables.anchor, { ...rest, before: null, after: JSON.stringify(after) }),
    });
    expect(before).toBeNull();
  });

  it('writes hints as its own server’s, and nothing at all for an empty batch', async () => {
    const tables = new Tables();
    const journal = new Journal('s1');
    await journal.write(tables.database, new JournalEntries());
    expect(tables.database.asked).toEqual([]);
    const entries = new JournalEntries();
    entries.outbox.push({ host: 'h', router_id: 'r', created_at: 'now' });
    const all = new JournalEntries();
    all.add(entries);
    await journal.write(tables.database, all);
    expect(tables.inserted['outbox']).toEqual([{ server: 's1', host: 'h', router_id: 'r', created_at: 'now' }]);
  });

  it('writes a hundred rows in the order in which they were said', async () => {
    const tables = new Tables();
    const entries = Array.from({ length: 100 }, (_, index) => ({ ...ENTRY, target: String(index) }));
    await play(new Journal('s1'), tables, [{ audit: entries, events: [], isCommitted: true }]);
    expect(tables.inserted['audit']?.map(({ target }) => target)).toEqual(entries.map(({ target }) => target));
    // 64 + 16 + 16 + 4: statements of few sizes, each prepared once.
    expect(tables.database.of('insert into "audit"').length).toBe(4);
  });

  it('begins two servers’ chains differently, and notes that there is one', async () => {
    const tables = new Tables();
    expect(await chainTail(tables.database.db, 's1')).toEqual(genesis('s1'));
    expect(genesis('s1').hash).not.toBe(genesis('s2').hash);
    await registerChain(tables.database.db, 's1');
    expect(tables.inserted['audit_anchors']).toEqual([{ chain: 's1', ...genesis('s1') }]);
  });
});
