import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { LinuxKernel } from '../kernel/linux/linux-kernel.ts';
import { ScratchNetwork } from '../kernel/scratch.ts';
import { parseNetwork } from '../model/address.ts';
import type { Protocol } from '../model/catalogue.ts';
import { silentLogger } from '../model/logger.ts';
import { liveParts } from '../review/ruleset/live.ts';
import type { Assignment, RulesetView } from '../review/ruleset/view.ts';
import type { Subject } from '../review/subject.ts';

const PEER = fileURLToPath(new URL('./proof-peer.js', import.meta.url));
const READY_MS = 5000;
const CARRIER_ATTEMPTS = 100;
const CARRIER_POLL_MS = 30;

export interface LabNetwork {
  readonly client: string;
  readonly clientGateway: string;
  readonly clientPrefix: number;
  readonly server: string;
  readonly serverGateway: string;
  readonly inside: string;
  readonly outside: string;
}

/** What an attack showed. */
export interface AttackOutcome {
  /** Whether the control connection came through at all: otherwise nothing was tried. */
  readonly control: boolean;
  readonly reached: boolean;
  /** What nft's trace says of the attacker's packet. */
  readonly trace: readonly string[];
}

/**
 * A client, a router with the ruleset under review, and a server that attacks: three namespaces of our own, joined to nothing
 * else. Addresses and interface names are such that the ruleset's own conditions hold.
 */
export class ProofLab {
  readonly network: LabNetwork;
  readonly #scratch: ScratchNetwork;

  private constructor(scratch: ScratchNetwork, network: LabNetwork) {
    this.#scratch = scratch;
    this.network = network;
  }

