import type { DesiredHelper } from '../../../src/contract/helper.ts';
import type { Kernel } from '../../../src/kernel/interface.ts';
import { render } from '../../../src/plan/render.ts';
import { desiredHelper, desiredRouter } from '../arbitraries.ts';
import { PeerLab } from '../peer-lab.ts';
import { AT } from './at.ts';
import { type Traffic, tryTraffic, usualHelpers } from './traffic.ts';

/** A set-up of a router, with what real traffic does there and what doctor has to say. */
export interface DoctorCase {
  readonly name: string;
  /** nft's text for the router; without it, {@link STRICT}. */
  readonly nft?: string;
  /** Shell commands that run in the router after `nft` was loaded. */
  readonly router?: string;
  /** Shell commands that run in the server. */
  readonly server?: string;
  /** Without it: the helper of the traffic, on its usual port. */
  readonly helpers?: readonly Pick<DesiredHelper, 'helper' | 'protocol' | 'port' | 'scope'>[];
  readonly traffic: Traffic;
  readonly works: boolean;
  /**
   * What doctor has to name; each pattern belongs to one problem. Null: it reports no problem. `unknown`: the traffic fails for a
   * reason that a router cannot see, so doctor has to say that it does not know.
   */
  readonly cause: RegExp | { readonly unknown: RegExp } | null;
}

/** A forward policy of drop, which admits established and related connections, and new control connections of what is tried. */
export const STRICT = `table inet filter {
  chain forward {
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    iifname "lan" tcp dport { 21, 990, 6667 } accept
    iifname "lan" udp dport { 69, 5060 } accept
  }
}
`;

/** client ── lan │ router │ wan ── server, without NAT unless a case adds it, with an FTP and a TFTP server and Pinhole's table. */
export class DoctorLab extends PeerLab {
  readonly #kernel: Kernel;

  /** @param kernel applies the helpers; labs that run at the same time may share it */
  constructor(prefix: string, kernel: Kernel) {
    super(prefix);
    this.#kernel = kernel;
  }

  /** Builds the network, applies the helpers, then stages the case. */
  async stage(staged: DoctorCase): Promise<void> {
    await this.#wire();
    await this.#applyHelpers(staged);
    await this.network.nft('router', nftText(staged.nft ?? STRICT));
    if (staged.router !== undefined) await this.network.exec('router', ['sh', '-ec', staged.router]);
    if (staged.server !== undefined) await this.network.exec('server', ['sh', '-ec', staged.server]);
  }

  /** Starts the server that the case needs and tries the case's traffic. @returns whether it works */
  fetch({ traffic, works }: DoctorCase): Promise<boolean> {
    return tryTraffic(this, traffic, works);
  }

  /** One shell a host, because spawning is most of what a lab costs. */
  async #wire(): Promise<void> {
    const { v4, v6 } = AT;
    const net = this.network;
    await net.addHosts(['client', 'router', 'server']);
    const inside = (host: string, lines: readonly string[]) =>
      net.exec(host, ['sh', '-ec', `ip -batch - <<'END'\n${lines.join('\n')}\nEND`]);
    const end = (name: string, four: string, six: string | null) => [
      `addr add ${four}/24 brd + dev ${name}`,
      ...(six === null ? [] : [`addr add ${six}/64 dev ${name} nodad`]),
      `link set ${name} up`,
    ];
    await inside('router', [
      'link set lo up',
      `link add lan type veth peer name eth0 netns ${net.netns('client')}`,
      `link add wan type veth peer name eth0 netns ${net.netns('server')}`,
      `link add other type veth peer name eth1 netns ${net.netns('server')}`,
      ...end('lan', v4.lan, v6.lan),
      ...end('wan', v4.wan, v6.wan),
      ...end('other', v4.other, null),
    ]);
    const behind = (side: 'lan' | 'wan') => [`route add default via ${v4[side]}`, `route add default via ${v6[side]}`];
    await inside('client', ['link set lo up', ...end('eth0', v4.client, v6.client), ...behind('lan')]);
    await inside('server', ['link set lo up', ...end('eth0', v4.server, v6.server), ...end('eth1', '10.79.3.2', null), ...behind('wan')]);
    await net.sysctl('router', {
      'net.ipv4.ip_forward': 1,
      'net.ipv6.conf.all.forwarding': 1,
      'net.ipv4.conf.all.rp_filter': 0,
      'net.ipv4.conf.lan.rp_filter': 0,
      'net.ipv4.conf.wan.rp_filter': 0,
    });
  }

  async #applyHelpers({ traffic, helpers = usualHelpers(traffic) }: DoctorCase): Promise<void> {
    const declared = helpers.map(({ helper, protocol, port, scope }) => desiredHelper(helper, protocol, port, { scope }));
    const router = desiredRouter(declared, { netns: this.router });
    const { table } = render(router, await this.#kernel.capabilities(), new Date(0));
    const [result] = await this.#kernel.apply([{ netns: this.router, table, replaces: null }]);
    if (!result?.ok) throw new Error(`the lab's helpers were not applied: ${result?.error.message}`);
  }
}

/** Rules as nft 1.0.6 takes them: it wants a new line between two closing braces. */
export function nftText(rules: string): string {
  return rules.replaceAll(/\}[ \t]*\}/g, '}\n}').replaceAll(/\} *table/g, '}\ntable');
}
