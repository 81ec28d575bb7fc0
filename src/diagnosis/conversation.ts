import type { Family } from '../model/catalogue.ts';
import type { Packet, Tracked } from '../review/ruleset/packet.ts';
import type { Decision, Effect } from '../review/ruleset/walk.ts';
import type { DataFlow } from './flows.ts';
import { type Doubt, FILTERING, type Router, type Sent, type Stop } from './router.ts';

/** One end of a conversation. */
export interface Peer {
  readonly address: string;
  /** Interface of the router behind which it is; null: it is the router itself. */
  readonly device: string | null;
}

/** A client, and the server that it dials. */
export interface Path {
  readonly family: Family;
  readonly client: Peer;
  readonly server: Peer;
  /** The address that the client dials, which rules may translate to the server's. */
  readonly dialled: string;
}

/** The control connection of a helper. */
export interface Control {
  readonly protocol: 'tcp' | 'udp';
  readonly port: number;
}

/** What became of a connection, or of one of its packets. */
export interface Outcome {
  readonly stops: readonly Stop[];
  readonly doubts: readonly Doubt[];
}

/**
 * Which rules let the first packet pass: `all`, or those that decide what is forwarded, so that the firewall means such connections
 * to exist, or `none`.
 */
export type Admitted = 'all' | 'filtering' | 'none';

/** What became of the control connection. */
export interface ControlOutcome extends Outcome {
  readonly admitted: Admitted;
  /** The helper that it got first; null: none. */
  readonly helper: { readonly type: string; readonly by: Decision } | null;
  /** Whether its addresses are translated. */
  readonly isTranslated: boolean;
}

/** A zone of conntrack. `directions`: those whose tuples carry it; the other one is in zone 0. */
interface Zone {
  /** null: not known. */
  readonly id: number | null;
  readonly directions: 'both' | 'original' | 'reply';
  readonly by: Decision | null;
}

/** An ephemeral port. */
const CLIENT_PORT = 50_000;
/** A port of a server that does not keep to the standard's. */
const OTHER_PORT = 45_000;
const NO_ZONE: Zone = { id: 0, directions: 'both', by: null };

/** A control connection through a router, and then the connections that its helper expects. */
export class Conversation {
  readonly #router: Router;
  readonly #path: Path;
  readonly #control: Control;
  #zone = NO_ZONE;
  #mark: number | null = 0;
  /** Header after NAT: the server that was reached, and the client as the server sees it. */
  #reached: { address: string; port: number };
  #seen: string;
  #device: string | null;

  constructor(router: Router, path: Path, control: Control) {
    this.#router = router;
    this.#path = path;
    this.#control = control;
    this.#reached = { address: path.dialled, port: control.port };
    this.#seen = path.client.address;
    this.#device = path.server.device;
  }

  /** The server's address and interface after NAT. */
  get server(): Peer {
    return { address: this.#reached.address, device: this.#device };
  }

  get #isTranslated(): boolean {
    return this.#natBits('client').length > 0;
  }

