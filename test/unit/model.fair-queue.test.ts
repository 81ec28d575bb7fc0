import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FairTurns } from '../../src/api/fair-turns.ts';
import { FairQueue } from '../../src/model/fair-queue.ts';
import { Gate } from '../../src/model/gate.ts';
import { runs } from '../support/runs.ts';

const OWNERS = ['a', 'b', 'c'] as const;

describe('a queue in which owners take turns', () => {
  it('gives an owner with one item its turn after one item of each other owner', () => {
    const queue = new FairQueue<string>();
    for (let index = 0; index < 10_000; index++) queue.push('many', `many ${index}`);
    queue.push('one', 'one');
    expect(queue.take(3)).toEqual(['many 0', 'one', 'many 1']);
  });

  it('law: nothing is lost, each owner’s order stays, and no owner waits for two items of another', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...OWNERS), { maxLength: 50 }), (owners) => {
        const queue = new FairQueue<{ owner: string; index: number }>();
        for (const [index, owner] of owners.entries()) queue.push(owner, { owner, index });
        expect(queue.size).toBe(owners.length);
        const taken = queue.take(owners.length + 1);
        expect(taken.map(({ index }) => index).sort((x, y) => x - y)).toEqual(owners.map((_, index) => index));
        for (const owner of OWNERS) {
          const own = taken.filter((item) => item.owner === owner).map(({ index }) => index);
          expect(own).toEqual(own.toSorted((x, y) => x - y));
        }
        for (const [at, { owner }] of taken.entries())
          if (taken[at + 1]?.owner === owner) expect(new Set(taken.slice(at).map((item) => item.owner)).size).toBe(1);
      }),
      runs(300),
    );
  });

  it('leaves out an owner that may not, and forgets what was removed', () => {
    const queue = new FairQueue<string>();
    for (const item of ['a1', 'a2', 'b1']) queue.push(item.charAt(0), item);
    expect(queue.shift((owner) => owner !== 'a')).toBe('b1');
    queue.remove('a', 'a1');
    queue.remove('a', 'a1');
    expect([queue.shift(), queue.shift(), queue.size]).toEqual(['a2', undefined, 0]);
  });
});

describe('turns of work', () => {
  it('one owner works on its share at most; another starts at once, and what one gives back goes to those who wait', async () => {
    const turns = new FairTurns({ total: 4, perOwner: 2 });
    const started: string[] = [];
    const ask = (owner: string, name: string) => {
      const turn = turns.ask(owner);
      void turn.come.then(() => started.push(name));
      return turn;
    };
    const [first, , third] = [ask('a', 'a1'), ask('a', 'a2'), ask('a', 'a3'), ask('a', 'a4'), ask('b', 'b1')];
    await Promise.resolve();
    expect(started).toEqual(['a1', 'a2', 'b1']);
    third?.end();
    first?.end();
    first?.end();
    await Promise.resolve();
    expect(started).toEqual(['a1', 'a2', 'b1', 'a4']);
  });

  it('law: neither bound is exceeded, and no work waits while there is room', () => {
    const step = fc.record({ owner: fc.constantFrom(...OWNERS), ends: fc.boolean(), which: fc.nat() });
    fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const turns = new FairTurns({ total: 4, perOwner: 2 });
        const asked: { owner: string; hasCome: boolean; end: () => void }[] = [];
        for (const { owner, ends, which } of steps) {
          if (ends && asked.length > 0) asked.splice(which % asked.length, 1)[0]?.end();
          else {
            const { come, end } = turns.ask(owner);
            const one = { owner, hasCome: false, end };
            void come.then(() => {
              one.hasCome = true;
            });
            asked.push(one);
          }
          await Promise.resolve();
          const running = asked.filter(({ hasCome }) => hasCome);
          const of = (name: string) => running.filter((one) => one.owner === name).length;
          expect(running.length).toBeLessThanOrEqual(4);
          for (const name of OWNERS) expect(of(name)).toBeLessThanOrEqual(2);
          if (running.length < 4) for (const one of asked) if (!one.hasCome) expect(of(one.owner)).toBe(2);
        }
      }),
      runs(200),
    );
  });
});

describe('a gate', () => {
  it('lets an owner wait in half of the places only, and the next owner pass in turn', async () => {
    const gate = new Gate({ running: 1, waiting: 4 });
    const done: string[] = [];
    let open: () => void = () => undefined;
    const closed = new Promise<void>((resolve) => {
      open = resolve;
    });
    const run = (owner: string, name: string) => gate.run(async () => closed.then(() => done.push(name)), owner);
    const many = ['a1', 'a2', 'a3'].map((name) => run('a', name));
    await expect(run('a', 'a4')).rejects.toMatchObject({ code: 'overloaded' });
    const one = run('b', 'b1');
    open();
    await Promise.all([...many, one]);
    expect(done).toEqual(['a1', 'a2', 'b1', 'a3']);
  });
});
