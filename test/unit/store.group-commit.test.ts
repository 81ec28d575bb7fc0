import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CommitDriver, GroupCommit } from '../../src/store/group-commit.ts';
import { testPorts } from '../support/ports.ts';
import { runs } from '../support/runs.ts';

class Fatal extends Error {}
class Contention extends Error {}
/** The database refused a statement: it has the transaction, but that is spoilt. */
class Spoilt extends Error {}

interface Unit {
  readonly writes: string[];
  hasWritten: boolean;
}

/** A transaction in memory that fails as its script says, and refuses what no driver may be asked. */
class ScriptedDriver implements CommitDriver<Unit> {
  readonly committed: string[] = [];
  readonly log: string[] = [];
  /** Called before each commit; throws where that is to fail. */
  onCommit: () => void = () => undefined;
  onBegin: () => void = () => undefined;
  onUndo: () => void = () => undefined;
  readonly runsTogether: boolean;
  #open: string[] | null = null;
  #beside = new Set<Unit>();

  constructor(runsTogether: boolean) {
    this.runsTogether = runsTogether;
  }

  get isOpen(): boolean {
    return this.#open !== null;
  }

  async begin(alone: boolean): Promise<void> {
    await Promise.resolve();
    if (this.#open) throw new Error('begun twice');
    this.onBegin();
    this.log.push(alone ? 'begin alone' : 'begin');
    this.#open = [];
    this.#beside = new Set();
  }

  async startUnit(): Promise<Unit> {
    await Promise.resolve();
    return this.#unit();
  }

  startBeside(): Unit {
    const unit = this.#unit();
    this.#beside.add(unit);
    return unit;
  }

  async undoUnit(unit: Unit): Promise<void> {
    await Promise.resolve();
    this.onUndo();
    unit.writes.length = 0;
    this.log.push('undo');
  }

  async dropUnit(unit: Unit): Promise<void> {
    this.#beside.delete(unit);
  }

  hasWritten(unit: Unit): boolean {
    return unit.hasWritten;
  }

  keepUnit(unit: Unit): void {
    this.#beside.delete(unit);
    this.#transaction().push(...unit.writes);
  }

  async commit(): Promise<void> {
    await Promise.resolve();
    if (this.#beside.size > 0) throw new Error('a unit was still under way at the commit');
    const written = this.#transaction();
    this.onCommit();
    this.committed.push(...written);
    this.log.push(`commit ${written.join(' ')}`.trimEnd());
    this.#open = null;
  }

  async rollback(): Promise<void> {
    this.#transaction();
    this.log.push('rollback');
    this.#open = null;
  }

  isFatal = (error: unknown): boolean => error instanceof Fatal;
  isContention = (error: unknown): boolean => error instanceof Contention;
  spoils = (error: unknown): boolean => !(error instanceof Refused);

  #unit(): Unit {
    this.#transaction();
    return { writes: [], hasWritten: false };
  }

  #transaction(): string[] {
    if (!this.#open) throw new Error('outside of a transaction');
    return this.#open;
  }
}

/** What a use case throws of its own: the database knows nothing of it. */
class Refused extends Error {}

function write(unit: Unit, what: string): void {
  unit.writes.push(what);
  unit.hasWritten = true;
}

type Kind = 'ok' | 'refused at once' | 'refused after it wrote' | 'a statement failed' | 'fatal';

/** A unit of work by what it does. */
function work(name: string, kind: Kind): (unit: Unit) => Promise<string> {
  return async (unit) => {
    await Promise.resolve();
    if (kind === 'refused at once') throw new Refused(name);
    if (kind === 'fatal') throw new Fatal(name);
    write(unit, name);
    await Promise.resolve();
    if (kind === 'refused after it wrote') throw new Refused(name);
    if (kind === 'a statement failed') throw new Spoilt(name);
    return name;
  };
}

describe.each([
  { mode: 'in turn', together: false },
  { mode: 'side by side', together: true },
])('law of units $mode: answered yes is committed once, answered no is not there', ({ together }) => {
  const kind = fc.constantFrom<Kind>('ok', 'ok', 'ok', 'refused at once', 'refused after it wrote', 'a statement failed', 'fatal');

  it('holds whatever units and commits fail, and no unit is answered before the commit', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(kind, { maxLength: 8 }), fc.array(fc.boolean(), { maxLength: 3 }), async (kinds, failing) => {
        const driver = new ScriptedDriver(together);
        const fails = [...failing];
        driver.onCommit = () => {
          if (fails.shift()) throw new Fatal('disk full');
        };
        const group = new GroupCommit(driver, testPorts());
        const answered: string[] = [];
        const outcomes = await Promise.allSettled(
          kinds.map(async (one, index) => {
            const name = String(index);
            await group.run(work(name, one));
            expect(driver.committed).toContain(name);
            answered.push(name);
          }),
        );
        await group.idle();
        expect(driver.isOpen).toBe(false);
        expect(driver.committed.toSorted()).toEqual(answered.toSorted());
        const names = kinds.map((_, index) => String(index));
        expect(names.filter((_, index) => outcomes[index]?.status === 'fulfilled')).toEqual(answered.toSorted());
        for (const [index, outcome] of outcomes.entries())
          if (kinds[index] !== 'ok') expect(outcome).toMatchObject({ status: 'rejected', reason: expect.any(Error) });
        // A commit that works keeps every unit that works, where no fatal error ended the batch.
        if (!kinds.includes('fatal') && !failing.includes(true))
          expect(answered).toEqual(names.filter((_, index) => kinds[index] === 'ok'));
      }),
      runs(),
    );
  });
});

