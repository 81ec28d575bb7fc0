import { describe, expect, it } from 'vitest';
import type { Arguments, Bus } from '../../src/bus/interface.ts';
import type { RouterId } from '../../src/contract/primitives.ts';
import { Outbox } from '../../src/control/outbox.ts';
import { PinholeError } from '../../src/model/errors.ts';
import type { OutboxItem, Store, Writes } from '../../src/store/interface.ts';
import { hintTopic } from '../../src/wire/topics.ts';
import { testPorts } from '../support/ports.ts';

/** An outbox table in memory: rows of servers, as a store has them. */
class Rows {
  rows: (OutboxItem & { readonly chain: string; readonly at: string })[] = [];
  commits = 0;
  isBroken = false;
  #nextId = 1;

  add(host: string, routerId: string, { chain = 'own', at = '2026-01-01T00:00:00.000Z' } = {}): void {
    this.rows.push({ id: this.#nextId++, host, routerId: routerId as RouterId, chain, at });
  }

  get store(): Store {
    const read = {
      outbox: async (chain: string, after: number, limit: number) => {
        if (this.isBroken) throw new PinholeError('store-unavailable', 'no');
        return this.rows.filter((row) => row.chain === chain && row.id > after).slice(0, limit);
      },
      hasForsakenOutbox: async (chain: string, before: string) => this.rows.some((row) => row.chain !== chain && row.at < before),
    };
    const tx = {
      deleteOutbox: async (upTo: number) => {
        this.rows = this.rows.filter(({ id, chain }) => chain !== 'own' || id > upTo);
      },
      adoptOutbox: async ({ before, at, limit }: { before: string; at: string; limit: number }) => {
        const taken = this.rows.filter((row) => row.chain !== 'own' && row.at < before).slice(0, limit);
        this.rows = this.rows.filter((row) => !taken.includes(row));
        for (const { host, routerId } of taken) this.add(host, routerId, { at });
        return taken.length;
      },
    };
    const write = async <T>(work: (tx: Writes) => Promise<T>) => {
      this.commits++;
      return work(tx as unknown as Writes);
    };
    return { read, write, chain: 'own' } as unknown as Store;
  }
}

describe('outbox', () => {
  function open() {
    const ports = testPorts();
    const rows = new Rows();
    const sent: [string, string[]][] = [];
    let link: (up: boolean) => void = () => undefined;
    const state = { isUp: true };
    const bus = {
      cast: async (topic: string, _method: string, args: Arguments) => {
        if (!state.isUp) throw new PinholeError('unreachable', 'the broker cannot be reached');
        const resources = args['resource_list'] as { 'versioned_object.data': { router_id: string } }[];
        sent.push([topic, resources.map((resource) => resource['versioned_object.data'].router_id)]);
      },
      onLink: (listener: (up: boolean) => void) => {
        link = listener;
      },
    } as unknown as Bus;
    const outbox = new Outbox(rows.store, bus, ports);
    const setLink = (up: boolean) => {
      state.isUp = up;
      link(up);
    };
    return { clock: ports.clock, rows, sent, outbox, setLink };
  }

  it('hints at what is there when it starts, one message a host, each router once', async () => {
    const { clock, rows, sent, outbox } = open();
    for (const [host, router] of [
      ['one', 'a'],
      ['two', 'b'],
      ['one', 'a'],
      ['one', 'c'],
    ] as const)
      rows.add(host, router);
    outbox.start();
    await clock.settle();
    expect(sent).toEqual([
      [hintTopic('one'), ['a', 'c']],
      [hintTopic('two'), ['b']],
    ]);
    await outbox.close();
  });

  it('deletes delivered rows together, a little later, and not those that came since', async () => {
    const { clock, rows, outbox } = open();
    outbox.start();
    await clock.settle();
    for (const router of ['a', 'b', 'c']) {
      rows.add('one', router);
      outbox.wake();
      await clock.advance(50);
    }
    expect([rows.rows.length, rows.commits]).toEqual([3, 0]);
    await clock.advance(200);
    expect([rows.rows.length, rows.commits]).toEqual([0, 1]);
    rows.add('one', 'd');
    await outbox.close();
    expect(rows.rows.map(({ routerId }) => routerId)).toEqual(['d']);
  });

  it('keeps what the bus did not take, and tries it again at the sweep', async () => {
    const { clock, rows, sent, outbox, setLink } = open();
    outbox.start();
    setLink(false);
    rows.add('one', 'a');
    outbox.wake();
    await clock.advance(4_000);
    expect([sent, rows.rows.length]).toEqual([[], 1]);
    setLink(false);
    await clock.advance(1_000);
    expect([sent, rows.rows.length]).toEqual([[], 1]);
    setLink(true);
    await clock.settle();
    expect(sent).toEqual([[hintTopic('one'), ['a']]]);
    await outbox.close();
    expect(rows.rows).toEqual([]);
  });

  it('tries again at the sweep where the bus came back unnoticed, or the database did', async () => {
    const { clock, rows, sent, outbox } = open();
    rows.isBroken = true;
    rows.add('one', 'a');
    outbox.start();
    await clock.advance(4_999);
    rows.isBroken = false;
    expect(sent).toEqual([]);
    await clock.advance(1);
    expect(sent).toEqual([[hintTopic('one'), ['a']]]);
    await outbox.close();
  });

  it('adopts rows that a server left which is gone, but not those of one that may still deliver them', async () => {
    const { clock, rows, sent, outbox } = open();
    rows.add('one', 'left', { chain: 'dead', at: clock.in(-10_000) });
    rows.add('one', 'fresh', { chain: 'alive', at: clock.in(4_000) });
    outbox.start();
    await clock.advance(5_000);
    expect(sent).toEqual([[hintTopic('one'), ['left']]]);
    await clock.advance(5_000);
    expect(sent.at(-1)).toEqual([hintTopic('one'), ['fresh']]);
    await outbox.close();
    expect(clock.waiting).toBe(0);
  });

  it('does nothing after it was closed', async () => {
    const { clock, rows, sent, outbox } = open();
    outbox.start();
    await outbox.close();
    rows.add('one', 'a');
    outbox.wake();
    await clock.advance(60_000);
    expect([sent, clock.waiting]).toEqual([[], 0]);
  });
});
