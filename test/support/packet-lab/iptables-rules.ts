import type { Family } from '../../../src/model/catalogue.ts';
import type { Picker } from './pick.ts';
import { CABLES, named, PORTS } from './places.ts';

/** A ruleset as iptables-restore reads it, with all tables, so that it replaces what was there. */
export function iptablesRuleset(pick: Picker, family: Family): string {
  return new SaveWriter(pick, family).write();
}

const BUILT_IN = {
  raw: ['PREROUTING', 'OUTPUT'],
  mangle: ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'],
  nat: ['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING'],
  filter: ['INPUT', 'FORWARD', 'OUTPUT'],
} as const;
type TableName = keyof typeof BUILT_IN;

class SaveWriter {
  readonly #pick: Picker;
  readonly #family: Family;

  constructor(pick: Picker, family: Family) {
    this.#pick = pick;
    this.#family = family;
  }

  write(): string {
    return (Object.keys(BUILT_IN) as TableName[]).map((table) => this.#table(table)).join('');
  }

  #table(table: TableName): string {
    const pick = this.#pick;
    const own = table === 'nat' ? [] : pick.some(['C0', 'C1', 'C2'], 0, 3);
    const policy = (chain: string) => (table === 'filter' && chain !== 'OUTPUT' && pick.oneIn(2) ? 'DROP' : 'ACCEPT');
    const heads = [...BUILT_IN[table].map((chain) => `:${chain} ${policy(chain)} [0:0]`), ...own.map((chain) => `:${chain} - [0:0]`)];
    const bases = BUILT_IN[table].flatMap((chain) => {
      if (chain === 'OUTPUT' || (table !== 'filter' && !pick.oneIn(2))) return [];
      return pick.times(0, table === 'nat' ? 3 : 8, () => this.#rule({ table, chain, targets: own }));
    });
    const inner = own.flatMap((chain, index) => pick.times(0, 6, () => this.#rule({ table, chain, targets: own.slice(index + 1) })));
    return [`*${table}`, ...heads, ...bases, ...inner, 'COMMIT', ''].join('\n');
  }

  #rule({ table, chain, targets }: { table: TableName; chain: string; targets: readonly string[] }): string {
    const words = this.#pick.times(0, 3, () => this.#condition(chain)).filter(({ kind }) => table !== 'nat' || kind !== 'p');
    return [`-A ${chain}`, ...this.#compatible(words), this.#target(table, chain, targets)].join(' ');
  }

  /** iptables takes one condition of a kind, and one protocol. */
  #compatible(words: readonly { readonly kind: string; readonly text: string }[]): string[] {
    return words.filter(({ kind }, index) => words.findIndex((one) => one.kind === kind) === index).map(({ text }) => text);
  }

  #target(table: TableName, chain: string, targets: readonly string[]): string {
    const pick = this.#pick;
    if (table === 'nat') return this.#translation(chain);
    if (targets.length > 0 && pick.oneIn(4)) return `${pick.of(['-j', '-j', '-g'])} ${pick.of(targets)}`;
    const passing = ['-j MARK --set-xmark 0x1/0xff', '-j MARK --set-mark 5', '-j MARK --or-mark 0x10', '-j CONNMARK --set-mark 5'];
    const more = ['-j CONNMARK --save-mark', '-j CONNMARK --restore-mark', ...(table === 'raw' ? ['-j CT --notrack'] : [])];
    if (table !== 'filter' && pick.oneIn(2))
      return pick.of(table === 'mangle' ? [...passing, ...more] : [passing[0] as string, ...more.slice(2)]);
    const rejects = table === 'filter' && chain !== 'OUTPUT' ? ['-j REJECT'] : [];
    return pick.of(['-j ACCEPT', '-j ACCEPT', '-j DROP', '-j DROP', '-j RETURN', '', ...rejects]);
  }

  #translation(chain: string): string {
    const pick = this.#pick;
    const host = () => pick.of(CABLES).hosts[this.#family][pick.number(0, 7)] as string;
    const withPort = (address: string) => (address.includes(':') ? `[${address}]:8080` : `${address}:8080`);
    if (chain === 'PREROUTING')
      return pick.of([
        `-p tcp -j DNAT --to-destination ${withPort(host())}`,
        `-j DNAT --to-destination ${host()}`,
        '-p tcp -j REDIRECT --to-ports 2121',
        '-j RETURN',
      ]);
    return chain === 'POSTROUTING' ? pick.of(['-j MASQUERADE', '-j ACCEPT', `-j SNAT --to-source ${this.#free()}`]) : '-j ACCEPT';
  }

  #free(): string {
    return this.#family === 'ipv4' ? `10.71.2.${this.#pick.number(200, 205)}` : `fd71:2::${this.#pick.number(200, 205)}`;
  }

