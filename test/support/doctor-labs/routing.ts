import type { DoctorCase } from './lab.ts';
import { STRICT } from './lab.ts';

/** Clients are reached by a table of its own, for packets that came in at `wan`; the main table knows a wrong way. */
const ROUTED_BY_MARK = `ip route del 10.79.1.0/24 dev lan
  ip route add 10.79.1.0/24 dev other
  ip route add 10.79.1.0/24 dev lan table 100
  ip rule add fwmark 7 lookup 100`;
export const MARKED = `${STRICT}
  table inet routing { chain pre { type filter hook prerouting priority mangle; policy accept; iifname "wan" meta mark set 7; } }`;
export const routedByMark = (rpFilter: number) => `${ROUTED_BY_MARK}\n  sysctl -qw net.ipv4.conf.lan.rp_filter=${rpFilter}`;

/** Faults of routes and settings. */
export const ROUTING: readonly DoctorCase[] = [
  {
    name: 'forwarding is off',
    router: 'sysctl -qw net.ipv4.ip_forward=0',
    traffic: 'passive',
    works: false,
    cause: /net\.ipv4\.ip_forward/,
  },
  {
    name: 'forwarding is off for what enters at one interface',
    router: 'sysctl -qw net.ipv4.conf.wan.forwarding=0',
    traffic: 'passive',
    works: false,
    cause: /net\.ipv4\.conf\.wan\.forwarding/,
  },
  {
    name: 'forwarding of IPv6 is off',
    router: 'sysctl -qw net.ipv6.conf.all.forwarding=0',
    traffic: 'passive-v6',
    works: false,
    cause: /net\.ipv6\.conf\.all\.forwarding/,
  },
  {
    name: 'no route back to the clients',
    router: 'ip route del 10.79.1.0/24 dev lan',
    traffic: 'passive',
    works: false,
    cause: /no route to 10\.79\.1\.\d+/,
  },
  {
    name: 'a strict reverse-path check, with routes by mark',
    nft: MARKED,
    router: routedByMark(1),
    traffic: 'passive',
    works: false,
    cause: /rp_filter/,
  },
  {
    name: 'a reverse-path check of nft',
    nft: `${MARKED}
      table inet guard { chain pre { type filter hook prerouting priority raw; policy accept; fib saddr . iif oif missing drop; } }`,
    router: routedByMark(0),
    traffic: 'passive',
    works: false,
    cause: /inet guard pre handle \d+ .*fib/,
  },
  {
    name: 'a policy rule that discards the data connection',
    router: 'ip rule add ipproto tcp dport 1024-65534 iif lan blackhole pref 100',
    traffic: 'passive',
    works: false,
    cause: /blackhole/,
  },
];
