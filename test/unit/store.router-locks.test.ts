import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RouterId } from '../../src/contract/primitives.ts';
import { LocksCross, RouterLocks } from '../../src/store/router-locks.ts';
import { runs } from '../support/runs.ts';

const ROUTERS = ['a', 'b', 'c'] as const;
const id = (name: string) => name as RouterId;

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await Promise.resolve();
}

describe('law: one unit at a time works on a router', () => {
  const unit = fc.record({
    router: fc.constantFrom(...ROUTERS),
    delay: fc.nat({ max: 6 }),
    work: fc.nat({ max: 6 }),
    /** Fails after so many turns, even while it waits for the lock. */
    patience: fc.option(fc.nat({ max: 12 })),
  });

  it('excludes others, lets them in by turns, and all come to an end', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(unit, { maxLength: 8 }), async (units) => {
        const locks = new RouterLocks();
        const inside = new Map<string, number>();
        const asked: Record<string, number[]> = { a: [], b: [], c: [] };
        const entered: Record<string, number[]> = { a: [], b: [], c: [] };
        await Promise.all(
          units.map(async ({ router, delay, work, patience }, index) => {
            const own = locks.startUnit();
            const task = async () => {
              await turns(delay);
              asked[router]?.push(index);
              await own.lock(id(router));
              if (patience !== null) return;
              entered[router]?.push(index);
              inside.set(router, (inside.get(router) ?? 0) + 1);
              expect(inside.get(router)).toBe(1);
              await turns(work);
              inside.set(router, (inside.get(router) ?? 0) - 1);
            };
            // A unit that gives up is released while its lock may still be waited for.
            await (patience === null ? task() : Promise.race([task(), turns(patience)]));
            own.release();
          }),
        );
        for (const router of ROUTERS) {
          const patient = (asked[router] ?? []).filter((index) => units[index]?.patience === null);
          expect(entered[router]).toEqual(patient);
        }
      }),
      runs(),
    );
  });
});

describe('UnitLocks', () => {
  it('takes the router that it has a second time at once', async () => {
    const unit = new RouterLocks().startUnit();
    await unit.lock(id('a'));
    await unit.lock(id('a'));
  });

  it('refuses a second router: two units could wait for each other', async () => {
    const unit = new RouterLocks().startUnit();
    await unit.lock(id('a'));
    await expect(unit.lock(id('b'))).rejects.toThrow(LocksCross);
  });

  it('lets no other in when one that waits gives up while another works', async () => {
    const locks = new RouterLocks();
    const [working, waiting, third] = [locks.startUnit(), locks.startUnit(), locks.startUnit()];
    await working.lock(id('a'));
    void waiting.lock(id('a'));
    let isIn = false;
    const entering = third.lock(id('a')).then(() => {
      isIn = true;
    });
    waiting.release();
    await turns(10);
    expect(isIn).toBe(false);
    working.release();
    await entering;
  });
});