  static async open(view: RulesetView, assignment: Assignment | null, prefix: string): Promise<ProofLab> {
    const network = networkFor(view, assignment);
    const scratch = new ScratchNetwork(prefix);
    const lab = new ProofLab(scratch, network);
    try {
      await lab.#wire();
      return lab;
    } catch (error) {
      await scratch.destroy();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#scratch.destroy();
  }

  async #wire(): Promise<void> {
    const { client, clientGateway, clientPrefix, server, serverGateway, inside, outside } = this.network;
    for (const host of ['client', 'router', 'server']) await this.#scratch.addHost(host);
    await this.#scratch.link(
      { host: 'client', interface: 'lab0', addresses: [`${client}/${clientPrefix}`, 'fd66:1::2/64'] },
      { host: 'router', interface: inside, addresses: [`${clientGateway}/${clientPrefix}`, 'fd66:1::1/64'] },
    );
    await this.#scratch.link(
      { host: 'server', interface: 'lab0', addresses: [`${server}/24`, 'fd66:2::2/64'] },
      { host: 'router', interface: outside, addresses: [`${serverGateway}/24`, 'fd66:2::1/64'] },
    );
    await this.#scratch.route('client', 'default', clientGateway);
    await this.#scratch.route('server', 'default', serverGateway);
    await this.#scratch.exec('client', ['ip', '-6', 'route', 'add', 'default', 'via', 'fd66:1::1']);
    await this.#scratch.exec('server', ['ip', '-6', 'route', 'add', 'default', 'via', 'fd66:2::1']);
    for (const [host, name] of [
      ['client', 'lab0'],
      ['server', 'lab0'],
      ['router', inside],
      ['router', outside],
    ] as const)
      await this.#carrier(host, name);
    await this.#scratch.sysctl('router', { 'net.ipv4.ip_forward': 1, 'net.ipv6.conf.all.forwarding': 1 });
  }

  /** A new link takes a moment until it carries packets. */
  async #carrier(host: string, name: string): Promise<void> {
    for (let attempt = 0; attempt < CARRIER_ATTEMPTS; attempt++) {
      const { stdout } = await this.#scratch.exec(host, ['ip', '-br', 'link', 'show', 'dev', name]);
      if (/\sUP\s/.test(stdout)) return;
      await sleep(CARRIER_POLL_MS);
    }
    throw new Error(`the link ${name} of the laboratory does not come up`);
  }

  /** @returns null when the kernel took the ruleset, or what it said */
  async load(subject: Subject): Promise<string | null> {
    for (const { argv, input } of loaders(subject)) {
      const problem = await this.#feed(argv, input);
      if (problem !== null) return problem;
    }
    return null;
  }

  /** As a file: nft opens JSON by its name, which the socket that Node makes of a standard input has not. */
  async #feed(argv: readonly string[], input: string): Promise<string | null> {
    const folder = mkdtempSync(join(tmpdir(), 'pinhole-proof-'));
    try {
      const file = join(folder, 'rules');
      writeFileSync(file, input);
      await this.#scratch.exec('router', [...argv, file]);
      return null;
    } catch (error) {
      const { stderr = '' } = error as { stderr?: string };
      return stderr.trim().split('\n').slice(0, 3).join(' ').replaceAll(folder, '') || `${argv[0]} failed`;
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  /** Adds rules of the proof's own. @throws with what nft said */
  async add(rules: string): Promise<void> {
    await this.#scratch.nft('router', rules);
  }

  /**
   * Which helper a connection from the client to a port of the server gets: asked by taking each off it. `seen` false: the
   * connection did not pass the router.
   */
  async helperOf(protocol: Protocol, port: number, types: readonly string[]): Promise<{ seen: boolean; type: string | null }> {
    const netns = this.#scratch.netns('router');
    await this.add(
      proofTable(`chain passed {\n type filter hook postrouting priority 300; policy accept;\n${protocol} dport ${port} counter\n}\n`),
    );
    const answering = this.#scratch.start('server', [process.execPath, PEER, 'server', protocol === 'udp' ? 'tftp' : 'ftp', String(port)]);
    try {
      await heard(answering, [], 'ready');
      await this.#scratch.exec('client', [process.execPath, PEER, 'touch', protocol, this.network.server, String(port)]);
    } finally {
      answering.kill('SIGKILL');
    }
    const kernel = new LinuxKernel({ allowed: (one) => one === netns, logger: silentLogger });
    try {
      for (const type of types) {
        if ((await kernel.changeLive(netns, { action: 'strip', selectors: [{ protocol, port, type }] })) > 0) return { seen: true, type };
      }
      const { stdout } = await this.#scratch.exec('router', ['nft', 'list', 'chain', 'inet', 'pinhole_proof', 'passed']);
      return { seen: /counter packets [1-9]/.test(stdout), type: null };
    } finally {
      await kernel.close();
    }
  }

  /** The client announces a port of its own, and the server connects to it. */
  async attack(helper: string, port: number, target: number): Promise<AttackOutcome> {
    const { client, server } = this.network;
    const trace = await this.#trace(target);
    const events: string[] = [];
    const attacker = this.#scratch.start('server', [process.execPath, PEER, 'server', helper, String(port)]);
    try {
      await heard(attacker, events, 'ready');
      const { stdout } = await this.#scratch
        .exec('client', [process.execPath, PEER, 'client', helper, server, String(port), client, String(target)])
        .catch((error: { stdout?: string }) => ({ stdout: error.stdout ?? '' }));
      return {
        control: events.some((line) => line.includes('"control"')),
        reached: stdout.includes('"reached"'),
        trace: await trace.end(),
      };
    } finally {
      attacker.kill('SIGKILL');
    }
  }

  /** Has the kernel trace what comes in from outside for a port: `meta nftrace set 1`, and `nft monitor trace`. */
  async #trace(target: number) {
    const { outside } = this.network;
    await this.add(
      proofTable(
        `chain trace {\n type filter hook prerouting priority -350; policy accept;\niifname "${outside}" tcp flags & (syn | ack) == syn meta nftrace set 1\niifname "${outside}" udp dport ${target} meta nftrace set 1\n}\n`,
      ),
    );
    const monitor = this.#scratch.start('router', ['stdbuf', '-oL', 'nft', 'monitor', 'trace']);
    let text = '';
    monitor.stdout?.on('data', (chunk) => {
      text += chunk;
    });
    return {
      end: async () => {
        await this.#scratch.exec('router', ['nft', 'list', 'tables']);
        monitor.kill('SIGTERM');
        await new Promise((resolve) => monitor.on('close', resolve));
        return traceLines(text);
      },
    };
  }
}

/** A table of the proof's own, in place of the one before. */
function proofTable(content: string): string {
  return `table inet pinhole_proof\ndelete table inet pinhole_proof\ntable inet pinhole_proof {\n${content}}\n`;
}

/** Rules and verdicts of a trace, without the proof's own chain. */
function traceLines(text: string): string[] {
  return text
    .split('\n')
    .filter((line) => / (rule|policy) /.test(line) && !line.includes('pinhole_proof'))
    .map((line) => line.replace(/^trace id \w+ /, '').trim())
    .slice(0, 12);
}

async function heard(child: ChildProcess, events: string[], event: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('the attacker does not start')), READY_MS);
    child.stdout?.on('data', (chunk: Buffer) => {
      events.push(String(chunk));
      if (!String(chunk).includes(`"${event}"`)) return;
      clearTimeout(timer);
      resolve();
    });
    child.on('close', () => reject(new Error('the attacker ended')));
  });
}

