import { describe, expect, it } from 'vitest';
import type { PathReport, TrialReport } from '../../src/probe/client.ts';
import { TRIALS } from '../../src/probe/trials.ts';
import { type CopiedLink, copiedRoutes, copiedRules, endsOf, readLinks, sidesOf } from '../../src/proof/copied-network.ts';
import { readTrace } from '../../src/proof/trace.ts';
import { lackingIn, planTries, type Tried, tryResults } from '../../src/proof/try.ts';

function link(name: string, ...cidrs: string[]): CopiedLink {
  const addresses = cidrs.map((cidr) => {
    const [address = '', prefix] = cidr.split('/');
    return { family: address.includes(':') ? ('ipv6' as const) : ('ipv4' as const), address, prefix: Number(prefix) };
  });
  return { name, isBridge: false, master: null, addresses };
}
const ANY = { source: null, destination: null };

describe('the network of a router that is copied', () => {
  it('has the interfaces that are up, with their addresses but link-local ones', () => {
    const json = JSON.stringify([
      { ifname: 'lo', flags: ['UP'], addr_info: [{ family: 'inet', local: '127.0.0.1', prefixlen: 8, scope: 'host' }] },
      { ifname: 'down', flags: ['BROADCAST'], addr_info: [] },
      {
        ifname: 'br0',
        flags: ['UP'],
        linkinfo: { info_kind: 'bridge' },
        addr_info: [{ family: 'inet', local: '10.0.0.1', prefixlen: 24, scope: 'global' }],
      },
      { ifname: 'eth0', flags: ['UP'], master: 'br0', addr_info: [{ family: 'inet6', local: 'fe80::1', prefixlen: 64, scope: 'link' }] },
    ]);
    expect(readLinks(json)).toEqual([
      { ...link('br0', '10.0.0.1/24'), isBridge: true },
      { ...link('eth0'), master: 'br0' },
    ]);
    expect(readLinks('')).toEqual([]);
  });

  it('keeps routes as they are added, and leaves out those that the kernel makes', () => {
    const text = `default via 192.0.2.1 dev wan proto static metric 100
10.0.0.0/24 dev lan proto kernel scope link src 10.0.0.1 linkdown
10.9.0.0/24 dev lan table 100
local 10.0.0.1 dev lan table local proto kernel scope host src 10.0.0.1
broadcast 10.0.0.255 dev lan table local proto kernel scope link src 10.0.0.1
blackhole 198.51.100.0/24
fe80::/64 dev lan proto kernel metric 256 pref medium
default via fe80::1 dev wan proto ra metric 1024 expires 1798sec pref medium
`;
    expect(copiedRoutes(text)).toEqual([
      'default via 192.0.2.1 dev wan proto static metric 100',
      '10.0.0.0/24 dev lan proto kernel scope link src 10.0.0.1',
      '10.9.0.0/24 dev lan table 100',
      'blackhole 198.51.100.0/24',
      'default via fe80::1 dev wan proto ra metric 1024 pref medium',
    ]);
  });

  it('keeps rules, but that for the local table', () => {
    const text =
      '0:\tfrom all lookup local\n100:\tfrom all iif lan [detached] ipproto tcp dport 1024-65534 blackhole\n32766:\tfrom all lookup main\n';
    expect(copiedRules(text)).toEqual([
      'pref 100 from all iif lan  ipproto tcp dport 1024-65534 blackhole',
      'pref 32766 from all lookup main',
    ]);
  });
});

