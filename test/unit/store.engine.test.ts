import { describe, expect, it } from 'vitest';
import type { RouterId } from '../../src/contract/primitives.ts';
import { PinholeError } from '../../src/model/errors.ts';
import { Engine, type Writer } from '../../src/store/engine.ts';
import type { Writes } from '../../src/store/interface.ts';
import { testPorts } from '../support/ports.ts';
import { ScriptedDatabase } from '../support/scripted-database.ts';

class DatabaseGone extends Error {}
class Mistake extends Error {}
class OutcomeUnknown extends Error {}

/** A writer whose transactions are a log of what it was asked, statements among it. */
function scripted(options: { runsTogether?: boolean; commit?: () => void } = {}) {
  const log: string[] = [];
  const database = new ScriptedDatabase(({ sql, parameters }) => {
    log.push(sql.split(' ').slice(0, 3).join(' '));
    if (sql.startsWith('update "counters"')) return [{ value: parameters[0] }];
    if (sql.startsWith('insert into "projects"'))
      return [{ project_id: parameters[0], routers: 1, helpers: 0, router_limit: null, helper_limit: null }];
    return [];
  });
  const step = (name: string) => async () => void log.push(name);
  const writer: Writer = {
    dialect: 'sqlite',
    runsTogether: options.runsTogether ?? false,
    begin: async () => {
      log.push('begin');
      return database;
    },
    savepoint: step('savepoint'),
    rollbackToSavepoint: step('rollback to savepoint'),
    waitLonger: step('wait longer'),
    beforeCommit: async (hasEvents) => void log.push(hasEvents ? 'notify' : 'no events'),
    commit: async () => {
      log.push('commit');
      options.commit?.();
    },
    rollback: step('rollback'),
    isUniqueViolation: () => false,
    isFatal: (error) => error instanceof DatabaseGone,
    isContention: () => false,
    isOutcomeUnknown: (error) => error instanceof OutcomeUnknown,
    spoils: (error) => error instanceof DatabaseGone || error instanceof Mistake,
    isDatabaseError: (error) => error instanceof DatabaseGone,
  };
  let told = 0;
  const engine = new Engine({ ...testPorts(), writer, chain: 's1', onLocalEvents: () => told++ });
  return { engine, log, told: () => told };
}

const EVENT = { at: 'now', kind: 'change', projectId: 'p', routerId: 'r', requestId: '', data: {} } as const;
const AUDIT = { at: 'now', requestId: '', actor: 'a', action: 'x', target: 't', projectId: 'p', before: null, after: null };

async function everything(tx: Writes): Promise<string> {
  await tx.countUsage('p', { routers: 1 });
  tx.appendOutbox('h', 'r' as RouterId, 'now');
  tx.appendAudit(AUDIT);
  tx.appendEvent(EVENT);
  return 'done';
}

describe('Engine', () => {
  it('writes counts, then hints, audit and events, then commits and tells of the events', async () => {
    const { engine, log, told } = scripted();
    expect(await engine.write(everything)).toBe('done');
    await engine.idle();
    expect(told()).toBe(1);
    expect(log[0]).toBe('begin');
    const at = (entry: string) => log.indexOf(entry);
    expect(at('insert into "outbox"')).toBeGreaterThan(log.lastIndexOf('insert into "projects"'));
    // Other servers wait for the counter of events from then to the commit.
    expect(at('update "counters" set')).toBeGreaterThan(at('wait longer'));
    expect(log.slice(-2)).toEqual(['notify', 'commit']);
  });

  it('runs units side by side under locks, and lets the router go with each', async () => {
    const { engine, log } = scripted({ runsTogether: true });
    const lock = async (tx: Writes) => tx.lockRouter('r' as RouterId);
    expect(await Promise.all([engine.write(lock), engine.write(lock)])).toEqual([null, null]);
    expect(log.filter((entry) => entry.startsWith('select'))).toHaveLength(2);
    expect(log).not.toContain('savepoint');
  });

  it('leaves nothing of a unit that failed: neither its count nor its entries', async () => {
    const { engine, log, told } = scripted();
    const failure = engine.write(async (tx) => {
      await everything(tx);
      throw new PinholeError('denied', 'no');
    });
    await expect(failure).rejects.toMatchObject({ code: 'denied' });
    expect(told()).toBe(0);
    expect(log).toContain('rollback to savepoint');
    expect(log.filter((entry) => /"(outbox|audit|events|counters)"/.test(entry))).toEqual([]);
    expect(log.filter((entry) => entry === 'insert into "projects"')).toHaveLength(1);
    expect(log.slice(-2).toSorted()).toEqual(['commit', 'no events']);
  });

  it('runs a unit that failed beside others again in turn', async () => {
    const { engine } = scripted({ runsTogether: true });
    const refuse = () => Promise.reject(new PinholeError('denied', 'no'));
    const [kept, refused] = await Promise.allSettled([engine.write(everything), engine.write(refuse)]);
    expect(kept).toEqual({ status: 'fulfilled', value: 'done' });
    expect(refused).toMatchObject({ status: 'rejected', reason: { code: 'denied' } });
  });

  it.each([
    { what: 'the database being gone', error: new DatabaseGone('gone'), wanted: { code: 'store-unavailable' } },
    { what: 'a mistake of ours', error: new Mistake('syntax'), wanted: { message: 'syntax' } },
    {
      what: 'a commit whose outcome is not known',
      error: new OutcomeUnknown('reset'),
      wanted: { code: 'store-unavailable', message: expect.stringContaining('It is unknown whether') },
    },
  ])('says what a caller can know of $what', async ({ error, wanted }) => {
    const { engine, log, told } = scripted({
      commit: () => {
        throw error;
      },
    });
    await expect(engine.write(everything)).rejects.toMatchObject(wanted);
    expect(log.at(-1)).toBe('rollback');
    expect(told()).toBe(0);
  });
});
