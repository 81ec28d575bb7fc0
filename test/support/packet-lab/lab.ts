import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { readNetwork } from '../../../src/diagnosis/network.ts';
import { Router, type Sent } from '../../../src/diagnosis/router.ts';
import { loadLibc } from '../../../src/kernel/linux/libc.ts';
import { LocalOpener, type Opener } from '../../../src/kernel/linux/opener.ts';
import { ScratchNetwork } from '../../../src/lab/scratch-network.ts';
import { readIptablesSave } from '../../../src/review/ruleset/iptables.ts';
import { liveText, readLive } from '../../../src/review/ruleset/live.ts';
import { Connections } from './connections.ts';
import { frameOf, sameAddress } from './frames.ts';
import { CABLES } from './places.ts';
import { packetOf, type Shot } from './traffic.ts';
import { type Arrival, Wire } from './wire.ts';

const run = promisify(execFile);

/**
 * Rules of the lab's own, before and after all others: packets are tracked whatever the rules ask for, and the router itself answers
 * nothing.
 */
const OWN = `table inet own {
  chain seen { type filter hook prerouting priority -2000; ct state new counter; }
  chain mute { type filter hook output priority -2000; policy drop; }
}`;

/** nft reports some errors at a time. */
const MAX_TRIES = 20;

/** What the kernel did with a packet, and what the evaluator said of it. */
export interface Comparison {
  readonly shot: Shot;
  readonly kernel: Arrival | { readonly kind: 'dropped' };
  readonly sent: Sent;
  readonly result: 'agreed' | 'unknown' | 'disagreed';
}

/** A real router whose rules change, and the evaluator's idea of it. */
export class DifferentialLab {
  readonly network: ScratchNetwork;
  readonly #opener: Opener = new LocalOpener(loadLibc());
  #wire: Wire | null = null;
  #connections: Connections | null = null;
  #router: Router | null = null;
  #next = 1;

  constructor(prefix: string) {
    this.network = new ScratchNetwork(prefix);
  }

  async build(): Promise<void> {
    const net = this.network;
    await net.addHost('router');
    await net.addHost('ends');
    for (const { device, peer, router } of CABLES)
      await net.link(
        { host: 'router', interface: device, addresses: [`${router.ipv4}/24`, `${router.ipv6}/64`] },
        { host: 'ends', interface: peer, addresses: [] },
      );
    await net.exec('ends', ['sysctl', '-qw', 'net.ipv6.conf.all.disable_ipv6=1']);
    await net.sysctl('router', {
      'net.ipv4.ip_forward': 1,
      'net.ipv6.conf.all.forwarding': 1,
      'net.ipv4.conf.all.rp_filter': 0,
      'net.ipv4.conf.default.rp_filter': 0,
      ...Object.fromEntries(CABLES.map(({ device }) => [`net.ipv4.conf.${device}.rp_filter`, 0])),
      'net.netfilter.nf_conntrack_tcp_be_liberal': 1,
    });
    await net.exec('router', ['sh', '-ec', CABLES.flatMap((cable) => setUp(cable)).join('\n')]);
    await net.nft('router', OWN);
    const wire = new Wire(net.netns('router'), net.netns('ends'), CABLES);
    this.#wire = wire;
    this.#connections = new Connections(loadLibc(), wire.netfilterSocket());
  }

  /** Replaces all rules by those of nft's language. @returns false: the kernel refuses them */
  async loadNft(rules: string): Promise<boolean> {
    await this.network.nft('router', `flush ruleset\n${OWN}`);
    return this.#load(() => this.#loadMost(rules));
  }

