import { describe, expect, it } from 'vitest';
import { readIptablesSave } from '../../src/review/ruleset/iptables.ts';
import type { Ruleset } from '../../src/review/ruleset/model.ts';
import { readNftJson } from '../../src/review/ruleset/nft-json.ts';
import type { Packet, Surroundings, Tracked } from '../../src/review/ruleset/packet.ts';
import { PacketWalk, type Passage } from '../../src/review/ruleset/walk.ts';

const TRACKED: Tracked = {
  state: 'related',
  direction: 'original',
  status: ['expected', 'dnat'],
  helper: 'ftp',
  source: '10.1.0.2',
  destination: '10.2.0.2',
  mark: 0x15,
};
const PACKET: Packet = {
  family: 'ipv4',
  protocol: 'tcp',
  source: '10.1.0.2',
  destination: '10.2.0.2',
  sport: 50_000,
  dport: 40_000,
  flags: ['syn'],
  input: 'lan',
  output: 'wan',
  mark: 0x25,
  tracked: TRACKED,
  connections: 2,
};
const AROUND: Surroundings = {
  typeOf: (address) => (address === '10.1.0.1' ? 'local' : 'unicast'),
  reachedThrough: (_address, _packet, mark) => (mark === null ? null : ['lan']),
};

function walked(ruleset: Ruleset, change: Partial<Packet> = {}): Passage & { packet: Packet } {
  const packet = { ...PACKET, ...change, tracked: change.tracked === undefined ? { ...TRACKED } : change.tracked };
  const walk = new PacketWalk([{ program: '', ruleset }], AROUND);
  return { ...walk.pass(packet, { name: 'forward', families: ['inet', 'ip'], nat: false }), packet };
}

describe('a packet through rules of iptables', () => {
  const passes = (...rules: string[]) =>
    walked(readIptablesSave(`*filter\n:FORWARD ACCEPT [0:0]\n${rules.map((rule) => `-A FORWARD ${rule}`).join('\n')}\nCOMMIT`, 'rules'));

  it.each([
    '-s 10.1.0.0/24 -d 10.2.0.2/32 -i lan -o wan -p tcp',
    '-i l+',
    '! -i wan',
    '-p tcp -m multiport --dports 21,39999:40001',
    '-p tcp -m tcp --sport 1024:',
    '-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN',
    '-p tcp --syn',
    '-m conntrack --ctstate NEW,RELATED',
    '-m conntrack --ctstate DNAT',
    '-m conntrack ! --ctstate ESTABLISHED',
    '-m conntrack --ctstatus EXPECTED --ctdir ORIGINAL',
    '-m helper --helper ftp',
    '-m mark --mark 0x5/0xf',
    '-m connmark --mark 0x15',
    '-m addrtype --dst-type UNICAST',
    '-m pkttype --pkt-type host',
    '-m rpfilter --loose',
    '-m limit --limit 5/min --limit-burst 3',
    '-m hashlimit --hashlimit-upto 5/sec --hashlimit-name x',
    '-m connlimit --connlimit-above 1 --connlimit-mask 32 --connlimit-saddr',
    '-m comment --comment "a remark"',
  ])('matches %s', (match) => {
    expect(passes(`${match} -j DROP`).verdict).toBe('drop');
  });

  it.each([
    '! -s 10.1.0.0/24',
    '-d 10.3.0.0/16',
    '-p udp',
    '-p icmp -m icmp --icmp-type 8',
    '-p tcp -m tcp --dport 21',
    '-p tcp -m tcp --tcp-flags SYN,ACK SYN,ACK',
    '-m conntrack --ctstate ESTABLISHED',
    '-m conntrack --ctstate SNAT',
    '-m conntrack ! --ctstatus EXPECTED',
    '-m helper --helper sip',
    '-m mark --mark 0x1',
    '-m connmark ! --mark 0x15',
    '-m addrtype --dst-type LOCAL',
    '-m rpfilter --validmark --invert',
    '-m hashlimit --hashlimit-above 5/sec --hashlimit-name x',
    '-m connlimit --connlimit-upto 1',
  ])('does not match %s', (match) => {
    expect(passes(`${match} -j DROP`).verdict).toBe('accept');
  });

  it.each([
    '-m set --match-set blocked src',
    '-m recent --rcheck --name x',
    '-m conntrack --ctstate NEW,SNAT',
    '-m connlimit --connlimit-above 9',
  ])('does not know whether %s matches', (match) => {
    expect(passes(`${match} -j DROP`).verdict).toBe('unknown');
  });

  it('follows jumps, returns and gotos', () => {
    const saved =
      '*filter\n:FORWARD DROP [0:0]\n:a - [0:0]\n:b - [0:0]\n-A FORWARD -j a\n-A FORWARD -g b\n-A FORWARD -j ACCEPT\n-A a -j RETURN\n-A a -j DROP\n-A b -p udp -j ACCEPT\nCOMMIT';
    expect(walked(readIptablesSave(saved, 'rules'))).toMatchObject({ verdict: 'drop', by: { rule: null } });
    expect(walked(readIptablesSave(saved, 'rules'), { protocol: 'udp' }).verdict).toBe('accept');
  });

  it('changes marks as the targets say', () => {
    expect(passes('-j MARK --set-xmark 0x100/0xff').packet.mark).toBe(0x100);
    expect(passes('-j CONNMARK --save-mark').packet.tracked?.mark).toBe(0x25);
    expect(passes('-j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff').packet.mark).toBe(0x15);
    expect(passes('-m recent --rcheck --name x -j MARK --set-xmark 0x1/0xffffffff').packet.mark).toBeNull();
  });

  it('tells who assigns a helper, a zone, a translation, and who stops tracking', () => {
    const rules = ['-j CT --helper sip', '-j CT --zone-orig 5', '-j DNAT --to-destination 10.9.0.1:2121', '-j SNAT --to-source 10.9.0.2'];
    const kinds = passes(...rules, '-j LOG', '-j REDIRECT --to-ports 2121', '-j MASQUERADE').effects.map(({ kind }) => kind);
    expect(kinds).toEqual(['helper', 'zone', 'nat', 'nat', 'nat', 'nat']);
    const early = walked(readIptablesSave('*raw\n:FORWARD ACCEPT [0:0]\n-A FORWARD -j CT --notrack\nCOMMIT', 'rules'), { tracked: null });
    expect(early.effects).toMatchObject([{ kind: 'notrack', by: { chain: { table: 'raw' } } }]);
  });

  it('does not know what a program decides', () => {
    expect(passes('-j NFQUEUE --queue-num 1')).toMatchObject({
      verdict: 'unknown',
      by: { rule: { text: expect.stringContaining('NFQUEUE') } },
    });
  });
});

