import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { median } from '../../bench/measure.ts';
import { DEFAULT_CONFINEMENT } from '../../src/contract/confinement.ts';
import { type HelperId, MAX_HELPERS_PER_ROUTER } from '../../src/contract/primitives.ts';
import { RemoteKernel } from '../../src/kernel/remote.ts';
import { ownPrefix, ScratchNetwork } from '../../src/lab/scratch-network.ts';
import { formatStamp, type Rule, type Table } from '../../src/model/table.ts';
import { render } from '../../src/plan/render.ts';
import { ALL_CAPABILITIES, desiredRouter, parseScope } from '../support/arbitraries.ts';
import { eventually } from '../support/eventually.ts';
import { PacketSender } from '../support/packet-sender.ts';
import { TestPinhole } from '../support/pinhole.ts';
import { realPorts } from '../support/ports.ts';
import { anyTable, editedTable, renderedTable } from '../support/tables.ts';

const PREFIX = `${ownPrefix('pht')}-cost`;
const SOAK = process.env['PINHOLE_SOAK'] !== undefined;
const TABLES = SOAK ? 100_000 : 2_000;
/** How many of the accepted tables are measured: those with the most rules, and some of the others. */
const [LARGEST, SAMPLED] = SOAK ? [20, 20] : [3, 2];
const ROUNDS = 5;
const FLOWS = 1_500;
const PACKETS = 4_000;
/** A packet through a table that was accepted costs at most that many times what it costs through the largest table that Pinhole writes. */
const MOST = 2;
const BATCH_BYTES = 2_000_000;
const BATCH_TABLES = 100;

const CLIENT = '10.79.1.2';
const SERVER = '10.79.2.2';
const STAMP = formatStamp({ installation: '0123456789ab', revision: 1, sha256: '0'.repeat(64) });

/** Scopes that the flood's packets are in, so that each rule is looked at to its end: the port decides, and does not match. */
const SCOPES = [
  { in_interface: 'lan', source: '10.79.1.0/24', destination: '10.79.2.0/24' },
  { in_interface: 'lan', source: '10.79.0.0/16', destination: '10.0.0.0/8' },
  { in_interface: 'lan' },
];

/** A table of a router with so many helpers, none of which is for a port of the flood. */
function tableWith(count: number, confined: boolean): Table {
  const helpers = Array.from({ length: count }, (_, index) => ({
    id: `00000000-0000-4000-8000-${index.toString(16).padStart(12, '0')}` as HelperId,
    helper: 'tftp',
    protocol: 'udp' as const,
    port: 1 + index,
    scope: parseScope(SCOPES[index % SCOPES.length] as object),
    expiresAt: null,
  }));
  const router = desiredRouter(helpers, { confinement: confined ? DEFAULT_CONFINEMENT : null });
  return { ...(render(router, ALL_CAPABILITIES, new Date(0)).table as Table), comment: STAMP };
}

/** What an attacker sends who wants packets to cost more: chains and jumps and rules doubled many times. */
const heavyTable: fc.Arbitrary<Table> = fc
  .tuple(
    fc.integer({ min: 1, max: 300 }),
    fc.boolean(),
    fc.constantFrom('nothing' as const, 'jumps' as const, 'rules' as const, 'chains' as const, 'bases' as const),
    fc.integer({ min: 2, max: 2_000 }),
  )
  .map(([count, confined, how, times]) => {
    const table = tableWith(count, confined);
    const [first, ...rest] = table.chains;
    if (!first) return table;
    const doubled = (rules: readonly Rule[]) => Array.from({ length: times }, (_, index) => rules[index % rules.length] as Rule);
    if (how === 'nothing') return table;
    switch (how) {
      case 'jumps':
        return { ...table, chains: [first, ...rest.map((one) => (one.base ? { ...one, rules: doubled(one.rules) } : one))] };
      case 'rules':
        return { ...table, chains: [{ ...first, rules: doubled(first.rules) }, ...rest] };
      case 'chains':
        return {
          ...table,
          chains: [...table.chains, ...Array.from({ length: 8 }, (_, index) => ({ ...first, name: `${first.name}-${index}` }))],
        };
      default:
        return { ...table, chains: [...table.chains, ...rest.map((one, index) => ({ ...one, name: `${one.name}-${index}` }))] };
    }
  });

