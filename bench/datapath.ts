import type { DesiredHelper } from '../src/contract/helper.ts';
import type { HelperId, RouterId } from '../src/contract/primitives.ts';
import { LinuxKernel } from '../src/kernel/linux/linux-kernel.ts';
import { ownPrefix, ScratchNetwork } from '../src/lab/scratch-network.ts';
import type { Table } from '../src/model/table.ts';
import { render } from '../src/plan/render.ts';
import { silentLogger } from '../src/ports/logger.ts';
import { PacketSender } from '../test/support/packet-sender.ts';
import { median, type Result, round } from './measure.ts';

const PREFIX = `${ownPrefix('phb')}-path`;
const HELPERS = [0, 1, 10, 100, 1000] as const;
const PACKETS = 30_000;
const FLOWS = 8_000;
const ROUNDS = 7;
/** The known noise of this measurement, ±. */
const NOISE = 0.25;

const CONNTRACK = `
table inet filter {
  chain forward { type filter hook forward priority filter; policy accept; ct state established,related accept; }
}
`;

/** Measures ns per packet forwarded through one router, without a table and with a map of helpers. Rounds are interleaved. */
export async function benchDatapath(): Promise<Result[]> {
  const network = new ScratchNetwork(PREFIX);
  const kernel = new LinuxKernel({ allowed: (netns) => netns.startsWith(`${PREFIX}-`), logger: silentLogger });
  try {
    for (const host of ['client', 'router', 'server']) await network.addHost(host);
    await network.link(
      { host: 'client', interface: 'eth0', addresses: ['10.79.1.2/24'] },
      { host: 'router', interface: 'lan', addresses: ['10.79.1.1/24'] },
    );
    await network.link(
      { host: 'server', interface: 'eth0', addresses: ['10.79.2.2/24'] },
      { host: 'router', interface: 'wan', addresses: ['10.79.2.1/24'] },
    );
    await network.route('client', 'default', '10.79.1.1');
    await network.route('server', 'default', '10.79.2.1');
    await network.sysctl('router', { 'net.ipv4.ip_forward': 1 });
    await network.nft('router', CONNTRACK);
    await network.nft('server', 'table ip sink {\n chain input { type filter hook prerouting priority raw; policy drop; }\n}\n');
    const sender = new PacketSender(network.netns('client'), '10.79.2.2');
    const tables = new Map(HELPERS.map((count) => [count, tableOf(kernel, count)]));
    const established = new Map<number, number[]>(HELPERS.map((count) => [count, []]));
    const fresh = new Map<number, number[]>(HELPERS.map((count) => [count, []]));
    let replaces: string | null = null;
    for (let round = 0; round < ROUNDS; round++) {
      for (const count of HELPERS) {
        const table = (await tables.get(count)) ?? null;
        const [result] = await kernel.apply([{ netns: network.netns('router'), table, replaces }]);
        if (!result?.ok) throw new Error(result?.error.message);
        replaces = table?.comment ?? null;
        await network.exec('router', ['conntrack', '-F']);
        fresh.get(count)?.push(sender.newFlows(FLOWS));
        established.get(count)?.push(sender.oneFlow(PACKETS));
      }
    }
    sender.close();
    const at = (values: Map<number, number[]>, count: number) => median(values.get(count) ?? []);
    const few = at(established, 1);
    const flat = HELPERS.filter((count) => count > 1).every(
      (count) => at(established, count) <= few * (1 + NOISE) && at(fresh, count) <= at(fresh, 1) * (1 + NOISE),
    );
    const figures = HELPERS.map((count) => [
      `${count === 0 ? 'no table' : `${count} helpers`}: established / new flow, ns`,
      `${round(at(established, count))} / ${round(at(fresh, count))}`,
    ]);
    return [
      {
        what: 'data path: a forwarded UDP packet',
        target: `flat in the number of helpers (within ${NOISE * 100} %)`,
        ok: flat,
        figures: Object.fromEntries(figures),
      },
    ];
  } finally {
    await kernel.close();
    await network.destroy();
  }
}

async function tableOf(kernel: LinuxKernel, count: number): Promise<Table | null> {
  const helpers = Array.from({ length: count }, (_, index): DesiredHelper => {
    const id = `00000000-0000-4000-8000-${index.toString(16).padStart(12, '0')}` as HelperId;
    return { id, helper: 'tftp', protocol: 'udp', port: 10_000 + index, scope: null, expiresAt: null };
  });
  const router = { id: '' as RouterId, name: '', netns: '', revision: 1, confinement: null, helpers };
  return render(router, await kernel.capabilities(), new Date(0)).table;
}