describe('a packet through rules of nft', () => {
  const chain = { family: 'inet', table: 't', name: 'c', handle: 1, type: 'filter', hook: 'forward', prio: 0, policy: 'accept' };
  const rule = (expr: object[], name = 'c') => ({ rule: { family: 'inet', table: 't', chain: name, handle: 9, expr } });
  const through = (expr: object[], ...more: object[]) =>
    walked(readNftJson(JSON.stringify({ nftables: [{ chain }, ...more, rule(expr)] }), 'rules'));
  const match = (left: object, right: unknown, op = '==') => ({ match: { left, op, right } });
  const payload = (protocol: string, field: string) => ({ payload: { protocol, field } });
  const meta = (key: string) => ({ meta: { key } });
  const ct = (key: string, dir?: string) => ({ ct: { key, dir } });
  const drop = { drop: null };

  it.each<[string, object]>([
    [
      'an address in a set of ranges and prefixes',
      match(payload('ip', 'saddr'), { set: [{ range: ['10.1.0.1', '10.1.0.9'] }, { prefix: { addr: '192.0.2.0', len: 24 } }] }),
    ],
    ['an interface by its beginning', match(meta('iifname'), 'la*')],
    ['a port beyond a limit', match(payload('tcp', 'dport'), 1024, '>=')],
    ['a port that is none of a range', match(payload('th', 'dport'), { range: [1, 1023] }, '!=')],
    ['one of several states', match(ct('state'), ['established', 'related'], 'in')],
    ['another state', match(ct('state'), 'established', '!=')],
    ['a bit of the status', match({ '&': [ct('status'), 'dnat'] }, 'dnat')],
    ['flags of TCP under a mask', match({ '&': [payload('tcp', 'flags'), ['syn', 'ack']] }, 'syn')],
    ['bits of a mark', match({ '&': [meta('mark'), 15] }, 5)],
    ['the original source', match(ct('ip saddr', 'original'), '10.1.0.2')],
    ['the helper of the master', match(ct('helper'), 'ftp')],
    ['a reverse path', match({ fib: { result: 'oif', flags: ['saddr', 'iif'] } }, true)],
    ['a type of address', match({ fib: { result: 'type', flags: ['daddr'] } }, { set: ['local', 'multicast'] }, '!=')],
    [
      'a concatenation',
      match({ concat: [meta('iifname'), payload('tcp', 'dport')] }, { set: [{ concat: ['lan', { range: [1, 65535] }] }] }),
    ],
    ['a count of connections', { 'ct count': { val: 1, inv: true } }],
    [
      'a limit within a set',
      { set: { op: 'add', elem: payload('ip', 'saddr'), set: '@s', stmt: [{ 'ct count': { val: 1, inv: true } }] } },
    ],
    ['a protocol by its number', match(meta('l4proto'), '6')],
  ])('matches %s', (_what, condition) => {
    expect(through([condition, drop]).verdict).toBe('drop');
  });

  it.each<[string, object]>([
    ['IPv6', match(payload('ip6', 'saddr'), 'fd00::1')],
    ['a port of UDP', match(payload('udp', 'dport'), 40_000)],
    ['another mark', match(meta('mark'), 1)],
    ['a state of packets before conntrack', match(ct('state'), 'untracked')],
    ['a rate beyond', { limit: { rate: 1, per: 'hour', inv: true } }],
    [
      'a meter beyond its rate',
      { meter: { key: payload('ip', 'saddr'), stmt: { limit: { rate: 1, per: 'hour', inv: true } }, name: 'm' } },
    ],
    ['a missing route back', match({ fib: { result: 'oif', flags: ['saddr', 'iif'] } }, false)],
    ['ICMP', match(payload('icmp', 'type'), 'echo-request')],
  ])('does not match %s', (_what, condition) => {
    expect(through([condition, drop]).verdict).toBe('accept');
  });

  it.each<[string, object]>([
    ['a quota', { quota: { val: 10, val_unit: 'mbytes', inv: true } }],
    ['the time of day', match(meta('hour'), { range: ['10:00', '12:00'] })],
    ['chance', match({ numgen: { mode: 'random', mod: 2, offset: 0 } }, 0)],
    ['a match of iptables that nft does not show', { xt: { type: 'match', name: 'string' } }],
    ['a set that is not there', match(payload('ip', 'saddr'), '@gone')],
  ])('does not know whether %s matches', (_what, condition) => {
    expect(through([condition, drop]).verdict).toBe('unknown');
  });

  it('is not in doubt where a later rule decides the same', () => {
    const maybe = rule([{ quota: { val: 1, inv: true } }, drop]);
    expect(through([drop], maybe)).toMatchObject({ verdict: 'drop' });
  });

  it('reads sets as they are now, with time-outs', () => {
    const set = {
      set: {
        family: 'inet',
        table: 't',
        name: 's',
        type: 'ipv4_addr',
        flags: ['timeout'],
        elem: [{ elem: { val: '10.1.0.2', timeout: 60 } }],
      },
    };
    expect(through([match(payload('ip', 'saddr'), '@s'), drop], set).verdict).toBe('drop');
  });

  it('follows verdict maps, in place and by name', () => {
    const inner = { chain: { family: 'inet', table: 't', name: 'inner', handle: 2 } };
    const data = {
      set: [
        ['established', { accept: null }],
        ['related', { jump: { target: 'inner' } }],
      ],
    };
    expect(through([{ vmap: { key: ct('state'), data } }], inner, rule([drop], 'inner'))).toMatchObject({
      verdict: 'drop',
      by: { chain: { name: 'inner' } },
    });
    const map = {
      map: {
        family: 'inet',
        table: 't',
        name: 'm',
        type: 'inet_service',
        map: 'verdict',
        elem: [
          [{ range: [1024, 65535] }, drop],
          ['*', { accept: null }],
        ],
      },
    };
    expect(through([{ vmap: { key: payload('tcp', 'dport'), data: '@m' } }], map).verdict).toBe('drop');
    expect(through([{ vmap: { key: payload('tcp', 'dport'), data: '@gone' } }]).verdict).toBe('unknown');
  });

  it('changes marks, zones and helpers', () => {
    const mangle = (key: object, value: unknown) => ({ mangle: { key, value } });
    expect(through([mangle(meta('mark'), { '|': [ct('mark'), 0x100] })]).packet.mark).toBe(0x115);
    const map = {
      map: {
        key: meta('iifname'),
        data: {
          set: [
            ['wan', 1],
            ['lan', 7],
          ],
        },
      },
    };
    expect(through([mangle(ct('zone'), map)]).effects).toMatchObject([{ kind: 'zone', zone: 7 }]);
    const object = { 'ct helper': { family: 'inet', table: 't', name: 'chat', type: 'irc', protocol: 'tcp', l3proto: 'ip' } };
    expect(through([{ 'ct helper': 'chat' }], object).effects).toMatchObject([{ kind: 'helper', type: 'irc' }]);
    const byPort = { 'ct helper': { map: { key: payload('tcp', 'dport'), data: { set: [[40_000, 'chat']] } } } };
    expect(through([byPort], object).effects).toMatchObject([{ kind: 'helper', type: 'irc' }]);
  });
});