describe(`${TABLES} generated tables on the kernel process's socket`, () => {
  const network = new ScratchNetwork(PREFIX);
  const pinhole = new TestPinhole(PREFIX);
  let kernel: RemoteKernel;
  let sender: PacketSender;

  beforeAll(async () => {
    for (const host of ['client', 'router', 'server']) await network.addHost(host);
    await network.link(
      { host: 'client', interface: 'eth0', addresses: [`${CLIENT}/24`] },
      { host: 'router', interface: 'lan', addresses: ['10.79.1.1/24'] },
    );
    await network.link(
      { host: 'server', interface: 'eth0', addresses: [`${SERVER}/24`] },
      { host: 'router', interface: 'wan', addresses: ['10.79.2.1/24'] },
    );
    await network.route('client', 'default', '10.79.1.1');
    await network.route('server', 'default', '10.79.2.1');
    await network.sysctl('router', { 'net.ipv4.ip_forward': 1 });
    await network.nft(
      'router',
      'table inet theirs {\n chain forward { type filter hook forward priority filter; ct state established,related accept; }\n}\n',
    );
    await network.nft('server', 'table ip sink {\n chain input { type filter hook prerouting priority raw; policy drop; }\n}\n');
    await pinhole.start();
    kernel = new RemoteKernel(pinhole.instance.files.kernelSocket, realPorts);
    await eventually(() => kernel.isUp);
    sender = new PacketSender(network.netns('client'), SERVER);
  }, 120_000);
  afterAll(async () => {
    sender?.close();
    await kernel?.close();
    await pinhole.stop();
    await network.destroy();
  });

  let stands: string | null = null;
  const change = (table: Table | null, replaces: string | null) => ({ netns: network.netns('router'), table, replaces });

  /** @returns those tables that were accepted */
  async function offered(tables: readonly Table[]): Promise<Table[]> {
    if (stands === null) {
      await kernel.apply([change(tableWith(1, false), null)]);
      stands = STAMP;
    }
    const results = await kernel.apply(tables.map((table) => change(table, STAMP)));
    for (const result of results)
      if (!result.ok) expect(['invalid-message', 'kernel-refused', 'invalid-input']).toContain(result.error.code);
    return tables.filter((_, index) => results[index]?.ok);
  }

  /** ns of a packet: of the first of a connection, and of one in the middle. */
  async function measured(table: Table): Promise<{ fresh: number; established: number }> {
    const [result] = await kernel.apply([change(table, STAMP)]);
    if (!result?.ok) throw new Error(result?.error.message);
    await network.exec('router', ['conntrack', '-F']);
    return { fresh: sender.newFlows(FLOWS), established: sender.oneFlow(PACKETS) };
  }

  it(
    `what is accepted costs a packet at most ${MOST} times what the largest legitimate table does`,
    async () => {
      const kinds = { rendered: renderedTable.filter((table) => table !== null), edited: editedTable, any: anyTable, heavy: heavyTable };
      const counts: Record<string, { sent: number; accepted: number }> = {};
      const kept: { kind: string; rules: number; table: Table }[] = [];
      for (const [kind, arbitrary] of Object.entries(kinds)) {
        const share = kind === 'heavy' ? 0.1 : 0.3;
        const tally = { sent: 0, accepted: 0 };
        counts[kind] = tally;
        for (let seed = 1; tally.sent < TABLES * share; seed++) {
          const generated = fc
            .sample(arbitrary as fc.Arbitrary<Table>, { seed, numRuns: 500 })
            .map((table) => ({ ...table, comment: STAMP }));
          for (const batch of batches(generated)) {
            const accepted = await offered(batch);
            tally.sent += batch.length;
            tally.accepted += accepted.length;
            for (const table of accepted) kept.push({ kind, rules: table.chains.reduce((sum, { rules }) => sum + rules.length, 0), table });
            // Of what was accepted, the largest stay, and each hundredth of the others.
            if (kept.length > 4_000) kept.splice(0, kept.length, ...chosen(kept, 1_000));
          }
        }
        expect(tally.accepted, kind).toBeLessThanOrEqual(tally.sent);
      }
      expect(counts['rendered']?.accepted).toBe(counts['rendered']?.sent);
      expect(counts['heavy']?.accepted).toBeGreaterThan(0);
      expect(counts['heavy']?.accepted).toBeLessThan(counts['heavy']?.sent as number);

      const legitimate = tableWith(MAX_HELPERS_PER_ROUTER, true);
      expect(await offered([legitimate])).toHaveLength(1);
      const suspects = [...chosen(kept, LARGEST), ...kept.filter((_, index) => index % Math.ceil(kept.length / SAMPLED) === 0)].map(
        ({ table }) => table,
      );
      const times = new Map<Table, { fresh: number; established: number }[]>();
      for (let round = 0; round < ROUNDS; round++)
        for (const table of [legitimate, ...suspects]) times.set(table, [...(times.get(table) ?? []), await measured(table)]);
      const of = (table: Table, key: 'fresh' | 'established') => median((times.get(table) ?? []).map((one) => one[key]));
      const worst = Object.fromEntries(
        (['fresh', 'established'] as const).map((key) => [key, Math.max(...suspects.map((table) => of(table, key) / of(legitimate, key)))]),
      );
      const figures = { counts, measured: suspects.length, worst, ns: of(legitimate, 'fresh') };
      process.stdout.write(`tables on the socket: ${JSON.stringify(figures)}\n`);
      expect(worst['fresh']).toBeLessThanOrEqual(MOST);
      expect(worst['established']).toBeLessThanOrEqual(MOST);
    },
    SOAK ? 3_600_000 : 180_000,
  );
});

/** Those with the most rules. */
function chosen<T extends { readonly rules: number }>(tables: readonly T[], count: number): T[] {
  return tables.toSorted((a, b) => b.rules - a.rules).slice(0, count);
}

function batches(tables: readonly Table[]): Table[][] {
  const found: Table[][] = [[]];
  let bytes = 0;
  for (const table of tables) {
    const size = JSON.stringify(table).length;
    if (bytes + size > BATCH_BYTES || (found.at(-1) as Table[]).length >= BATCH_TABLES) {
      found.push([]);
      bytes = 0;
    }
    (found.at(-1) as Table[]).push(table);
    bytes += size;
  }
  return found.filter((batch) => batch.length > 0);
}
