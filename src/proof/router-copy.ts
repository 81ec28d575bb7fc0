import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { HOST_NETNS, type Netns } from '../contract/netns.ts';
import { ScratchNetwork } from '../lab/scratch-network.ts';
import { PinholeError } from '../model/errors.ts';
import type { PathReport } from '../probe/client.ts';
import { readRuleset } from '../review/engine.ts';
import { NO_HOST, RulesetView } from '../review/ruleset/view.ts';
import type { Subject } from '../review/subject.ts';
import { type CopiedEnds, type CopiedLink, copiedRoutes, copiedRules, endsOf, readLinks, sidesOf } from './copied-network.ts';
import { loadRules } from './load-rules.ts';
import { type Asking, probeBetween } from './probe-between.ts';
import { readTrace, type Stopped } from './trace.ts';

const run = promisify(execFile);

/** The settings that decide whether and how a packet is forwarded. */
const SETTINGS =
  '^net\\.(ipv4\\.ip_forward|ipv[46]\\.conf\\..*\\.(forwarding|rp_filter|accept_local|src_valid_mark)|ipv[46]\\.fib_multipath_hash_policy|netfilter\\.nf_conntrack_(tcp_be_liberal|tcp_loose|helper))$';
const TRACE_TABLE = 'pinhole_try';
/** Before any chain but those for raw packets. Both protocols, because data connections have either. */
const TRACE = `table inet ${TRACE_TABLE} {
chain trace {
type filter hook prerouting priority -350; policy accept;
tcp flags & (syn | ack) == syn meta nftrace set 1
meta l4proto udp meta nftrace set 1
}
}
`;

/** Lines of each family. */
interface Both {
  readonly v4: readonly string[];
  readonly v6: readonly string[];
}

/** What a router's namespace is made of. */
interface Original {
  readonly links: readonly CopiedLink[];
  /** As `ip route add` and `ip rule add` take them. */
  readonly routes: Both;
  readonly rules: Both;
  readonly settings: readonly string[];
  /** iptables-legacy's rules; empty: none. */
  readonly legacy: { readonly v4: string; readonly v6: string };
}

/** Interfaces that the user names; undefined: they are chosen. */
export interface Sides {
  readonly from?: string;
  readonly to?: string;
}

/**
 * A copy of a router in a scratch network, with its interfaces, addresses, routes, settings and rules, and with a client and a server at its
 * sides. What happens in it has no effect on the router.
 */
export class RouterCopy {
  readonly #scratch: ScratchNetwork;
  readonly #ends: readonly CopiedEnds[];

  private constructor(scratch: ScratchNetwork, ends: readonly CopiedEnds[]) {
    this.#scratch = scratch;
    this.#ends = ends;
  }

  /**
   * Makes the copy. Needs root.
   * @param live its rules
   * @param options prefix of the namespaces, the sides, and the scope of the helpers
   * @throws PinholeError that says what cannot be copied; nothing is left behind then
   */
  static async open(
    netns: Netns,
    live: Subject,
    { prefix, sides, scope }: { prefix: string; sides: Sides; scope: { source: string | null; destination: string | null } },
  ): Promise<RouterCopy> {
    const original = await readOriginal(netns);
    const chosen = chooseSides(original, live, sides);
    const ends = endsOf(chosen, [...original.routes.v4, ...original.routes.v6], scope);
    if (ends.length === 0)
      throw cannot(`${chosen.inside.name} and ${chosen.outside.name} have no addresses of one family with room for a host`);
    const scratch = new ScratchNetwork(prefix);
    try {
      await wire(scratch, original, { ...chosen, ends });
      const problem = await loadRules(scratch, 'router', live);
      if (problem !== null) throw cannot(`this kernel does not take its rules a second time: ${problem}`);
      await restoreLegacy(scratch, original);
      await scratch.nft('router', TRACE);
      return new RouterCopy(scratch, ends);
    } catch (error) {
      await scratch.destroy();
      throw error;
    }
  }