  /** Leaves out the lines that nft refuses, such as rules with the headers of two protocols. */
  async #loadMost(rules: string): Promise<void> {
    let lines = rules.split('\n');
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      try {
        return await this.network.nft('router', lines.join('\n'));
      } catch (error) {
        const refused = new Set([...String(error).matchAll(/stdin:(\d+):\d+-\d+: Error/g)].map(([, line]) => Number(line)));
        if (refused.size === 0) throw error;
        lines = lines.filter((_, index) => !refused.has(index + 1));
      }
    }
    throw new Error('nft refuses too many lines');
  }

  /** Replaces what iptables and ip6tables have. @param program `nft` or `legacy` */
  async loadIptables(program: 'nft' | 'legacy', rules: { readonly ipv4: string; readonly ipv6: string }): Promise<boolean> {
    return this.#load(async () => {
      await this.#restore(`iptables-${program}-restore`, rules.ipv4);
      await this.#restore(`ip6tables-${program}-restore`, rules.ipv6);
    });
  }

  /** Sends packets through the kernel and through the evaluator. At most a few hundred: their frames wait in sockets. */
  compare(shots: readonly Shot[]): Comparison[] {
    const [wire, connections, router] = [this.#wire, this.#connections, this.#router];
    if (!wire || !connections || !router) throw new Error('no rules are loaded');
    connections.flush();
    for (const { planted } of shots) if (planted) connections.plant(planted);
    const first = this.#next;
    this.#next += shots.length;
    const frames = shots.map(({ device, header }, index) => ({ device, frame: frameOf(header, first + index, linkOf(device)) }));
    const arrived = wire.send(frames);
    return shots.map((shot, index) => {
      const kernel = arrived.get(first + index) ?? ({ kind: 'dropped' } as const);
      const sent = predict(router, shot);
      return { shot, kernel, sent, result: resultOf(kernel, sent) };
    });
  }

  async destroy(): Promise<void> {
    this.#wire?.close();
    this.#opener.close();
    await this.network.destroy();
  }

  async #restore(program: string, rules: string): Promise<void> {
    const child = run('ip', ['netns', 'exec', this.network.netns('router'), program]);
    child.child.stdin?.end(rules);
    await child;
  }

  async #load(load: () => Promise<void>): Promise<boolean> {
    try {
      await load();
    } catch {
      return false;
    }
    const rules = await this.#opener.allRules(this.network.netns('router'));
    const sources = [
      { program: '', ruleset: readLive(liveText(rules), 'live rules') },
      { program: 'iptables-legacy', ruleset: readIptablesSave(rules.legacy ?? '', 'iptables-legacy') },
    ];
    this.#router = new Router(sources, readNetwork(rules.network, rules.settings));
    return true;
  }
}

/** Known link addresses, so that the router asks for none. */
function setUp({ device, mac, peerMac, hosts }: (typeof CABLES)[number]): string[] {
  const all = [...hosts.ipv4, ...hosts.ipv6];
  return [
    `ip link set ${device} address ${mac}`,
    ...all.map((host) => `ip neigh replace ${host} lladdr ${peerMac} dev ${device} nud permanent`),
  ];
}

function linkOf(device: string): Buffer {
  const cable = CABLES.find((one) => one.device === device);
  return Buffer.from(`${cable?.mac}:${cable?.peerMac}`.replaceAll(':', ''), 'hex');
}

function predict(router: Router, shot: Shot): Sent {
  const { source, destination, dport } = shot.header;
  return router.send({
    packet: packetOf(shot),
    expected: null,
    track: (effects) => ({ ...shot.tracked, ...(effects.some(({ kind }) => kind === 'notrack') ? { state: 'untracked' } : {}) }),
    translated: shot.planted ? { source, destination, dport } : null,
  });
}

function resultOf(kernel: Comparison['kernel'], { stops, doubts, output, packet }: Sent): Comparison['result'] {
  if (stops.length > 0) return kernel.kind === 'dropped' ? 'agreed' : 'disagreed';
  if (doubts.length > 0) return 'unknown';
  if (output === null) return kernel.kind === 'taken' ? 'agreed' : 'disagreed';
  const same =
    kernel.kind === 'forwarded' &&
    kernel.device === output &&
    kernel.dport === packet.dport &&
    sameAddress(kernel.destination, packet.destination, packet.family) &&
    sameAddress(kernel.source, packet.source, packet.family);
  return same ? 'agreed' : 'disagreed';
}
