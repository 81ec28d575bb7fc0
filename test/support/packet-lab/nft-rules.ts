import type { Picker } from './pick.ts';
import { CABLES, named, PORTS } from './places.ts';

type TableFamily = 'inet' | 'ip' | 'ip6';

/** A ruleset in nft's language that a kernel accepts nearly always. */
export function nftRuleset(pick: Picker): string {
  const families = pick.some<TableFamily>(['inet', 'ip', 'ip6'], 1, 3);
  const filters = families.map((family, index) => new TableWriter(pick, family, `t${index}`).write());
  const nat = pick.oneIn(2) ? [natTable(pick)] : [];
  return [...filters, ...nat].join('\n');
}

const HOOKS = [
  { hook: 'prerouting', priorities: ['-300', '-150', '-50'] },
  { hook: 'input', priorities: ['-150', '0', '10'] },
  { hook: 'forward', priorities: ['-150', '0', '10'] },
  { hook: 'postrouting', priorities: ['-150', '0', '150'] },
] as const;
type HookName = (typeof HOOKS)[number]['hook'];

interface About {
  readonly version: 'ip' | 'ip6';
  readonly transport: 'tcp' | 'udp';
}

/** One table: sets, chains that are jumped to, and base chains. */
class TableWriter {
  readonly #pick: Picker;
  readonly #family: TableFamily;
  readonly #name: string;
  readonly #inner: readonly string[];

  constructor(pick: Picker, family: TableFamily, name: string) {
    this.#pick = pick;
    this.#family = family;
    this.#name = name;
    this.#inner = ['c0', 'c1', 'c2', 'c3'].slice(0, pick.number(0, 4));
  }

  write(): string {
    const pick = this.#pick;
    const inner = this.#inner.map((name, index) => this.#chain(name, '', { next: index + 1, hook: null }));
    const bases = HOOKS.flatMap(({ hook, priorities }) => {
      if (hook !== 'forward' && !pick.oneIn(2)) return [];
      return pick.some(priorities, 1, pick.oneIn(4) ? 2 : 1).map((priority, index) => {
        const policy = (hook === 'forward' || hook === 'input') && pick.oneIn(2) ? 'drop' : 'accept';
        const head = `type filter hook ${hook} priority ${priority}; policy ${policy};`;
        return this.#chain(`${hook}${index}`, head, { next: 0, hook });
      });
    });
    return [`table ${this.#family} ${this.#name} {`, ...this.#sets(), ...inner.reverse(), ...bases, '}'].join('\n');
  }

  #chain(name: string, head: string, at: { next: number; hook: HookName | null }): string {
    const rules = this.#pick.times(0, 8, () => this.#rule(at));
    return [`  chain ${name} {`, ...(head === '' ? [] : [`    ${head}`]), ...rules.map((rule) => `    ${rule}`), '  }'].join('\n');
  }