describe('the sides of a copy', () => {
  const [lan, wan, other] = [link('lan', '10.0.0.1/24'), link('wan', '192.0.2.2/24'), link('other', '10.1.0.1/24')];
  const names = (found: ReturnType<typeof sidesOf>) => found && [found.inside.name, found.outside.name];

  it('are the interface of the default route, and the one that rules name for packets that enter', () => {
    const routes = ['default via 192.0.2.1 dev wan'];
    expect(names(sidesOf([other, wan, lan], routes, { iif: ['lan'], oif: [] }))).toEqual(['lan', 'wan']);
    expect(names(sidesOf([other, wan, lan], routes, { iif: ['wan'], oif: [] }))).toEqual(['other', 'wan']);
  });

  it('are those that rules name, or the first two, without a default route', () => {
    expect(names(sidesOf([lan, other, wan], [], { iif: ['lan'], oif: ['wan'] }))).toEqual(['lan', 'wan']);
    expect(names(sidesOf([lan, wan, other], [], { iif: [], oif: [] }))).toEqual(['lan', 'wan']);
    expect(sidesOf([lan, link('bare')], [], { iif: [], oif: [] })).toBeNull();
  });

  it('hold a client on the inner link, and a server on the outer one', () => {
    expect(endsOf({ inside: lan, outside: wan }, [], ANY)).toEqual([
      {
        family: 'ipv4',
        client: { address: '10.0.0.2', gateway: '10.0.0.1', prefix: 24 },
        server: { onLink: '192.0.2.3', address: '192.0.2.3', gateway: '192.0.2.2', prefix: 24 },
      },
    ]);
  });

  it('hold the server behind the next hop of the default route', () => {
    const [ends] = endsOf({ inside: lan, outside: wan }, ['default via 192.0.2.1 dev wan'], ANY);
    expect(ends?.server).toEqual({ onLink: '192.0.2.1', address: '203.0.113.9', gateway: '192.0.2.2', prefix: 24 });
  });

  it('hold ends in the scope of the helper', () => {
    const scope = { source: '10.0.0.128/25', destination: '198.51.100.7' };
    const [ends] = endsOf({ inside: lan, outside: wan }, ['default via 192.0.2.1 dev wan'], scope);
    expect([ends?.client.address, ends?.server.address]).toEqual(['10.0.0.130', '198.51.100.7']);
  });

  it('are there in each family that both interfaces have, where the link has room for a host', () => {
    const both = [link('a', '10.0.0.1/24', 'fd00:1::1/64'), link('b', '10.1.0.1/32', 'fd00:2::1/64')] as const;
    expect(endsOf({ inside: both[0], outside: both[1] }, [], ANY).map(({ family }) => family)).toEqual(['ipv6']);
  });
});

describe('a trace', () => {
  const PACKET =
    'packet: iif "lan" oif "wan" ether saddr aa:bb:cc:dd:ee:ff ip saddr 10.0.0.2 ip daddr 192.0.2.3 ip dscp cs0 tcp sport 4000 tcp dport';
  it('tells at which rule, or by which policy, a packet ended', () => {
    const text = `trace id 1a inet pinhole_try trace ${PACKET} 50000 tcp flags == syn
trace id 1a inet pinhole_try trace rule tcp flags & (syn | ack) == syn meta nftrace set 1 (verdict continue)
trace id 1a inet filter forward ${PACKET} 50000 tcp flags == syn
trace id 1a inet filter forward rule iifname "lan" tcp dport 1024-65535 drop (verdict drop)
trace id 2b inet filter forward ${PACKET} 50002 tcp flags == syn
trace id 2b inet filter forward verdict continue
trace id 2b inet filter forward policy drop
trace id 3c inet filter forward ${PACKET} 21 tcp flags == syn
trace id 3c inet filter forward rule tcp dport 21 accept (verdict accept)
trace id 4d ip6 filter forward packet: iif "lan" ip6 saddr fd00::2 ip6 daddr fd00::3 udp sport 4000 udp dport 69
trace id 4d ip6 filter forward rule udp dport 69 drop (verdict drop)
garbage
`;
    expect(readTrace(text, 'pinhole_try')).toEqual([
      { protocol: 'tcp', address: '192.0.2.3', port: 50_000, by: 'inet filter forward: iifname "lan" tcp dport 1024-65535 drop' },
      { protocol: 'tcp', address: '192.0.2.3', port: 50_002, by: 'inet filter forward: the policy drops' },
      { protocol: 'udp', address: 'fd00::3', port: 69, by: 'ip6 filter forward: udp dport 69 drop' },
    ]);
  });
});