  /** Opens the control connection: its first packet, the answer, and a later packet. */
  open(): ControlOutcome {
    const first = this.#first();
    const helper = helperOf(first.effects);
    const rules = first.stops.filter((stop) => stop.kind === 'rule');
    const admitted = rules.length === 0 ? 'all' : rules.some(({ hook }) => FILTERING.has(hook)) ? 'none' : 'filtering';
    const early = untracked(first);
    const parts: Outcome[] = early ? [early] : [first];
    if (!early && admitted === 'all') {
      const answer = this.#established('server', this.#control.protocol, { sport: this.#reached.port, dport: CLIENT_PORT });
      const later = this.#established('client', this.#control.protocol, { sport: CLIENT_PORT, dport: this.#control.port });
      parts.push(answer, later);
    }
    return { ...joined(parts), admitted, helper, isTranslated: this.#isTranslated };
  }

  /** Opens a connection that the helper expects, and answers it. @param dport null: the port is not announced */
  expect(flow: DataFlow, helper: string, ports: { readonly sport: number | null; readonly dport: number | null }): Outcome {
    const dport = flow.dport === 'client' ? CLIENT_PORT : ports.dport;
    const sport = flow.protocol === 'gre' ? null : (ports.sport ?? OTHER_PORT);
    const mark = { value: this.#mark };
    const status = ['expected', ...this.#natBits(flow.from)];
    const packet = this.#packet(flow.from, flow.protocol, { sport, dport, flags: ['syn'], connections: 2 });
    const first = this.#send(flow.from, packet, (effects, tracked) => {
      const zone = zoneOf(effects);
      if (effects.some(({ kind }) => kind === 'notrack')) return { ...tracked, state: 'untracked' };
      const found = zone.id === null || this.#zone.id === null || zone.id === this.#zone.id;
      return { ...tracked, state: found ? 'related' : 'new', status: found ? status : [], helper: found ? helper : null, mark: mark.value };
    });
    mark.value = first.packet.tracked?.mark ?? null;
    const wrongZone = this.#otherZone(first.effects);
    if (wrongZone) return joined([{ stops: [wrongZone], doubts: first.doubts }]);
    if (first.stops.some(({ kind }) => kind === 'rule')) return first;
    const notrack = this.#isTranslated ? (untracked(first)?.stops ?? []) : [];
    const answer = this.#answer(flow, { sport: dport, dport: sport }, { helper, mark: mark.value, status });
    return joined([first, { stops: notrack, doubts: [] }, answer]);
  }

  #answer(
    flow: DataFlow,
    ports: { sport: number | null; dport: number | null },
    { helper, mark, status }: { helper: string; mark: number | null; status: readonly string[] },
  ): Outcome {
    const side = flow.from === 'client' ? 'server' : 'client';
    const packet = this.#packet(side, flow.protocol, { ...ports, flags: ['syn', 'ack'], connections: 2 });
    return this.#send(side, packet, (effects, tracked) => ({
      ...tracked,
      state: effects.some(({ kind }) => kind === 'notrack') ? 'untracked' : 'established',
      direction: 'reply',
      status: [...status, 'seen-reply', 'confirmed'],
      helper,
      mark,
    }));
  }

  #first(): Sent {
    const { client, server, dialled } = this.#path;
    const packet = this.#packet('client', this.#control.protocol, {
      sport: CLIENT_PORT,
      dport: this.#control.port,
      flags: ['syn'],
      connections: 1,
    });
    packet.destination = dialled;
    const sent = this.#router.send({
      packet,
      expected: server.device,
      translated: null,
      track: (effects) => ({
        state: effects.some(({ kind }) => kind === 'notrack') ? 'untracked' : 'new',
        direction: 'original',
        status: [],
        helper: null,
        source: client.address,
        destination: dialled,
        mark: 0,
      }),
    });
    this.#zone = zoneOf(sent.effects);
    this.#mark = sent.packet.tracked?.mark ?? null;
    this.#reached = { address: sent.packet.destination, port: sent.packet.dport ?? this.#control.port };
    this.#seen = sent.packet.source;
    if (sent.output !== null) this.#device = sent.output;
    return sent;
  }

  /** A later packet of the control connection. */
  #established(side: 'client' | 'server', protocol: Packet['protocol'], ports: { sport: number; dport: number }): Outcome {
    const packet = this.#packet(side, protocol, { ...ports, flags: side === 'server' ? ['syn', 'ack'] : ['ack'], connections: 1 });
    const sent = this.#send(side, packet, (effects, tracked) => ({
      ...tracked,
      state: effects.some(({ kind }) => kind === 'notrack') ? 'untracked' : 'established',
      direction: side === 'client' ? 'original' : 'reply',
      status: ['seen-reply', 'confirmed', 'assured', ...this.#natBits('client')],
      mark: this.#mark,
    }));
    const early = untracked(sent) ?? this.#lostZone(sent.effects, side === 'client' ? 'original' : 'reply');
    return early ?? sent;
  }

  /** The bits of the status of a connection that one side opens: its header is translated as the control connection's is. */
  #natBits(side: 'client' | 'server'): string[] {
    const source = this.#seen !== this.#path.client.address;
    const destination = this.#reached.address !== this.#path.dialled;
    const [first, second] = side === 'client' ? [source, destination] : [destination, source];
    return [...(first ? ['snat'] : []), ...(second ? ['dnat'] : [])];
  }

  #packet(
    side: 'client' | 'server',
    protocol: Packet['protocol'],
    rest: Pick<Packet, 'sport' | 'dport' | 'connections' | 'flags'>,
  ): Packet {
    const { family, client, dialled } = this.#path;
    const header =
      side === 'client'
        ? { source: client.address, destination: dialled, input: client.device }
        : { source: this.#reached.address, destination: this.#seen, input: this.#device };
    const flags = protocol === 'tcp' ? rest.flags : [];
    return { family, protocol, ...header, ...rest, flags, output: null, mark: 0, tracked: null };
  }

  #send(side: 'client' | 'server', packet: Packet, track: (effects: readonly Effect[], tracked: Tracked) => Tracked): Sent {
    const { client, dialled } = this.#path;
    const isData = packet.connections > 1;
    const dport = side === 'client' && !isData ? this.#reached.port : packet.dport;
    const { source, destination } = packet;
    return this.#router.send({
      packet,
      expected: side === 'client' ? this.#device : client.device,
      translated:
        side === 'client'
          ? { source: this.#seen, destination: this.#reached.address, dport }
          : { source: dialled, destination: client.address, dport },
      track: (effects) =>
        track(effects, { state: 'new', direction: 'original', status: [], helper: null, source, destination, mark: this.#mark }),
    });
  }

  /** A data connection in another zone than the control connection does not find its expectation. */
  #otherZone(effects: readonly Effect[]): Stop | null {
    const zone = zoneOf(effects);
    if (zone.id === null || this.#zone.id === null || zone.id === this.#zone.id) return null;
    return zoneStop(this.#zone, zone, 'its data connections are');
  }

  /** An answer in another zone does not belong to the connection. */
  #lostZone(effects: readonly Effect[], direction: 'original' | 'reply'): Outcome | null {
    const zone = zoneOf(effects);
    const ids = [zone, this.#zone].map(({ id, directions }) => (directions === 'both' || directions === direction ? id : 0));
    if (ids[0] === ids[1] || ids.includes(null)) return null;
    return { stops: [zoneStop(this.#zone, zone, 'its answers are')], doubts: [] };
  }
}

/** All stops and doubts, each once. */
export function joined(parts: readonly Outcome[]): Outcome {
  return { stops: parts.flatMap(({ stops }) => stops), doubts: parts.flatMap(({ doubts }) => doubts) };
}

/** A rule that keeps a packet of the control connection from being tracked; null: none does. */
function untracked({ effects, doubts }: Sent): Outcome | null {
  const found = effects.find(({ kind }) => kind === 'notrack');
  return found ? { stops: [{ kind: 'rule', by: found.by, hook: 'prerouting' }], doubts } : null;
}

/** The helper that a new connection gets: iptables names one before conntrack, and the first rule of nft that assigns one wins. */
function helperOf(effects: readonly Effect[]): { type: string; by: Decision } | null {
  const found = effects.find((one): one is Extract<Effect, { kind: 'helper' }> => one.kind === 'helper');
  return found ? { type: found.type, by: found.by } : null;
}

/** The zone that rules before conntrack gave a packet: the last one counts. */
function zoneOf(effects: readonly Effect[]): Zone {
  const set = effects.filter((one): one is Extract<Effect, { kind: 'zone' }> => one.kind === 'zone').at(-1);
  if (!set) return NO_ZONE;
  const directions = set.target === 'ct original zone' ? 'original' : set.target === 'ct reply zone' ? 'reply' : 'both';
  return { id: set.zone, directions, by: set.by };
}

function zoneStop(control: Zone, other: Zone, what: string): Stop {
  return {
    kind: 'zone',
    text: `the control connection is in zone ${control.id}, and ${what} in zone ${other.id}`,
    by: control.by ?? other.by,
  };
}
