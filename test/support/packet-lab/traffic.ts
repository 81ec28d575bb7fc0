import type { Family } from '../../../src/model/catalogue.ts';
import type { Packet, Tracked } from '../../../src/review/ruleset/packet.ts';
import { type Planted, reversed } from './connections.ts';
import type { Header } from './frames.ts';
import type { Picker } from './pick.ts';
import { CABLES, PORTS } from './places.ts';

/** A packet for the kernel and the evaluator. */
export interface Shot {
  readonly device: string;
  readonly header: Header;
  /** The connection that it belongs to; null: it is the first packet of one, or of none. */
  readonly planted: Planted | null;
  /** What conntrack makes of it, unless rules exempt it. */
  readonly tracked: Tracked;
}

const FLAGS = { first: ['syn'], later: ['ack'], invalid: ['fin', 'syn'] } as const;

/** Makes packets, each of a connection of its own. */
export class Traffic {
  readonly #pick: Picker;
  readonly #used = new Set<string>();

  constructor(pick: Picker) {
    this.#pick = pick;
  }

  /** After all connections were forgotten. */
  forget(): void {
    this.#used.clear();
  }

  next(): Shot {
    for (;;) {
      const shot = this.#shot();
      const { protocol, source, destination, sport, dport } = shot.header;
      const ends = [`${source} ${sport}`, `${destination} ${dport}`].sort();
      // Without ports, two connections may become the same one by NAT, and the kernel drops the second.
      const key = protocol === 'gre' ? `gre ${shot.header.family}` : `${protocol} ${ends}`;
      if (!this.#used.has(key)) {
        this.#used.add(key);
        return shot;
      }
    }
  }

  #shot(): Shot {
    const pick = this.#pick;
    const family = pick.of<Family>(['ipv4', 'ipv4', 'ipv6']);
    const from = pick.of(CABLES);
    const other = pick.of(CABLES.filter((cable) => cable !== from));
    const sender = pick.oneIn(10) ? pick.of(CABLES) : from;
    const destination = pick.oneIn(4) ? from.router[family] : pick.of(other.hosts[family]);
    const ends = { family, source: pick.of(sender.hosts[family]), destination, sport: this.#port(), dport: this.#port() };
    const kind = pick.of(['new', 'new', 'new', 'established', 'answer', 'related', 'expected', 'invalid', 'gre'] as const);
    if (kind === 'gre') return fresh(from.device, { ...ends, protocol: 'gre', sport: null, dport: null, flags: [] }, 'new');
    if (kind === 'invalid') return fresh(from.device, { ...ends, protocol: 'tcp', flags: FLAGS.invalid }, 'invalid');
    const protocol = pick.of(['tcp', 'udp'] as const);
    const flags = protocol === 'udp' ? [] : kind === 'established' || kind === 'answer' ? FLAGS.later : FLAGS.first;
    const header = { ...ends, protocol, flags };
    return kind === 'new' ? fresh(from.device, header, 'new') : this.#planted(from.device, header, kind);
  }

  #planted(device: string, header: Header & { protocol: 'tcp' | 'udp' }, kind: 'established' | 'answer' | 'related' | 'expected'): Shot {
    const { flags: _flags, ...ends } = header;
    const first = kind === 'answer' ? reversed(ends) : ends;
    const isExpected = kind === 'related' || kind === 'expected';
    const answered = kind !== 'related';
    const helper = this.#pick.oneIn(3) ? null : 'ftp';
    const master = isExpected
      ? { ends: { ...first, protocol: 'tcp' as const, sport: this.#pick.number(10_000, 19_999), dport: 21 }, helper }
      : null;
    const planted: Planted = { ...first, answered, master, mark: this.#pick.of([0, 5, 16]) };
    const tracked: Tracked = {
      state: answered ? 'established' : 'related',
      direction: kind === 'answer' ? 'reply' : 'original',
      status: ['confirmed', ...(answered ? ['seen-reply', 'assured'] : []), ...(isExpected ? ['expected'] : [])],
      helper: master?.helper ?? null,
      source: first.source,
      destination: first.destination,
      mark: planted.mark,
    };
    return { device, header, planted, tracked };
  }

  #port(): number {
    return this.#pick.oneIn(3) ? this.#pick.number(20_000, 60_000) : this.#pick.of(PORTS);
  }
}

function fresh(device: string, header: Header, state: 'new' | 'invalid'): Shot {
  const { source, destination } = header;
  return {
    device,
    header,
    planted: null,
    tracked: { state, direction: 'original', status: [], helper: null, source, destination, mark: 0 },
  };
}

/** The packet of a shot as it enters. */
export function packetOf({ device, header }: Shot): Packet {
  return { ...header, input: device, output: null, mark: 0, tracked: null, connections: 1 };
}