  #sets(): string[] {
    const ports = this.#pick.some(PORTS, 1, 5);
    const sets = [`  set ports { type inet_service; elements = { ${ports.join(', ')} } }`];
    sets.push(`  set spans { type inet_service; flags interval; elements = { 20-25, 1024-2200, 60000-65535 } }`);
    sets.push(`  map verdicts { type inet_service : verdict; elements = { 22 : accept, 80 : drop, 443 : continue } }`);
    sets.push(`  map marks { type inet_service : mark; elements = { 22 : 1, 53 : 2, 80 : 3 } }`);
    for (const version of this.#versions()) {
      const family = version === 'ip' ? 'ipv4' : 'ipv6';
      const type = version === 'ip' ? 'ipv4_addr' : 'ipv6_addr';
      sets.push(`  set hosts${version} { type ${type}; elements = { ${this.#pick.some(named(family), 1, 6).join(', ')} } }`);
      sets.push(`  set nets${version} { type ${type}; flags interval; elements = { ${this.#network(version)} } }`);
      sets.push(
        `  set pairs${version} { type ${type} . inet_service; elements = { ${this.#pick
          .some(named(family), 1, 4)
          .map((host) => `${host} . ${this.#pick.of(PORTS)}`)
          .join(', ')} } }`,
      );
    }
    return sets;
  }

  #versions(): readonly ('ip' | 'ip6')[] {
    return this.#family === 'inet' ? ['ip', 'ip6'] : [this.#family];
  }

  #rule(at: { next: number; hook: HookName | null }): string {
    const pick = this.#pick;
    // A rule with the headers of two protocols is refused.
    const about: About = { version: pick.of(this.#versions()), transport: pick.of(['tcp', 'udp']) };
    const conditions = pick.times(0, 3, () => this.#condition(at.hook, about));
    const extra = pick.oneIn(3) ? [this.#statement(at.hook)] : [];
    const later = pick.oneIn(8) ? [this.#condition(at.hook, about)] : [];
    if (pick.oneIn(6)) return [...conditions, ...extra, this.#verdictMap(at, about)].join(' ');
    return [...conditions, ...extra, ...later, ...(pick.oneIn(6) ? [] : [this.#verdict(at)])].join(' ') || 'counter';
  }

  #verdict({ next, hook }: { next: number; hook: HookName | null }): string {
    const pick = this.#pick;
    const targets = this.#inner.slice(next);
    if (targets.length > 0 && pick.oneIn(3)) return `${pick.of(['jump', 'jump', 'goto'])} ${pick.of(targets)}`;
    const rejects = hook === 'forward' || hook === 'input' ? ['reject'] : [];
    return pick.of(['accept', 'accept', 'drop', 'drop', 'return', 'continue', ...rejects]);
  }

  #verdictMap(at: { next: number; hook: HookName | null }, { transport }: About): string {
    const pick = this.#pick;
    const verdict = () => this.#verdict({ ...at, hook: null });
    const map = (keys: readonly string[]) => `vmap { ${keys.map((key) => `${key} : ${verdict()}`).join(', ')} }`;
    return pick.of([
      () => `ct state ${map(pick.some(['new', 'established', 'related', 'invalid', 'untracked'], 1, 4))}`,
      () => `${transport} dport ${map(pick.some(PORTS, 1, 4).map(String))}`,
      () => `${transport} dport ${map(['1-1023', '2000-3000'])}`,
      () => `iifname ${map(pick.some(['"lan"', '"wan"', '"dmz"'], 1, 3))}`,
      () => `meta l4proto ${map(['tcp', 'udp'])}`,
      () => `${transport} dport vmap @verdicts`,
      () => `meta mark ${map(['1', '2', '0x10'])}`,
    ])();
  }

  #statement(hook: HookName | null): string {
    const pick = this.#pick;
    return pick.of([
      'counter',
      `meta mark set ${pick.number(0, 20)}`,
      `meta mark set meta mark | ${pick.of([1, 16, 256])}`,
      `meta mark set meta mark & ${pick.of([1, 0xff])}`,
      `meta mark set meta mark ^ ${pick.of([1, 0xff])}`,
      `ct mark set ${pick.number(0, 20)}`,
      'ct mark set meta mark',
      'meta mark set ct mark',
      'meta mark set tcp dport map @marks',
      'limit rate 1000000/second',
      'limit rate over 1000000/second',
      ...(hook === 'prerouting' ? ['notrack'] : []),
    ]);
  }

  #network(version: 'ip' | 'ip6'): string {
    return this.#pick.of(version === 'ip' ? NETWORKS.ip : NETWORKS.ip6);
  }

  #condition(hook: HookName | null, { version, transport }: About): string {
    const pick = this.#pick;
    const not = pick.oneIn(4) ? '!= ' : '';
    const end = pick.of(['saddr', 'daddr']);
    const port = pick.of(['dport', 'dport', 'sport']);
    const hosts = named(version === 'ip' ? 'ipv4' : 'ipv6');
    const [low, high] = pick.some(PORTS, 2, 2);
    const names = pick.some(['"lan"', '"wan"', '"dmz"', '"l*"', '"eth0"'], 1, 3);
    const device = hook === 'prerouting' || hook === 'input' ? 'iifname' : pick.of(['iifname', 'oifname']);
    const states = pick.some(['new', 'established', 'related', 'invalid', 'untracked'], 1, 3);
    return pick.of([
      () => `${version} ${end} ${not}${pick.of(hosts)}`,
      () => `${version} ${end} ${not}${this.#network(version)}`,
      () => `${version} ${end} ${not}{ ${pick.some(hosts, 1, 5).join(', ')} }`,
      () => `${version} ${end} ${not}{ ${this.#network(version)}, ${pick.of(hosts.slice(16))} }`,
      () => `${version} ${end} ${not}${hosts[2]}-${hosts[5]}`,
      () => `${version} ${end} ${not}@hosts${version}`,
      () => `${version} ${end} ${not}@nets${version}`,
      () => `${version} ${end} . ${transport} ${port} ${not}@pairs${version}`,
      () => `${version} ${end} . ${transport} ${port} ${not}{ ${pick.of(hosts)} . ${pick.of(PORTS)}, ${pick.of(hosts)} . 1-1023 }`,
      () => `${transport} ${port} ${not}${pick.of(PORTS)}`,
      () => `${transport} ${port} ${not}${low}-${high}`,
      () => `${transport} ${port} ${not}{ ${low}, ${high} }`,
      () => `${transport} ${port} ${pick.of(['<', '<=', '>', '>='])} ${pick.of(PORTS)}`,
      () => `${transport} ${port} ${not}@${pick.of(['ports', 'spans'])}`,
      () => `meta l4proto { tcp, udp } th ${port} ${not}{ ${low}, ${high} }`,
      () => `th ${port} ${not}${pick.of(PORTS)}`,
      () => `${device} ${not}${names.length > 1 ? `{ ${names.filter((name) => name !== '"l*"').join(', ') || '"lan"'} }` : names[0]}`,
      () => `iif ${not}${pick.of(['"lan"', '"wan"', '"dmz"'])}`,
      () => `iifname . ${transport} ${port} ${not}{ "lan" . ${pick.of(PORTS)}, "wan" . ${pick.of(PORTS)} }`,
      () => `meta l4proto ${not}${pick.of(['tcp', 'udp', '47', 'gre', '{ tcp, udp }', 'icmp'])}`,
      () => `meta nfproto ${not}${pick.of(['ipv4', 'ipv6'])}`,
      () => `meta protocol ${not}${pick.of(['ip', 'ip6'])}`,
      () => (version === 'ip' ? `ip protocol ${not}${pick.of(['tcp', 'udp', 'gre'])}` : `ip6 nexthdr ${not}${pick.of(['tcp', 'udp'])}`),
      () => `ct state ${pick.oneIn(4) ? '!= ' : ''}${states.join(',')}`,
      () => `ct state ${not}{ ${states.join(', ')} }`,
      () => `ct status ${not}${pick.of(['expected', 'assured', 'seen-reply', 'confirmed', 'dnat', 'snat', 'expected,assured'])}`,
      () => `ct direction ${not}${pick.of(['original', 'reply'])}`,
      () => `ct helper ${not}"ftp"`,
      () => `ct original ${version} ${end} ${not}${pick.of(hosts)}`,
      () => `ct original protocol ${not}tcp`,
      () => `ct mark ${not}${pick.of(['0', '5', '0x10'])}`,
      () => `ct mark & 0xf ${pick.of(['==', '!='])} ${pick.number(0, 5)}`,
      () => `meta mark ${not}${pick.of(['0', '1', '16', '{ 1, 2, 3 }'])}`,
      () => `meta mark & 0x1f ${pick.of(['==', '!='])} ${pick.of([0, 1, 16])}`,
      () => `tcp flags ${pick.of(['syn', '!= syn', 'syn,ack', '& (fin|syn|rst|ack) == syn', '& (fin|syn) != 0', '{ syn, ack }'])}`,
      () => `tcp flags & ${pick.of(['syn == syn', 'ack != ack', '(syn|ack) == (syn|ack)', '(fin|syn|rst|psh|ack|urg) == 0'])}`,
      () => (hook === null || hook === 'postrouting' ? 'meta pkttype host' : `fib saddr . iif oif ${pick.of(['missing', 'exists'])}`),
      () => (hook === 'prerouting' || hook === 'input' ? `fib daddr type ${not}${pick.of(['local', 'unicast'])}` : 'meta pkttype host'),
      () => `meta length ${pick.of(['<', '>'])} 60`,
      () => `ip${version === 'ip' ? ' ttl' : '6 hoplimit'} ${pick.of(['64', '> 1'])}`,
    ])();
  }
}

