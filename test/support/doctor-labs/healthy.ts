import { AT } from './at.ts';
import type { DoctorCase } from './lab.ts';
import { STRICT } from './lab.ts';
import { MARKED, routedByMark } from './routing.ts';
import { CONTROL, FIREWALLD, forward, iptablesFilter, restore, UFW } from './rulesets.ts';

const BOTH = '-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT';

const MASQUERADE = 'table ip nat { chain post { type nat hook postrouting priority srcnat; policy accept; oifname "wan" masquerade; } }';

const HELPER = { helper: 'ftp', protocol: 'tcp', port: 21 } as const;

function healthy(name: string, rest: Partial<DoctorCase> = {}): DoctorCase {
  return { name, traffic: 'passive', works: true, cause: null, ...rest };
}

/** Set-ups in which helpers work. */
export const HEALTHY: readonly DoctorCase[] = [
  healthy('plain nft'),
  healthy('no firewall', { nft: '', traffic: 'active' }),
  healthy('firewalld', { nft: FIREWALLD }),
  healthy('ufw', { nft: '', router: `${restore('iptables-nft-restore', UFW.v4)}\n${restore('ip6tables-nft-restore', UFW.v6)}` }),
  healthy('ufw with TFTP', {
    nft: '',
    router: `${restore('iptables-nft-restore', UFW.v4)}\n${restore('ip6tables-nft-restore', UFW.v6)}`,
    traffic: 'tftp',
  }),
  healthy('iptables-nft', { nft: '', router: restore('iptables-nft-restore', iptablesFilter(BOTH)), traffic: 'active' }),
  healthy('iptables-legacy', { nft: '', router: restore('iptables-legacy-restore', iptablesFilter(BOTH)) }),
  healthy('NAT 1:1', {
    nft: `${STRICT.replace('iifname "lan" tcp dport', 'tcp dport')}
      table ip nat {
        chain pre { type nat hook prerouting priority dstnat; policy accept; ip daddr ${AT.v4.lan} dnat to ${AT.v4.server}; }
        chain post { type nat hook postrouting priority srcnat; policy accept; ip saddr ${AT.v4.server} snat to ${AT.v4.lan}; }
      }`,
    traffic: 'inbound',
  }),
  healthy('masquerade, with an active transfer', {
    nft: `${STRICT} ${MASQUERADE}`,
    server: 'ip route del default',
    traffic: 'active',
  }),
  healthy('IPv6', { traffic: 'active-v6' }),
  healthy('a SIP call', { traffic: 'sip' }),
  healthy('a SIP call behind masquerade', { nft: `${STRICT} ${MASQUERADE}`, traffic: 'sip' }),
  healthy('a file by DCC behind masquerade', { nft: `${STRICT} ${MASQUERADE}`, traffic: 'irc' }),
  healthy('one zone for all traffic', {
    nft: `${STRICT} table inet zones { chain pre { type filter hook prerouting priority raw; policy accept; ct zone set 7; } }`,
  }),
  healthy('zones by interface of two networks', {
    nft: `${forward('ct state established,related accept', 'iifname "lan" oifname "wan" tcp dport 21 accept')} table inet zones {
      map by_interface { typeof iifname : ct zone; elements = { "lan" : 7, "wan" : 7, "other" : 9 }; }
      chain pre { type filter hook prerouting priority raw; policy accept; ct zone set iifname map @by_interface; }
    }`,
  }),
  healthy('two tables', {
    nft: `${STRICT} table ip second { chain f { type filter hook forward priority 5; policy drop; ct state { established, related } accept; tcp dport { 21, 80 } accept; } }`,
  }),
  healthy('a scoped helper', { helpers: [{ ...HELPER, scope: { source: '10.79.1.0/24', destination: null, inInterface: 'lan' } }] }),
  healthy('related by helper and ports', {
    nft: forward('ct state established accept', 'ct state related ct helper "ftp" tcp dport 1024-65535 accept', CONTROL),
    traffic: 'active',
  }),
  healthy('a verdict map of states', { nft: forward('ct state vmap { established : accept, related : accept, invalid : drop }', CONTROL) }),
  healthy('other traffic is not tracked', {
    nft: `${STRICT} table inet raw { chain pre { type filter hook prerouting priority raw; policy accept; udp dport 53 notrack; udp sport 53 notrack; } }`,
  }),
  healthy('blocked networks and forged sources', {
    nft: `table inet filter {
      set blocked { type ipv4_addr; flags interval; elements = { 192.0.2.0/24, 198.51.100.0/24 }; }
      chain pre { type filter hook prerouting priority raw; policy accept; fib saddr . iif oif missing drop; }
      chain forward {
        type filter hook forward priority filter; policy drop;
        ct state invalid drop
        ip saddr @blocked drop
        tcp flags & (syn|rst) == syn|rst drop
        ct state vmap { established : accept, related : accept }
        ${CONTROL}
      }
    }`,
    traffic: 'active',
  }),
  healthy('routes by mark, without a reverse-path check', { nft: MARKED, router: routedByMark(0) }),
  healthy('iptables assigns the same helper', {
    nft: '',
    router: restore(
      'iptables-nft-restore',
      `*raw\n-A PREROUTING -p tcp -m tcp --dport 21 -j CT --helper ftp\nCOMMIT\n${iptablesFilter(BOTH)}`,
    ),
  }),
];
