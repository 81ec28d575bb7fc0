import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DEFAULT_CONFINEMENT } from '../../src/contract/confinement.ts';
import type { DesiredHelper } from '../../src/contract/helper.ts';
import type { Kernel, KernelEvent, Observation, Observed } from '../../src/kernel/interface.ts';
import { NEUTRON_DEFAULT_PAIRS } from '../../src/model/catalogue.ts';
import { type ErrorData, type Result, unwrap } from '../../src/model/errors.ts';
import { formatStamp, type Table } from '../../src/model/table.ts';
import { tableContent } from '../../src/model/table-form.ts';
import { diff } from '../../src/plan/diff.ts';
import { render } from '../../src/plan/render.ts';
import { ALL_CAPABILITIES, desiredHelper, desiredRouter, parseScope } from './arbitraries.ts';
import { eventually } from './eventually.ts';

/** A kernel under test, and what others may do to it. */
export interface KernelHarness {
  readonly kernel: Kernel;
  /** Full name of a namespace of the test. */
  netns(name: string): string;
  addNamespace(name: string): Promise<void>;
  removeNamespace(name: string): Promise<void>;
  /** Another program commits in the namespace. */
  others(name: string, act: 'flush our rules' | 'delete our table' | 'write into our table' | 'change a table of theirs'): Promise<void>;
  close(): Promise<void>;
}

export function tableOf(helpers: readonly DesiredHelper[], confine = false): Table {
  const router = desiredRouter(helpers, { confinement: confine ? DEFAULT_CONFINEMENT : null });
  const { table } = render(router, ALL_CAPABILITIES, new Date(0));
  if (!table) throw new Error('these helpers make no table');
  return table;
}

/** The stamp of another installation. */
const THEIRS = formatStamp({ installation: '0123456789ab', revision: 1, sha256: '0'.repeat(64) });

const FTP = () => tableOf([desiredHelper('ftp', 'tcp', 21)]);

