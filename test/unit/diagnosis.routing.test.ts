import { describe, expect, it } from 'vitest';
import { readNetwork } from '../../src/diagnosis/network.ts';
import { lookUpRoute, type RouteQuery } from '../../src/diagnosis/routing.ts';

/** As `ip -j rule show` and `ip -j route show table all` print them. */
const RULES = [
  { priority: 0, src: 'all', table: 'local' },
  { priority: 10, not: null, src: '10.0.0.0', srclen: 8, table: 'outside' },
  { priority: 20, src: 'all', fwmark: '0x10', fwmask: '0xf0', table: 'marked' },
  { priority: 30, src: 'all', ipproto: 'tcp', dport_start: 6000, dport_end: 6999, iif: 'lan', action: 'prohibit' },
  { priority: 40, src: 'all', table: 'main', suppress_prefixlen: 0 },
  { priority: 50, src: 'all', uid_start: 1, uid_end: 2, table: 'users' },
  { priority: 60, src: 'all', table: 'main' },
];
const ROUTES = [
  { type: 'local', dst: '10.1.0.1', dev: 'lan', table: 'local', flags: [] },
  { type: 'unreachable', dst: 'default', table: 'outside', flags: [] },
  { dst: '10.2.0.0/16', dev: 'tunnel', table: 'marked', flags: [] },
  { dst: '10.1.0.0/24', dev: 'lan', flags: [] },
  { dst: '10.1.0.0/24', dev: 'spare', metric: 100, flags: [] },
  { dst: '10.1.0.128/25', dev: 'half', flags: [] },
  { type: 'blackhole', dst: '10.3.0.0/16', flags: [] },
  {
    dst: '10.4.0.0/16',
    flags: [],
    nexthops: [
      { gateway: '10.1.0.9', dev: 'lan', flags: [] },
      { dev: 'dead', flags: ['dead'] },
    ],
  },
  { dst: 'default', gateway: '10.1.0.254', dev: 'wan', flags: [] },
];
const LINKS = [
  { ifname: 'tenant', flags: ['UP'], master: 'red' },
  { ifname: 'red', flags: ['UP'], linkinfo: { info_kind: 'vrf' } },
];

describe('lookUpRoute', () => {
  const network = readNetwork(
    {
      addresses: JSON.stringify(LINKS),
      rules4: JSON.stringify(RULES),
      rules6: '',
      routes4: JSON.stringify(ROUTES),
      routes6: '',
      neighbours: '',
      filtered: '',
      expectations: '',
      listening: '',
    },
    {},
  );
  const query: RouteQuery = {
    family: 'ipv4',
    to: '10.1.0.5',
    from: '10.9.0.9',
    input: 'lan',
    mark: 0,
    protocol: 'tcp',
    sport: 50_000,
    dport: 21,
  };
  const answer = (change: Partial<RouteQuery>) => lookUpRoute(network, { ...query, ...change });

  it.each([
    ['prefers the longest prefix', { to: '10.1.0.200' }, { kind: 'unicast', devices: ['half'] }],
    ['prefers the lowest metric', { to: '10.1.0.5' }, { kind: 'unicast', devices: ['lan'] }],
    ['knows the host’s own addresses', { to: '10.1.0.1' }, { kind: 'local', devices: ['lan'] }],
    ['follows a negated rule', { from: '192.0.2.1' }, { kind: 'refused', by: 'the route unreachable 0.0.0.0/0' }],
    ['follows the bits of a mark', { to: '10.2.0.1', mark: 0x11 }, { kind: 'unicast', devices: ['tunnel'] }],
    ['names a rule that discards', { dport: 6500 }, { kind: 'refused', by: 'the policy rule with priority 30 (prohibit)' }],
    ['leaves out dead next hops', { to: '10.4.0.1' }, { kind: 'unicast', devices: ['lan'] }],
    ['names a route that discards', { to: '10.3.0.1' }, { kind: 'refused', by: 'the route blackhole 10.3.0.0/16' }],
  ])('%s', (_what, change, expected) => {
    expect(answer(change)).toEqual(expected);
  });

  it.each([
    ['an unknown mark', { mark: null }],
    ['a rule that asks for a user', { to: '192.0.2.1' }],
    ['a VRF', { input: 'tenant' }],
  ])('does not know the answer for %s', (_what, change) => {
    expect(answer(change)).toMatchObject({ kind: 'unknown' });
  });

  it('finds none without rules', () => {
    expect(lookUpRoute(network, { ...query, family: 'ipv6', to: 'fd00::1', from: null })).toEqual({ kind: 'none' });
  });
});
