import type { Decision } from '../review/ruleset/walk.ts';
import type { Path } from './conversation.ts';
import type { Doubt, Stop } from './router.ts';

/** The lines that a rule's line number counts, by the program whose rules they are. */
export type Listings = (program: string) => readonly string[];

/** The helper whose connections are described. */
export interface Described {
  readonly type: string;
  readonly protocol: string;
  readonly port: number;
}

/** Families of chains that packets pass where conntrack has not seen them. */
const UNTRACKED: ReadonlySet<string> = new Set(['netdev', 'bridge']);
const IPTABLES_TABLES: ReadonlySet<string> = new Set(['filter', 'mangle', 'nat', 'raw', 'security']);
const IPTABLES_CHAINS: ReadonlySet<string> = new Set(['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING']);

/** Writes what stops a packet, and what to change, for people. */
export class Describer {
  readonly #listings: Listings;

  constructor(listings: Listings) {
    this.#listings = listings;
  }

  /** A rule by table, chain, handle and text; a policy by its chain. */
  decision({ source, chain, rule }: Decision): string {
    const program = source.program === '' ? '' : `${source.program} `;
    const name = `${program}${chain.family} ${chain.table} ${chain.name}`;
    if (!rule) return `${name} by its policy`;
    const line = this.#listings(source.program)
      [rule.line - 1]?.trim()
      .replace(/ # handle \d+$/, '');
    const text = (line || rule.text).slice(0, 200);
    const place = rule.nftHandle === null ? `rule ${1 + chain.rules.indexOf(rule)}` : `handle ${rule.nftHandle}`;
    return `${name} ${place} ('${text}')`;
  }

  /** What stops a packet of the control connection. */
  control(stop: Stop, helper: Described): string {
    if (stop.kind !== 'rule') return this.#other(stop);
    const what = this.decision(stop.by);
    if (isNotrack(stop.by))
      return `${what} keeps it from being tracked, and an untracked connection gets no helper. Exempt port ${helper.port} in both directions.`;
    return `${what} drops it. Accept ${helper.protocol} port ${helper.port} and its answers there.`;
  }

  /** What stops a connection that the helper expects. */
  data(stop: Stop, helper: Described): string {
    if (stop.kind !== 'rule') return this.#other(stop);
    const what = this.decision(stop.by);
    if (isNotrack(stop.by)) return `${what} keeps it from being tracked, so that it is not translated. Exempt it.`;
    if (UNTRACKED.has(stop.by.chain.family))
      return `${what} drops it before conntrack sees it. Accept it there by its addresses and ports.`;
    const accept = isOfIptables(stop.by) ? iptablesAccept(helper) : nftAccept(helper);
    return stop.by.rule === null
      ? `${what} drops it: no rule before accepts it. Add '${accept}'.`
      : `${what} drops it. Put '${accept}' before it, or narrow it.`;
  }

  doubt(doubt: Doubt): string {
    return typeof doubt === 'string' ? doubt : `${this.decision(doubt)} may drop it: doctor cannot see what it depends on`;
  }

  #other(stop: Exclude<Stop, { kind: 'rule' }>): string {
    if (stop.kind === 'routing') return stop.text;
    const by = stop.by ? ` (${this.decision(stop.by)})` : '';
    return `${stop.text}${by}: conntrack does not see that they belong together. Set one zone for all packets.`;
  }
}

/** Whether iptables made the chain: for nftables, its tables have the names of old, and its base chains are in capitals. */
function isOfIptables({ source, chain: { family, table, name }, rule }: Decision): boolean {
  if (source.program !== '' || rule?.text.startsWith('-A')) return true;
  return (family === 'ip' || family === 'ip6') && IPTABLES_TABLES.has(table) && IPTABLES_CHAINS.has(name);
}

/** `lan → wan`; the router itself is `this host`. */
export function wayOf({ client, server }: Path): string {
  return `${client.device ?? 'this host'} → ${server.device ?? 'this host'}`;
}

function isNotrack({ rule }: Decision): boolean {
  return rule?.exact?.some(({ kind }) => kind === 'notrack') ?? false;
}

/** A rule for nft that accepts what the helper expects. */
function nftAccept({ type }: Described): string {
  return `ct state related ct helper "${type}" accept`;
}

/** The same for iptables. */
function iptablesAccept({ type }: Described): string {
  return `-m conntrack --ctstate RELATED -m helper --helper ${type} -j ACCEPT`;
}