describe('GroupCommit', () => {
  it('commits once for all that came in one turn, and answers in their order', async () => {
    const driver = new ScriptedDriver(false);
    const group = new GroupCommit(driver, testPorts());
    const answers: string[] = [];
    await Promise.all(['a', 'b', 'c'].map(async (name) => answers.push(await group.run(work(name, 'ok')))));
    expect(driver.log).toEqual(['begin', 'commit a b c']);
    expect(answers).toEqual(['a', 'b', 'c']);
  });

  it('undoes one that throws after it wrote, alone', async () => {
    const driver = new ScriptedDriver(false);
    const group = new GroupCommit(driver, testPorts());
    const outcomes = await Promise.allSettled([
      group.run(work('a', 'ok')),
      group.run(work('b', 'refused after it wrote')),
      group.run(work('c', 'ok')),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(driver.log).toEqual(['begin', 'undo', 'commit a c']);
  });

  it('runs a unit again in turn that failed before it wrote beside others: what is under way may have misled it', async () => {
    const driver = new ScriptedDriver(true);
    const group = new GroupCommit(driver, testPorts());
    let attempts = 0;
    const outcomes = await Promise.all([
      group.run(work('a', 'ok')),
      group.run(async (unit) => {
        if (++attempts === 1) throw new Refused('misled');
        write(unit, 'b');
        return 'b';
      }),
    ]);
    expect(outcomes).toEqual(['a', 'b']);
    expect(driver.log).toEqual(['begin', 'commit a', 'begin', 'commit b']);
  });

  it('does the whole batch again in turn when one beside others failed after it wrote', async () => {
    const driver = new ScriptedDriver(true);
    const group = new GroupCommit(driver, testPorts());
    const outcomes = await Promise.allSettled([group.run(work('a', 'ok')), group.run(work('b', 'a statement failed'))]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    expect(driver.log).toEqual(['begin', 'rollback', 'begin', 'undo', 'commit a']);
  });

  it('takes no more than 256 into one transaction; the others wait for the next', async () => {
    const driver = new ScriptedDriver(false);
    const group = new GroupCommit(driver, testPorts());
    const names = Array.from({ length: 600 }, (_, index) => String(index));
    expect(await Promise.all(names.map((name) => group.run(work(name, 'ok'))))).toEqual(names);
    expect(driver.log.filter((entry) => entry.startsWith('commit')).map((entry) => entry.split(' ').length - 1)).toEqual([256, 256, 88]);
    expect(driver.committed).toEqual(names);
  });

  it('takes what arrives during a commit into the next one', async () => {
    const driver = new ScriptedDriver(false);
    const group = new GroupCommit(driver, testPorts());
    let late: Promise<string> | null = null;
    driver.onCommit = () => {
      late ??= group.run(work('b', 'ok'));
    };
    await group.run(work('a', 'ok'));
    expect(await late).toBe('b');
    expect(driver.log).toEqual(['begin', 'commit a', 'begin', 'commit b']);
  });

  it('is idle only after everything that waits is answered', async () => {
    const driver = new ScriptedDriver(false);
    const group = new GroupCommit(driver, testPorts());
    await group.idle();
    const order: string[] = [];
    const written = group.run(work('a', 'ok')).then(() => order.push('answered'));
    await group.idle();
    order.push('idle');
    await written;
    expect(order).toEqual(['answered', 'idle']);
  });

  it.each([
    {
      what: 'a transaction that cannot begin',
      together: false,
      spoil: (driver: ScriptedDriver, fail: () => void) => Object.assign(driver, { onBegin: fail }),
    },
    {
      what: 'one that cannot begin side by side',
      together: true,
      spoil: (driver: ScriptedDriver, fail: () => void) => Object.assign(driver, { onBegin: fail }),
    },
    {
      what: 'a commit that fails',
      together: false,
      spoil: (driver: ScriptedDriver, fail: () => void) => Object.assign(driver, { onCommit: fail }),
    },
    {
      what: 'a commit that fails side by side',
      together: true,
      spoil: (driver: ScriptedDriver, fail: () => void) => Object.assign(driver, { onCommit: fail }),
    },
  ])('answers all of a batch with the error of $what, and serves the next', async ({ together, spoil }) => {
    const driver = new ScriptedDriver(together);
    const group = new GroupCommit(driver, testPorts());
    let failures = 1;
    spoil(driver, () => {
      if (failures-- > 0) throw new Fatal('gone');
    });
    const outcomes = await Promise.allSettled([group.run(work('a', 'ok')), group.run(work('b', 'ok'))]);
    expect(outcomes).toMatchObject([{ reason: { message: 'gone' } }, { reason: { message: 'gone' } }]);
    expect(await group.run(work('c', 'ok'))).toBe('c');
    expect(driver.committed).toEqual(['c']);
  });

  it('fails the batch when a unit cannot be undone', async () => {
    const driver = new ScriptedDriver(false);
    const group = new GroupCommit(driver, testPorts());
    driver.onUndo = () => {
      throw new Fatal('gone');
    };
    const outcomes = await Promise.allSettled([group.run(work('a', 'ok')), group.run(work('b', 'refused at once'))]);
    expect(outcomes).toMatchObject([{ reason: { message: 'gone' } }, { reason: { message: 'gone' } }]);
    expect(driver.committed).toEqual([]);
  });

  it('tries a unit by itself that another server is in the way of, and keeps the others', async () => {
    const driver = new ScriptedDriver(false);
    const ports = testPorts();
    const group = new GroupCommit(driver, ports);
    let attempts = 0;
    const running = Promise.all([
      group.run(work('a', 'ok')),
      group.run(async (unit) => {
        if (++attempts === 1) throw new Contention();
        write(unit, 'b');
        return 'b';
      }),
      group.run(work('c', 'ok')),
    ]);
    await ports.clock.advance(5);
    expect(await running).toEqual(['a', 'b', 'c']);
    expect(driver.log).toEqual(['begin', 'undo', 'commit a c', 'begin alone', 'commit b']);
  });

  it.each([false, true])('tries a batch again whose commit another server is in the way of (side by side: %s)', async (together) => {
    const driver = new ScriptedDriver(together);
    const ports = testPorts();
    const group = new GroupCommit(driver, ports);
    let failures = 1;
    driver.onCommit = () => {
      if (failures-- > 0) throw new Contention();
    };
    const running = Promise.all([group.run(work('a', 'ok')), group.run(work('b', 'ok'))]);
    await ports.clock.advance(10);
    expect(await running).toEqual(['a', 'b']);
    expect(driver.committed.toSorted()).toEqual(['a', 'b']);
  });

  it('waits longer each time that another server is in the way, and gives up after twenty waits', async () => {
    const driver = new ScriptedDriver(false);
    const ports = testPorts();
    const group = new GroupCommit(driver, ports);
    const times: number[] = [];
    const running = group.run(async () => {
      times.push(ports.clock.monotonic());
      throw new Contention('in the way');
    });
    const refused = expect(running).rejects.toThrow('in the way');
    await ports.clock.advance(2_000);
    await refused;
    const waits = times.slice(1).map((time, index) => time - (times[index] ?? 0));
    expect(waits).toHaveLength(20);
    for (const [index, wait] of waits.entries()) {
      const full = Math.min(50, 5 * 2 ** index);
      expect(wait >= full / 2 && wait <= full).toBe(true);
    }
  });
});