  #condition(chain: string): { kind: string; text: string } {
    const pick = this.#pick;
    const not = pick.oneIn(4) ? '! ' : '';
    const hosts = named(this.#family);
    const port = pick.of(['dport', 'dport', 'sport']);
    const [low, high] = pick.some(PORTS, 2, 2);
    const transport = pick.of(['tcp', 'udp']);
    const hasOutput = /FORWARD|POSTROUTING/.test(chain);
    const hasInput = !/POSTROUTING|^C/.test(chain);
    const networks = this.#family === 'ipv4' ? ['10.71.1.0/24', '10.71.0.0/16', '10.71.2.16/29'] : ['fd71:1::/64', 'fd71::/16'];
    const states = pick.some(['NEW', 'ESTABLISHED', 'RELATED', 'INVALID', 'UNTRACKED'], 1, 3).join(',');
    return pick.of([
      () => ({ kind: 's', text: `${not}-s ${pick.of([...networks, pick.of(hosts)])}` }),
      () => ({ kind: 'd', text: `${not}-d ${pick.of([...networks, pick.of(hosts)])}` }),
      () => (hasInput ? { kind: 'i', text: `${not}-i ${pick.of(['lan', 'wan', 'dmz', 'l+', 'eth0'])}` } : EMPTY),
      () => (hasOutput ? { kind: 'o', text: `${not}-o ${pick.of(['lan', 'wan', 'dmz', 'w+'])}` } : EMPTY),
      () => ({
        kind: 'p',
        text: `-p ${transport} -m ${transport} ${not}--${port} ${pick.of([low, `${low}:${high}`, `:${high}`, `${low}:`])}`,
      }),
      () => ({ kind: 'p', text: `-p ${transport} -m multiport ${not}--${port}s ${low},${high},30000:50000` }),
      () => ({ kind: 'p', text: `${not}-p ${pick.of(['tcp', 'udp', 'gre', '47'])}` }),
      () => ({
        kind: 'p',
        text: `-p tcp -m tcp ${not}--tcp-flags ${pick.of(['FIN,SYN,RST,ACK SYN', 'SYN,ACK NONE', 'ALL SYN', 'ALL NONE'])}`,
      }),
      () => ({ kind: 'p', text: `-p tcp -m tcp ${not}--syn` }),
      () => ({ kind: 'p', text: `-p ${this.#family === 'ipv4' ? 'icmp' : 'ipv6-icmp'}` }),
      () => ({ kind: 'state', text: `-m conntrack ${not}--ctstate ${states}` }),
      () => ({ kind: 'state', text: `-m state ${not}--state ${states}` }),
      () => ({ kind: 'state', text: `-m conntrack ${not}--ctstate ${pick.of(['DNAT', 'SNAT'])}` }),
      () => ({
        kind: 'state',
        text: `-m conntrack ${not}--ctstatus ${pick.of(['EXPECTED', 'ASSURED', 'CONFIRMED', 'NONE', 'SEEN_REPLY'])}`,
      }),
      () => ({ kind: 'state', text: `-m conntrack --ctdir ${pick.of(['ORIGINAL', 'REPLY'])}` }),
      () => ({ kind: 'state', text: `-m conntrack ${not}--ctstate ${states} --ctstatus ${pick.of(['EXPECTED', 'NONE'])}` }),
      () => ({ kind: 'state', text: `-m conntrack ${not}--ctorigsrc ${pick.of(hosts)}` }),
      () => ({ kind: 'state', text: `-m conntrack --ctproto ${transport} ${not}--ctorigdstport ${pick.of(PORTS)}` }),
      () => ({ kind: 'helper', text: `-m helper ${not}--helper ftp` }),
      () => ({ kind: 'mark', text: `-m mark ${not}--mark ${pick.of(['0x1', '0x0', '0x10/0x10', '0x5/0xf'])}` }),
      () => ({ kind: 'connmark', text: `-m connmark ${not}--mark ${pick.of(['0x5', '0x0', '0x5/0xf'])}` }),
      () => ({ kind: 'pkttype', text: `-m pkttype ${not}--pkt-type ${pick.of(['unicast', 'broadcast', 'multicast'])}` }),
      () => ({ kind: 'addrtype', text: `-m addrtype ${not}--dst-type ${pick.of(['LOCAL', 'UNICAST'])}` }),
      () => ({ kind: 'addrtype', text: `-m addrtype ${not}--src-type ${pick.of(['LOCAL', 'UNICAST'])}` }),
      () => ({ kind: 'limit', text: '-m limit --limit 10000/sec --limit-burst 10000' }),
      () => ({ kind: 'comment', text: '-m comment --comment "-j DROP"' }),
      () => ({ kind: 'range', text: `-m iprange ${not}--src-range ${hosts[2]}-${hosts[5]}` }),
      () => ({ kind: 'length', text: '-m length --length 0:60' }),
    ])();
  }
}

const EMPTY = { kind: 'comment', text: '-m comment --comment "a remark"' };