  /** Sends a probe through the copy. @returns what it found, and at which rules packets ended */
  async probe(asking: Asking): Promise<{ reports: PathReport[]; stopped: Stopped[] }> {
    const monitor = this.#scratch.start('router', ['stdbuf', '-oL', 'nft', 'monitor', 'trace']);
    let trace = '';
    monitor.stdout?.on('data', (chunk: Buffer) => {
      trace += String(chunk);
    });
    let reports: PathReport[];
    const servers = this.#ends.map(({ server }) => server.address);
    const ends = { client: this.#scratch.netns('client'), server: this.#scratch.netns('server'), listen: servers };
    try {
      reports = await probeBetween(ends, servers, asking);
    } finally {
      monitor.kill('SIGTERM');
      await new Promise((resolve) => monitor.on('close', resolve));
    }
    return { reports, stopped: readTrace(trace, TRACE_TABLE) };
  }

  /** Takes Pinhole's table away, to see who else assigns helpers. @returns whether there was one */
  async withoutPinhole(): Promise<boolean> {
    const { stdout } = await this.#scratch.exec('router', ['nft', 'list', 'tables']);
    if (!/^table inet pinhole$/m.test(stdout)) return false;
    await this.#scratch.nft('router', 'delete table inet pinhole\n');
    return true;
  }

  /** Removes the namespaces. */
  async close(): Promise<void> {
    await this.#scratch.destroy();
  }
}

function cannot(why: string): PinholeError {
  return new PinholeError('internal', `The router cannot be copied: ${why}.`);
}

function chooseSides(original: Original, live: Subject, { from, to }: Sides): { inside: CopiedLink; outside: CopiedLink } {
  const link = (name: string) => {
    const found = original.links.find((one) => one.name === name);
    if (!found) throw cannot(`it has no interface ${name} that is up`);
    // A port of a bridge has no addresses: its bridge does.
    return original.links.find((one) => one.name === found.master) ?? found;
  };
  const view = new RulesetView(live.name, readRuleset(live), { host: NO_HOST });
  const matches = view.ruleset.chains.flatMap(({ rules }) => rules).flatMap((rule) => rule.matches);
  const names = (key: 'iif' | 'oif') => matches.filter((one) => one.key === key && !one.negated).flatMap(({ values }) => values ?? []);
  const chosen = sidesOf(original.links, [...original.routes.v4, ...original.routes.v6], { iif: names('iif'), oif: names('oif') });
  const inside = from === undefined ? chosen?.inside : link(from);
  const outside = to === undefined ? chosen?.outside : link(to);
  if (!inside || !outside || inside === outside)
    throw cannot('it has no two interfaces with addresses; name them with --inside and --outside');
  return { inside, outside };
}

async function readOriginal(netns: Netns): Promise<Original> {
  const read = async (...argv: string[]) => {
    const [program = '', ...rest] = netns === HOST_NETNS ? argv : ['ip', 'netns', 'exec', netns, ...argv];
    return (await run(program, rest, { maxBuffer: 64 * 1024 * 1024 })).stdout;
  };
  const saved = async (program: string) => {
    const text = await read(program).catch(() => '');
    return /^-A |^:\S+ DROP/m.test(text) ? text : '';
  };
  const [links, routes4, routes6, rules4, rules6, settings, legacy4, legacy6] = await Promise.all([
    read('ip', '-j', '-d', 'address', 'show'),
    read('ip', '-4', 'route', 'show', 'table', 'all'),
    read('ip', '-6', 'route', 'show', 'table', 'all'),
    read('ip', '-4', 'rule', 'show'),
    read('ip', '-6', 'rule', 'show'),
    read('sysctl', '-a', '--pattern', SETTINGS),
    saved('iptables-legacy-save'),
    saved('ip6tables-legacy-save'),
  ]);
  return {
    links: readLinks(links),
    routes: { v4: copiedRoutes(routes4), v6: copiedRoutes(routes6) },
    rules: { v4: copiedRules(rules4), v6: copiedRules(rules6) },
    settings: settings.split('\n').flatMap((line) => {
      const [name = '', value = ''] = line.split(' = ');
      return value === '' ? [] : [`${name}=${value.trim()}`];
    }),
    legacy: { v4: legacy4, v6: legacy6 },
  };
}

/** Names of the links' other ends. */
const LAB = 'lab0';

async function wire(
  scratch: ScratchNetwork,
  original: Original,
  { inside, outside, ends }: { inside: CopiedLink; outside: CopiedLink; ends: readonly CopiedEnds[] },
): Promise<void> {
  for (const host of ['client', 'router', 'server', 'nowhere']) await scratch.addHost(host);
  const holder = (link: CopiedLink) => portOf(original, link).name;
  const hostAt = (name: string) => (name === holder(inside) ? 'client' : name === holder(outside) ? 'server' : 'nowhere');
  const lines = original.links.map(({ name, isBridge }, index) => {
    if (isBridge) return `link add ${name} type bridge`;
    const host = hostAt(name);
    return `link add ${name} type veth peer name ${host === 'nowhere' ? `x${index}` : LAB} netns ${scratch.netns(host)}`;
  });
  for (const { name, master } of original.links) if (master !== null) lines.push(`link set ${name} master ${master}`);
  for (const { name, addresses } of original.links) {
    for (const { family, address, prefix } of addresses)
      lines.push(`address add ${address}/${prefix} ${family === 'ipv4' ? 'brd +' : ''} dev ${name} ${family === 'ipv6' ? 'nodad' : ''}`);
    lines.push(`link set ${name} up`);
  }
  await batch(scratch, 'router', lines);
  await batch(
    scratch,
    'nowhere',
    original.links.flatMap(({ name, isBridge }, index) => (isBridge || hostAt(name) !== 'nowhere' ? [] : [`link set x${index} up`])),
  );
  for (const { client, server } of ends) {
    await batch(scratch, 'client', endLines({ onLink: client.address, ...client }));
    await batch(scratch, 'server', endLines(server));
  }
  await scratch.exec('router', ['sysctl', '-qe', '-w', ...original.settings]);
  await route(scratch, original);
  await carriers(scratch);
}

/** The interface by which a bridge has hosts: its first port. Another interface itself. */
function portOf({ links }: Original, link: CopiedLink): CopiedLink {
  return link.isBridge ? (links.find(({ master }) => master === link.name) ?? link) : link;
}

function endLines({ onLink, address, gateway, prefix }: CopiedEnds['server']): string[] {
  const nodad = (one: string) => (one.includes(':') ? 'nodad' : '');
  return [
    `link set ${LAB} up`,
    `address add ${onLink}/${prefix} dev ${LAB} ${nodad(onLink)}`,
    ...(address === onLink ? [] : [`address add ${address} dev lo ${nodad(address)}`]),
    `route add default via ${gateway} dev ${LAB} ${address === onLink ? '' : `src ${address}`}`,
  ];
}

/** Replaces the routes that the addresses made by those of the original, and the rules likewise. */
async function route(scratch: ScratchNetwork, { routes, rules }: Original): Promise<void> {
  for (const [flag, lines, own] of [
    ['-4', routes.v4, rules.v4],
    ['-6', routes.v6, rules.v6],
  ] as const) {
    // A route may need another one, to reach its gateway, that comes after it.
    const adds = [...lines, ...lines].map((line) => `route replace ${line}`);
    await batch(scratch, 'router', ['route flush table main', ...adds, ...ruleLines(own)], [flag, '-force']);
  }
}

/** `pref 32766` and `32767` are the kernel's own. */
function ruleLines(rules: readonly string[]): string[] {
  return ['rule del pref 32766', 'rule del pref 32767', ...rules.map((rule) => `rule add ${rule}`)];
}

async function restoreLegacy(scratch: ScratchNetwork, { legacy }: Original): Promise<void> {
  for (const [program, text] of [
    ['iptables-legacy-restore', legacy.v4],
    ['ip6tables-legacy-restore', legacy.v6],
  ] as const)
    if (text !== '') await scratch.exec('router', ['sh', '-ec', `${program} <<'PINHOLE_END'\n${text}\nPINHOLE_END`]);
}

/** Runs lines of `ip` in one process. */
async function batch(scratch: ScratchNetwork, host: string, lines: readonly string[], flags: readonly string[] = []): Promise<void> {
  if (lines.length === 0) return;
  const input = `ip ${flags.join(' ')} -batch - <<'PINHOLE_END'\n${lines.join('\n')}\nPINHOLE_END`;
  const quiet = flags.includes('-force') ? `{ ${input}\n} 2>/dev/null || true` : input;
  await scratch.exec(host, ['sh', '-ec', quiet]);
}

const CARRIER_ATTEMPTS = 100;

/** Waits until the ends' links carry packets. */
async function carriers(scratch: ScratchNetwork): Promise<void> {
  for (const host of ['client', 'server'])
    for (let attempt = 0; ; attempt++) {
      const { stdout } = await scratch.exec(host, ['ip', '-br', 'link', 'show', 'dev', LAB]);
      if (/\sUP\s/.test(stdout)) break;
      if (attempt >= CARRIER_ATTEMPTS) throw cannot('a link of the copy does not come up');
    }
}