describe('what is tried', () => {
  const tried = (helper: string, protocol: string, port: number): Tried => ({ helper, protocol, port, scope: null });

  it('is each helper that a probe speaks, once; the rest is said not to be tried', () => {
    const { services, notes } = planTries([
      tried('ftp', 'tcp', 21),
      tried('ftp', 'tcp', 21),
      tried('ftp', 'tcp', 990),
      tried('h323', 'tcp', 1720),
      tried('sip', 'udp', 5060),
    ]);
    expect(services).toEqual([
      { helper: 'ftp', transport: 'tcp', port: 21 },
      { helper: 'sip', transport: 'udp', port: 5060 },
    ]);
    expect(notes.map(({ check, detail }) => [check, detail.slice(0, 26)])).toEqual([
      ['try ftp tcp/990', 'not tried: port 990 is FTP'],
      ['try h323 tcp/1720', 'not tried: no probe speaks'],
      ['try ftp', 'tried without TLS: after A'],
    ]);
  });

  const [trial] = TRIALS;
  if (!trial) throw new Error('there are no trials');
  const asked = { address: '192.0.2.3', port: 21 };
  const report: TrialReport = {
    alg: 'present',
    data: 'blocked',
    why: ['the text to the reflector was rewritten'],
    trial,
    family: 'ipv4',
    port: 21,
    client: { own: { address: '10.0.0.2', port: 4000 }, seen: { address: '192.0.2.2', port: 4000 } },
    reflector: { asked, own: asked },
    announced: { address: '192.0.2.2', port: 50_000 },
    rewritten: { toReflector: [{ sent: 'PORT 1', arrived: 'PORT 2' }], toClient: [] },
    holes: [{ direction: 'to-client', target: { address: '192.0.2.2', port: 50_000 }, announced: 'silent', quiet: 'silent' }],
  };
  const path: PathReport = { family: 'ipv4', reflector: '192.0.2.3', own: '10.0.0.2', seen: null, trials: [report] };
  const stopped = [{ protocol: 'tcp', address: '192.0.2.2', port: 50_000, by: 'inet filter forward: the policy drops' }] as const;

  it('ends as a problem with what was rewritten, what did not pass, and the rule that stopped it', () => {
    const [result] = tryResults([path], stopped, null);
    expect(result?.result).toBe('problem');
    expect(result?.check).toBe('try ftp PORT tcp/21 ipv4');
    expect(result?.detail).toContain('1 line was rewritten, and names 192.0.2.2:50000 for 10.0.0.2');
    expect(result?.detail).toContain('to the client at 192.0.2.2:50000: silent, and silent beside it');
    expect(result?.detail).toContain('stopped by inet filter forward: the policy drops');
  });

  it('names another assigner that is there without Pinhole’s table', () => {
    expect(tryResults([path], [], [path])[0]?.detail).toContain('another program assigns a helper, too');
    expect(tryResults([path], [], [{ ...path, trials: [{ ...report, alg: 'none' }] }])[0]?.detail).not.toContain('another program');
  });

  it('is fine where the connection passed', () => {
    expect(tryResults([{ ...path, trials: [{ ...report, data: 'passed' }] }], stopped, null)[0]?.result).toBe('ok');
  });
});

describe('a copy that lacks something of the router', () => {
  it('proves no connection, and still shows the ones that fail', () => {
    const ok = { check: 'try ftp PORT', result: 'ok', detail: 'one line was rewritten' } as const;
    const problem = { check: 'try ftp PASV', result: 'problem', detail: 'dropped' } as const;
    expect(lackingIn([ok, problem], ['the tc filters of wan'])).toEqual([
      {
        ...ok,
        result: 'note',
        detail: 'not known: the copy lacks the tc filters of wan. Try it with --client and --server; one line was rewritten',
      },
      problem,
    ]);
    expect(lackingIn([ok], [])).toEqual([ok]);
  });
});
