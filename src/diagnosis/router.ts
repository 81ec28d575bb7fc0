import { FAMILIES, type Family } from '../model/catalogue.ts';
import type { Operand, Statement } from '../review/ruleset/exact.ts';
import { CONNTRACK_PRIORITY } from '../review/ruleset/model.ts';
import type { Packet, Surroundings, Tracked } from '../review/ruleset/packet.ts';
import { type Decision, type Effect, type Hook, PacketWalk, type RuleSource, translationOf } from '../review/ruleset/walk.ts';
import { isOwn, type NetworkFacts } from './network.ts';
import { lookUpRoute, type RouteAnswer } from './routing.ts';

/** What stops a packet: a rule, or a route or setting, in words with what to change. */
export type Stop =
  /** `hook`: where the rule's chain begins. */
  | { readonly kind: 'rule'; readonly by: Decision; readonly hook: string }
  | { readonly kind: 'routing'; readonly text: string }
  /** Packets of one conversation are in different zones. */
  | { readonly kind: 'zone'; readonly text: string; readonly by: Decision | null };

/** What may stop a packet, as far as doctor can see. */
export type Doubt = Decision | string;

/** A packet that is to be sent through the router. */
export interface Sending {
  readonly packet: Packet;
  /** Where the packet would have to leave; null: this host takes it. Used where routes say nothing. */
  readonly expected: string | null;
  /** What conntrack makes of it, from what the rules before conntrack did. */
  readonly track: (effects: readonly Effect[]) => Tracked;
  /** Header after NAT, for a packet of a known connection; null: the first packet of one that NAT rules translate. */
  readonly translated: { readonly source: string; readonly destination: string; readonly dport: number | null } | null;
}

/** How it went. */
export interface Sent {
  /** In the order of the packet's way. It is followed past a drop, but not past one of {@link FILTERING}. */
  readonly stops: readonly Stop[];
  readonly doubts: readonly Doubt[];
  readonly effects: readonly Effect[];
  /** Header as it left, or as the host took it. */
  readonly packet: Packet;
  /** Interface through which it left; null: this host took it. */
  readonly output: string | null;
}

/** The hooks at which firewalls say which connections they admit. */
export const FILTERING: ReadonlySet<string> = new Set(['forward', 'input', 'output']);

/** NF_IP_PRI_NAT_DST and NF_IP_PRI_NAT_SRC (linux/netfilter_ipv4.h), at which conntrack's NAT translates. */
const NAT = { destination: -100, source: 100 };

/** A router with all its rules, routes and settings, through which packets are sent one at a time. */
export class Router {
  readonly network: NetworkFacts;
  readonly #sources: readonly RuleSource[];
  readonly #around: Surroundings;
  readonly #walk: PacketWalk;