const NETWORKS = {
  ip: ['10.71.1.0/24', '10.71.0.0/16', '10.71.2.16/29', '10.71.3.16/30', '0.0.0.0/0', '192.0.2.0/24'],
  ip6: ['fd71:1::/64', 'fd71::/16', 'fd71:2::10/125', '::/0', '2001:db8::/32'],
};

function natTable(pick: Picker): string {
  const family = pick.of(['ip', 'inet'] as const);
  const version = family === 'inet' ? ' ip' : '';
  const only = family === 'inet' ? 'meta nfproto ipv4 ' : '';
  const inner = () => `${pick.of(['tcp', 'udp'])} dport ${pick.of(PORTS)}`;
  const target = () => pick.of(CABLES).hosts.ipv4[pick.number(0, 7)];
  const destination = () =>
    pick.of([
      () => `${only}${inner()} dnat${version} to ${target()}:${pick.of(PORTS)}`,
      () => `${only}iifname ${pick.of(['"lan"', '"wan"'])} dnat${version} to ${target()}`,
      () => `${only}${inner()} redirect to :${pick.of(PORTS)}`,
      () => `${only}${inner()} accept`,
      () => `${only}dnat${version} to tcp dport map { 80 : ${target()}, 443 : ${target()} }`,
    ])();
  const source = () =>
    pick.of([
      () => `${only}oifname ${pick.of(['"wan"', '"dmz"'])} masquerade`,
      () => `${only}oifname ${pick.of(['"wan"', '"dmz"'])} snat${version} to 10.71.2.${pick.number(200, 205)}`,
      () => `${only}ip saddr ${pick.of(NETWORKS.ip)} masquerade`,
    ])();
  return `table ${family} nat {
  chain pre { type nat hook prerouting priority -100; policy accept;
    ${pick.times(0, 3, destination).join('\n    ')}
  }
  chain post { type nat hook postrouting priority 100; policy accept;
    ${pick.times(0, 3, source).join('\n    ')}
  }
}`;
}