/** Files that a ruleset would read, or programs that it names, have no place in a proof. */
function loaders(subject: Subject): { argv: string[]; input: string }[] {
  switch (subject.kind) {
    case 'nft':
      return [{ argv: ['nft', '-f'], input: subject.text }];
    case 'nft-json':
      return [{ argv: ['nft', '-j', '-f'], input: subject.text }];
    case 'iptables': {
      const parts = { ip: '', ip6: '' };
      let family: 'ip' | 'ip6' = /\bip6tables/.test(subject.text) && !/\biptables(-\w+)*-save/.test(subject.text) ? 'ip6' : 'ip';
      for (const line of subject.text.split('\n')) {
        if (/^#.*\bip6tables/.test(line)) family = 'ip6';
        else if (/^#.*\biptables/.test(line)) family = 'ip';
        parts[family] += `${line}\n`;
      }
      return [
        { argv: ['iptables-restore'], input: parts.ip },
        { argv: ['ip6tables-restore'], input: parts.ip6 },
      ].filter(({ input }) => /^\*/m.test(input));
    }
    case 'live': {
      const { nft, iptables, ip6tables } = liveParts(subject.text);
      return [
        { argv: ['nft', '-j', '-f'], input: withoutIptables(nft, [iptables, ip6tables]) },
        ...(iptables ? [{ argv: ['iptables-restore'], input: iptables }] : []),
        ...(ip6tables ? [{ argv: ['ip6tables-restore'], input: ip6tables }] : []),
      ];
    }
    default:
      return [];
  }
}

/** nft cannot load what it lists of the tables of iptables: `iptables-restore` makes those. */
function withoutIptables(nft: string, saved: readonly (string | null)[]): string {
  const owned = new Set(
    ['ip', 'ip6'].flatMap((family, index) => [...(saved[index] ?? '').matchAll(/^\*(\S+)/gm)].map(([, table]) => `${family} ${table}`)),
  );
  const { nftables } = JSON.parse(nft) as { nftables: Readonly<Record<string, { family?: string; table?: string; name?: string }>>[] };
  const isOwned = (item: (typeof nftables)[number]) =>
    Object.entries(item).some(([kind, { family, table, name }]) => owned.has(`${family} ${kind === 'table' ? name : table}`));
  return JSON.stringify({ nftables: nftables.filter((item) => !isOwned(item)) });
}

/** Interfaces and addresses with which the ruleset's own conditions hold. */
function networkFor(view: RulesetView, assignment: Assignment | null): LabNetwork {
  const matches = view.ruleset.chains.flatMap(({ rules }) => rules).flatMap((rule) => rule.matches.map((one) => ({ one, rule })));
  const names = (key: 'iif' | 'oif') => matches.filter(({ one }) => one.key === key && !one.negated).flatMap(({ one }) => one.values ?? []);
  const nat = matches.find(({ one, rule }) => one.key === 'oif' && !one.negated && rule.action?.kind === 'nat')?.one.values?.[0];
  const own = assignment?.place?.matches ?? [];
  const wanted = own.find(({ key, negated }) => key === 'iif' && !negated)?.values?.[0];
  const outside = firstUsable([nat, ...names('oif').filter((name) => name !== wanted)], []) ?? 'labout0';
  const inside = firstUsable([wanted, ...names('iif')], [outside]) ?? 'labin0';
  const source = own.find(({ key, negated }) => key === 'saddr' && !negated)?.values?.find((value) => /^\d/.test(value));
  const destination = own.find(({ key, negated }) => key === 'daddr' && !negated)?.values?.find((value) => /^\d/.test(value));
  return { ...addressesIn(source ?? '10.66.1.0/24'), ...serverIn(destination ?? '203.0.113.0/24'), inside, outside };
}

/** A name that an interface can have (dev_valid_name of net/core/dev.c, and less): it goes into commands that root runs. */
const INTERFACE = /^(?!lo$|\.{1,2}$)[\w.-]{1,15}$/;

/** `eth*` and `eth+` stand for eth0. */
function firstUsable(names: readonly (string | undefined)[], taken: readonly string[]): string | undefined {
  return names.map((name) => name?.replace(/[+*]$/, '0') ?? '').find((name) => INTERFACE.test(name) && !taken.includes(name));
}

function addressesIn(cidr: string): Pick<LabNetwork, 'client' | 'clientGateway' | 'clientPrefix'> {
  const { address, prefix } = split(cidr);
  if (prefix >= 31) return { client: address, clientGateway: sibling(address, 1), clientPrefix: 24 };
  return { client: sibling(address, 2), clientGateway: sibling(address, 1), clientPrefix: Math.max(prefix, 8) };
}

function serverIn(cidr: string): Pick<LabNetwork, 'server' | 'serverGateway'> {
  const { address, prefix } = split(cidr);
  const server = prefix >= 31 ? address : sibling(address, 2);
  return { server, serverGateway: sibling(server, 1) };
}

function split(cidr: string): { address: string; prefix: number } {
  parseNetwork(cidr, 'address');
  const [address = '', prefix = '32'] = cidr.split('/');
  return { address, prefix: Number(prefix) };
}

/** Another address of the same /24: `last`, or the one after where that is the address itself. */
function sibling(address: string, last: number): string {
  const parts = address.split('.');
  const own = Number(parts[3]);
  return [...parts.slice(0, 3), own === last ? last + 2 : last].join('.');
}