  constructor(sources: readonly RuleSource[], network: NetworkFacts) {
    this.network = network;
    this.#sources = sources;
    this.#around = {
      typeOf: (address, packet) => typeOf(network, address, packet.family),
      reachedThrough: (address, packet, mark) => {
        const answer = lookUpRoute(network, { ...queryOf(packet), to: address, from: packet.destination, input: null, mark });
        return answer.kind === 'unknown' ? null : answer.kind === 'unicast' ? answer.devices : [];
      },
    };
    this.#walk = new PacketWalk(sources, this.#around);
  }

  /** Destination ports at which some rule begins or ceases to apply, ascending. */
  get portLimits(): readonly number[] {
    const limits = new Set<number>();
    for (const { ruleset } of this.#sources)
      for (const { rules } of ruleset.chains) for (const { exact = [] } of rules) for (const one of exact) addLimits(one, limits);
    return [...limits].sort((a, b) => a - b);
  }

  /** Whether some rule translates destinations. */
  get translatesDestinations(): boolean {
    const does = (one: Statement) => one.kind === 'nat' && (one.form === 'dnat' || one.form === 'redirect');
    return this.#sources.some(({ ruleset }) => ruleset.chains.some(({ rules }) => rules.some(({ exact = [] }) => exact.some(does))));
  }

  /** Sends a packet through. */
  send(sending: Sending): Sent {
    return new Journey(this.network, this.#walk, this.#around, sending).run();
  }
}

/** Type of an address as the kernel's table `local` has it. */
function typeOf(network: NetworkFacts, address: string, family: Family): string {
  const query = { family, to: address, from: null, input: null, mark: 0, protocol: null, sport: null, dport: null };
  const local = { ...network, rules: { ...network.rules, [family]: network.rules[family].filter(({ table }) => table === 'local') } };
  if (lookUpRoute(local, query).kind === 'local') return 'local';
  return /^(22[4-9]|23\d)\.|^ff/i.test(address) ? 'multicast' : /^255\.255\.255\.255$/.test(address) ? 'broadcast' : 'unicast';
}

function queryOf({ family, source, destination, input, mark, protocol, sport, dport }: Packet) {
  return { family, to: destination, from: source, input, mark, protocol, sport, dport };
}

function addLimits(one: Statement, limits: Set<number>): void {
  const values =
    one.kind === 'condition' && isAboutPorts(one.left)
      ? (one.right ?? [])
      : one.kind === 'verdict-map' && isAboutPorts(one.key)
        ? (one.entries ?? []).map(([value]) => value)
        : [];
  for (const value of values.flatMap((all) => (all.kind === 'concat' ? all.parts : [all]))) {
    // A comparison with `<` or `>` begins or ends beside its number.
    if (value.kind === 'one' && typeof value.value === 'number') limits.add(value.value).add(value.value + 1);
    if (value.kind === 'range' && typeof value.from === 'number' && typeof value.to === 'number') limits.add(value.from).add(value.to + 1);
  }
}

function isAboutPorts(operand: Operand): boolean {
  return operand.kind === 'concat' ? operand.parts.some(isAboutPorts) : operand.kind === 'field' && operand.name.endsWith(' dport');
}

/** One packet on its way. */
class Journey {
  readonly #network: NetworkFacts;
  readonly #walk: PacketWalk;
  readonly #around: Surroundings;
  readonly #sending: Sending;
  readonly #packet: Packet;
  readonly #stops: Stop[] = [];
  readonly #doubts: Doubt[] = [];
  readonly #effects: Effect[] = [];
  #turned = false;

  constructor(network: NetworkFacts, walk: PacketWalk, around: Surroundings, sending: Sending) {
    this.#network = network;
    this.#walk = walk;
    this.#around = around;
    this.#sending = sending;
    this.#packet = sending.packet;
  }

  run(): Sent {
    const packet = this.#packet;
    const fromOutside = packet.input !== null;
    const output = fromOutside ? this.#enter() && this.#route() : this.#emit();
    return {
      stops: this.#stops,
      doubts: this.#doubts,
      effects: this.#effects,
      packet,
      output: typeof output === 'string' ? output : null,
    };
  }

  /** From the wire to the routing decision. @returns false: dropped */
  #enter(): boolean {
    const device = this.#packet.input as string;
    return (
      this.#link(device, 'in') &&
      this.#hook('prerouting', { to: CONNTRACK_PRIORITY }) &&
      this.#track() &&
      this.#hook('prerouting', { from: CONNTRACK_PRIORITY, to: NAT.destination + 1 }) &&
      this.#translateDestination('prerouting') &&
      this.#hook('prerouting', { from: NAT.destination + 1 })
    );
  }

  /** From the routing decision to the wire, or to this host. @returns the interface; null: this host took it; false: dropped */
  #route(): string | null | false {
    const packet = this.#packet;
    this.#checkReversePath();
    const answer = lookUpRoute(this.#network, queryOf(packet));
    if (answer.kind === 'local' || isOwn(this.#network, packet.destination)) return this.#hook('input') ? null : false;
    this.#checkForwarding();
    packet.output = this.#deviceOf(answer);
    return this.#hook('forward') && this.#leave();
  }

  /** A packet of this host. */
  #emit(): string | false {
    const packet = this.#packet;
    packet.output = this.#deviceOf(lookUpRoute(this.#network, queryOf(packet)));
    return (
      this.#hook('output', { to: CONNTRACK_PRIORITY }) &&
      this.#track() &&
      this.#hook('output', { from: CONNTRACK_PRIORITY, to: NAT.destination + 1 }) &&
      this.#translateDestination('output') &&
      this.#hook('output', { from: NAT.destination + 1 }) &&
      this.#leave()
    );
  }

  #leave(): string | false {
    const packet = this.#packet;
    const output = packet.output ?? '';
    const passes =
      this.#hook('postrouting', { to: NAT.source }) &&
      this.#translateSource() &&
      this.#hook('postrouting', { from: NAT.source }) &&
      this.#link(output, 'out');
    return passes && output;
  }

  /** Sends the packet through the filter chains of a hook. @returns false: dropped */
  #hook(name: string, range: Pick<Hook, 'from' | 'to'> = {}): boolean {
    return this.#chains({ name, families: this.#families(), nat: false, ...range });
  }

  /** After a rule that may have turned the packet elsewhere, nothing surely stops it. */
  #stop(stop: Stop): void {
    if (!this.#turned) this.#stops.push(stop);
    else if (stop.kind === 'rule') this.#doubts.push(stop.by);
    else this.#doubts.push(stop.text);
  }

  #families(): string[] {
    return ['inet', this.#packet.family === 'ipv4' ? 'ip' : 'ip6'];
  }

  #chains(hook: Hook): boolean {
    const passage = this.#walk.pass(this.#packet, hook);
    this.#effects.push(...passage.effects);
    if (passage.verdict === 'drop' && passage.by) this.#stop({ kind: 'rule', by: passage.by, hook: hook.name });
    if (passage.verdict === 'unknown' && passage.by) this.#doubts.push(passage.by);
    if (passage.turn) this.#doubts.push(passage.turn);
    this.#turned ||= passage.turn !== null;
    return passage.verdict !== 'drop' || !FILTERING.has(hook.name);
  }

  /** The hooks of the device, and of the ports of a bridge, where nothing is tracked. */
  #link(device: string, way: 'in' | 'out'): boolean {
    const { links } = this.#network;
    const isBridge = links.some(({ name, kind }) => name === device && kind === 'bridge');
    const ports = isBridge ? links.filter(({ master, up }) => master === device && up).map(({ name }) => name) : [];
    for (const { name, xdp, filtered } of links.filter((link) => [device, ...ports].includes(link.name))) {
      if (xdp) this.#doubts.push(`an XDP program at ${name} sees the packet first`);
      if (filtered)
        this.#doubts.push(`tc filters packets at ${name}, and doctor does not read its filters ('tc filter show dev ${name} ingress')`);
    }
    const before = { tracked: this.#packet.tracked, input: this.#packet.input, output: this.#packet.output };
    if (way === 'in') this.#packet.tracked = null;
    const [port] = ports;
    if (ports.length > 1 && this.#walk.hasChains(['bridge', 'netdev']))
      this.#doubts.push(`the hooks of the ports of ${device}: doctor does not know at which one the peer is`);
    const passes = port === undefined || ports.length > 1 || this.#port(port, way);
    Object.assign(this.#packet, { input: before.input, output: before.output });
    const result = passes && this.#device(device, way);
    this.#packet.tracked = before.tracked;
    return result;
  }

  /** The port of a bridge, where the packet passes the hooks of family bridge. */
  #port(port: string, way: 'in' | 'out'): boolean {
    Object.assign(this.#packet, way === 'in' ? { input: port } : { output: port });
    const hooks = way === 'in' ? ['prerouting', 'input'] : ['output', 'postrouting'];
    return this.#device(port, way) && hooks.every((name) => this.#chains({ name, families: ['bridge'], nat: false }));
  }

  #device(device: string, way: 'in' | 'out'): boolean {
    return this.#chains({ name: way === 'in' ? 'ingress' : 'egress', families: ['netdev', ...this.#families()], nat: false, device });
  }

  #track(): boolean {
    const early = [...this.#effects];
    this.#packet.tracked = this.#sending.track(early);
    return true;
  }

  #translateDestination(hook: 'prerouting' | 'output'): boolean {
    const { translated } = this.#sending;
    const packet = this.#packet;
    if (!isTranslated(packet)) return true;
    if (translated) {
      packet.destination = translated.destination;
      packet.dport = translated.dport;
      return true;
    }
    if (!this.#chains({ name: hook, families: this.#families(), nat: true })) return false;
    const rule = this.#natRule(['dnat', 'redirect']);
    if (!rule) return true;
    const { address, port } = translationOf(rule.statement, packet, this.#around);
    const own = this.#network.links.find(({ name }) => name === packet.input)?.addresses.find(({ family }) => family === packet.family);
    const to = rule.statement.form === 'redirect' ? (own?.address ?? packet.destination) : address;
    if (to === null) this.#doubts.push(rule.by);
    packet.destination = to ?? packet.destination;
    packet.dport = port ?? packet.dport;
    return true;
  }

  #translateSource(): boolean {
    const { translated } = this.#sending;
    const packet = this.#packet;
    if (!isTranslated(packet)) return true;
    if (translated) {
      packet.source = translated.source;
      return true;
    }
    if (!this.#chains({ name: 'postrouting', families: this.#families(), nat: true })) return false;
    const rule = this.#natRule(['masquerade', 'snat']);
    if (!rule) return true;
    const own = this.#network.links.find(({ name }) => name === packet.output)?.addresses.find(({ family }) => family === packet.family);
    const to = rule.statement.form === 'masquerade' ? (own?.address ?? null) : translationOf(rule.statement, packet, this.#around).address;
    if (to === null) this.#doubts.push(rule.by);
    packet.source = to ?? packet.source;
    return true;
  }

  /** The first rule that translated in one of these forms: later ones do not change a connection that has a translation. */
  #natRule(forms: readonly string[]): Extract<Effect, { kind: 'nat' }> | undefined {
    return this.#effects.find((one): one is Extract<Effect, { kind: 'nat' }> => one.kind === 'nat' && forms.includes(one.statement.form));
  }

  #deviceOf(answer: RouteAnswer): string | null {
    const { destination } = this.#packet;
    if (answer.kind === 'none') this.#stop({ kind: 'routing', text: `no route to ${destination}. Add one.` });
    if (answer.kind === 'refused') this.#stop({ kind: 'routing', text: `${answer.by} discards packets to ${destination}` });
    if (answer.kind === 'unknown') this.#doubts.push(`the route to ${destination}: ${answer.why}`);
    const known = answer.kind === 'unicast' ? answer.devices : [];
    const { expected } = this.#sending;
    if (known.length === 0 || (expected !== null && known.includes(expected))) return expected;
    if (expected !== null) this.#doubts.push(`packets to ${destination} leave through ${known[0]} instead of ${expected}`);
    return known[0] ?? null;
  }

  #checkForwarding(): void {
    const { family, input } = this.#packet;
    const { settings } = this.#network;
    const all = family === 'ipv4' ? 'net.ipv4.ip_forward' : 'net.ipv6.conf.all.forwarding';
    const forced = settings[`net.ipv6.conf.${sysctlName(input)}.force_forwarding`] === '1';
    const one = `net.ipv4.conf.${sysctlName(input)}.forwarding`;
    const off = family === 'ipv4' ? settings[one] === '0' : settings[all] === '0' && !forced;
    if (!off) {
      if (settings[all] === undefined) this.#doubts.push(`${all}, which could not be read`);
      return;
    }
    const name = settings[all] === '0' || family === 'ipv6' ? all : one;
    const what = name === one ? `what enters at ${input}` : family === 'ipv4' ? 'IPv4' : 'IPv6';
    this.#stop({ kind: 'routing', text: `${name}=0: this host does not forward ${what}. Set it to 1.` });
  }

  /** As fib_validate_source (net/ipv4/fib_frontend.c): the route back to the source, as if the packet came from its destination. */
  #checkReversePath(): void {
    const { family, source, destination, input, mark, protocol } = this.#packet;
    if (family !== 'ipv4' || input === null) return;
    const { settings } = this.#network;
    const setting = (where: string, name: string) => Number(settings[`net.ipv4.conf.${where}.${name}`] ?? 0);
    const value = (name: string) => Math.max(setting('all', name), setting(sysctlName(input), name));
    const mode = value('rp_filter');
    if (mode === 0) return;
    const query = { family, to: source, from: destination, protocol, sport: null, dport: null };
    const counted = value('src_valid_mark') === 1 ? mark : 0;
    const forward = lookUpRoute(this.#network, queryOf(this.#packet));
    const answer = lookUpRoute(this.#network, {
      ...query,
      input: forward.kind === 'unicast' ? (forward.devices[0] ?? null) : null,
      mark: counted,
    });
    if (answer.kind === 'unknown') this.#doubts.push(`rp_filter: ${answer.why}`);
    if (answer.kind === 'unknown' || (answer.kind === 'unicast' && (mode === 2 || answer.devices.includes(input)))) return;
    const back = answer.kind === 'unicast' ? `leads through ${answer.devices.join()}` : 'does not exist';
    this.#stop({
      kind: 'routing',
      text: `rp_filter=${mode} drops packets from ${source} at ${input}, because the route back to it ${back}. Set net.ipv4.conf.${sysctlName(input)}.rp_filter (and all) to ${mode === 1 && answer.kind === 'unicast' ? 2 : 0}, or correct the route.`,
    });
  }
}

/** Untracked and invalid packets are not translated. */
function isTranslated({ tracked }: Packet): boolean {
  return tracked !== null && tracked.state !== 'untracked' && tracked.state !== 'invalid';
}

/** sysctl writes a dot of an interface's name as a slash. */
function sysctlName(name: string | null): string {
  return (name ?? '').replaceAll('.', '/');
}

/** The families that the addresses of a namespace have. */
export function familiesOf(network: NetworkFacts): Family[] {
  return FAMILIES.filter((family) =>
    network.links.some(({ name, addresses }) => name !== 'lo' && addresses.some((one) => one.family === family)),
  );
}