/** What every kernel does, real or not. */
export function kernelContract(name: string, create: () => Promise<KernelHarness>): void {
  describe(`kernel contract: ${name}`, () => {
    let harness: KernelHarness;
    let events: KernelEvent[];
    const ns = (host: string) => harness.netns(host);

    beforeEach(async () => {
      harness = await create();
      events = [];
      harness.kernel.onEvent((event) => events.push(event));
      await harness.addNamespace('a');
    });
    afterEach(() => harness.close());

    async function observe(host: string): Promise<Observed> {
      const [result] = await harness.kernel.observe([{ netns: ns(host), known: null }]);
      const observed: Observation = unwrap(result as Result<Observation>);
      if (observed.unchanged) throw new Error('unchanged, though nothing was known');
      return observed;
    }

    /** Comment of the table that stands there. */
    async function standing(host: string): Promise<string | null> {
      return (await harness.kernel.namespaces()).find(({ netns }) => netns === ns(host))?.comment ?? null;
    }

    async function apply(host: string, table: Table | null) {
      const [result] = await harness.kernel.apply([{ netns: ns(host), table, replaces: await standing(host) }]);
      return unwrap(result as NonNullable<typeof result>);
    }

    async function refused(host: string, table: Table | null, replaces?: string | null): Promise<ErrorData> {
      const seen = replaces === undefined ? await standing(host) : replaces;
      const [result] = await harness.kernel.apply([{ netns: ns(host), table, replaces: seen }]);
      if (!result || result.ok) throw new Error('was not refused');
      return result.error;
    }

    it('has the helpers of the catalogue', async () => {
      const { helpers } = await harness.kernel.capabilities();
      expect([...helpers].sort()).toEqual([...ALL_CAPABILITIES.helpers].sort());
    });

    it('lists the rules of all programs on request, and names namespaces that are absent or not to be served', async () => {
      const { nft, settings } = await harness.kernel.allRules(ns('a'));
      expect(Array.isArray(JSON.parse(nft).nftables)).toBe(true);
      expect(Object.values(settings).every((value) => typeof value === 'string')).toBe(true);
      await expect(harness.kernel.allRules(ns('absent'))).rejects.toMatchObject({ code: 'netns-not-found' });
      await expect(harness.kernel.allRules('elsewhere')).rejects.toMatchObject({ code: 'netns-denied' });
    });

    it('observes no table where there is none', async () => {
      expect(await observe('a')).toMatchObject({ unchanged: false, table: null, foreign: [] });
    });

    it.each([
      ['one helper', () => FTP()],
      [
        "Neutron's twelve default pairs",
        () => tableOf(NEUTRON_DEFAULT_PAIRS.map(({ helper, protocol, port }) => desiredHelper(helper, protocol, port))),
      ],
      [
        'confinement',
        () =>
          tableOf(
            NEUTRON_DEFAULT_PAIRS.map(({ helper, protocol, port }) => desiredHelper(helper, protocol, port)),
            true,
          ),
      ],
      [
        'scopes of all kinds',
        () =>
          tableOf([
            desiredHelper('ftp', 'tcp', 21, { scope: parseScope({ source: '10.0.0.0/9' }) }),
            desiredHelper('ftp', 'tcp', 21, { scope: parseScope({ source: '0.0.0.0/0', destination: '192.0.2.7' }) }),
            desiredHelper('ftp', 'tcp', 21, {
              scope: parseScope({ source: '2001:db8::/61', destination: '2001:db8::1', in_interface: 'a-rather.long0' }),
            }),
            desiredHelper('sip', 'udp', 5060, { scope: parseScope({ in_interface: 'eth0' }) }),
            desiredHelper('tftp', 'udp', 69),
          ]),
      ],
      ['a hundred helpers', () => tableOf(Array.from({ length: 100 }, (_, index) => desiredHelper('ftp', 'tcp', 1000 + index)))],
      [
        'a thousand scoped helpers',
        () =>
          tableOf(
            Array.from({ length: 1000 }, (_, index) =>
              desiredHelper('ftp', 'tcp', 1000 + index, { scope: parseScope({ source: '10.0.0.0/8' }) }),
            ),
          ),
      ],
    ])('reads back what was applied: %s', async (_what, make) => {
      const table = make();
      const applied = await apply('a', table);
      const observed = await observe('a');
      expect(diff(table, observed.table)).toEqual([]);
      expect(observed).toMatchObject({
        foreign: [],
        cookie: applied.cookie,
        generation: applied.generation,
        table: { comment: table.comment },
      });
    });

    it('replaces the table as a whole, and removes it', async () => {
      await apply('a', tableOf([desiredHelper('ftp', 'tcp', 21), desiredHelper('tftp', 'udp', 69)]));
      await apply('a', tableOf([desiredHelper('sip', 'udp', 5060)]));
      expect((await observe('a')).table?.objects.map(({ type }) => type)).toEqual(['sip']);
      await apply('a', null);
      expect((await observe('a')).table).toBeNull();
      await apply('a', null);
    });

    it.each([
      ['none', null],
      ['another', () => ({ ...FTP(), comment: THEIRS })],
    ] as const)('changes nothing where the table is not the one that was seen: there is %s', async (_what, make) => {
      const there = make === null ? null : make();
      if (there) await apply('a', there);
      const seen = FTP().comment;
      for (const table of [tableOf([desiredHelper('tftp', 'udp', 69)]), null])
        expect(await refused('a', table, seen)).toMatchObject({ code: 'table-changed' });
      if (there) expect(await refused('a', null, null)).toMatchObject({ code: 'table-changed' });
      const { table, foreign } = await observe('a');
      expect([table, foreign]).toEqual([there, []]);
    });

    it('says unchanged for the version that it gave, and only for that', async () => {
      const { cookie, generation } = await apply('a', FTP());
      const ask = async (known: { cookie: string; generation: number }) =>
        unwrap((await harness.kernel.observe([{ netns: ns('a'), known }]))[0] as Result<Observation>).unchanged;
      expect(await ask({ cookie, generation })).toBe(true);
      expect(await ask({ cookie, generation: generation - 1 })).toBe(false);
      expect(await ask({ cookie: '1', generation })).toBe(false);
      await harness.others('a', 'change a table of theirs');
      expect(await ask({ cookie, generation })).toBe(false);
    });

    it('refuses a helper that it does not have, and then has changed nothing', async () => {
      await apply('a', FTP());
      const object = { name: 'irc-tcp', type: 'irc', protocol: 'tcp', family: 'ip6' } as const;
      const wrong: Table = { ...FTP(), ...tableContent({ assignments: [{ object, port: 6667, scope: null }], confinement: null }) };
      expect(await refused('a', wrong)).toMatchObject({ code: 'kernel-refused', details: { errno: 2, field: 'irc-tcp' } });
      expect((await observe('a')).table?.objects.map(({ type }) => type)).toEqual(['ftp']);
    });

    it('refuses an assignment of an object that is not there', async () => {
      const table = FTP();
      const error = await refused('a', { ...table, objects: [] });
      expect(['kernel-refused', 'invalid-message']).toContain(error.code);
      expect((await observe('a')).table).toBeNull();
    });

    it('answers a batch item by item: an absent namespace first, middle and last fails alone', async () => {
      await harness.addNamespace('b');
      const names = ['x', 'a', 'y', 'b', 'z'].map(ns);
      const applied = await harness.kernel.apply(names.map((netns) => ({ netns, table: FTP(), replaces: null })));
      expect(applied.map((result) => (result.ok ? 'ok' : result.error.code))).toEqual([
        'netns-not-found',
        'ok',
        'netns-not-found',
        'ok',
        'netns-not-found',
      ]);
      const observed = await harness.kernel.observe(names.map((netns) => ({ netns, known: null })));
      expect(observed.map((result) => (result.ok ? 'ok' : result.error.code))).toEqual([
        'netns-not-found',
        'ok',
        'netns-not-found',
        'ok',
        'netns-not-found',
      ]);
    });

    it('refuses namespaces that configuration does not name', async () => {
      const [result] = await harness.kernel.observe([{ netns: 'not-ours', known: null }]);
      expect(result).toMatchObject({ ok: false, error: { code: 'netns-denied' } });
    });

    it('lists namespaces with their stamp', async () => {
      await harness.addNamespace('b');
      const table = FTP();
      await apply('b', table);
      const found = new Map((await harness.kernel.namespaces()).map(({ netns, comment }) => [netns, comment]));
      expect([found.get(ns('a')), found.get(ns('b'))]).toEqual([null, table.comment]);
    });

    it.each(['flush our rules', 'delete our table', 'write into our table'] as const)('tells that others %s, and shows it', async (act) => {
      const table = FTP();
      await apply('a', table);
      await harness.others('a', act);
      await eventually(() => events.some((event) => event.event === 'touched' && event.netns === ns('a')));
      const observed = await observe('a');
      expect(diff(table, observed.table).length + observed.foreign.length).toBeGreaterThan(0);
      await apply('a', table);
      const repaired = await observe('a');
      expect([diff(table, repaired.table), repaired.foreign]).toEqual([[], []]);
    });

    it('tells nothing of its own commits, nor of those to others’ tables', async () => {
      await observe('a');
      await apply('a', FTP());
      await harness.others('a', 'change a table of theirs');
      await apply('a', tableOf([desiredHelper('tftp', 'udp', 69)]));
      await harness.others('a', 'delete our table');
      await eventually(() => events.some(({ event }) => event === 'touched'));
      expect(events.filter(({ event }) => event === 'touched')).toHaveLength(1);
    });

    it('answers what is asked of live connections at the same time', async () => {
      await apply('a', FTP());
      const selectors = [{ protocol: 'tcp', port: 21, type: 'ftp', except: [] }] as const;
      // The walk for a strip takes the real kernel milliseconds: questions come at all moments of it.
      for (let round = 0; round < 16; round++) {
        let isUnderWay = true;
        const strip = harness.kernel.changeLive(ns('a'), { action: 'strip', selectors }).finally(() => {
          isUnderWay = false;
        });
        do expect(await harness.kernel.expectations(ns('a'))).toEqual([]);
        while (isUnderWay);
        expect(await strip).toBe(0);
      }
    });

    it('tells of namespaces that come and go', async () => {
      await harness.addNamespace('b');
      await eventually(() => events.some((event) => event.event === 'namespace' && event.netns === ns('b') && event.present));
      await harness.removeNamespace('b');
      await eventually(() => events.some((event) => event.event === 'namespace' && event.netns === ns('b') && !event.present));
    });

    it('knows a namespace that was made anew under its name for another one', async () => {
      const before = await apply('a', FTP());
      await harness.removeNamespace('a');
      await harness.addNamespace('a');
      const [result] = await harness.kernel.observe([{ netns: ns('a'), known: { cookie: before.cookie, generation: before.generation } }]);
      const observed = unwrap(result as Result<Observation>);
      expect(observed).toMatchObject({ unchanged: false, table: null });
      expect((observed as Observed).cookie).not.toBe(before.cookie);
    });
  });
}
