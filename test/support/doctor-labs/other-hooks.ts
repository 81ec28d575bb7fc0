import type { DoctorCase } from './lab.ts';
import { STRICT } from './lab.ts';

const MASQUERADE = `table ip nat {
  chain postrouting { type nat hook postrouting priority srcnat; policy accept; oifname "wan" masquerade; }
}
`;

/** Faults at other hooks than forward, before and after it. */
export const OTHER_HOOKS: readonly DoctorCase[] = [
  {
    name: 'related dropped in prerouting',
    nft: `${STRICT} table inet guard { chain pre { type filter hook prerouting priority -90; policy accept; ct state related drop; } }`,
    traffic: 'passive',
    works: false,
    cause: /inet guard pre handle \d+ .*ct state related drop/,
  },
  {
    name: 'nothing new from outside, before NAT is undone',
    nft: `${STRICT} ${MASQUERADE}
      table inet guard { chain pre { type filter hook prerouting priority mangle; policy accept; iifname "wan" ct state != established drop; } }`,
    traffic: 'active',
    works: false,
    cause: /active.*inet guard pre handle \d+ /,
  },
  {
    name: 'dropped in postrouting',
    nft: `${STRICT} table ip guard { chain post { type filter hook postrouting priority 50; policy accept; ct status expected drop; } }`,
    traffic: 'passive',
    works: false,
    cause: /ip guard post handle \d+ .*ct status expected drop/,
  },
  {
    name: 'dropped at ingress of the inner interface',
    nft: `${STRICT} table netdev edge { chain in { type filter hook ingress device "lan" priority 0; policy accept; tcp dport 1024-65535 drop; } }`,
    traffic: 'passive',
    works: false,
    cause: /netdev edge in handle \d+ .*dport 1024-65535 drop/,
  },
  {
    name: 'dropped at ingress of the outer interface',
    nft: `${STRICT} table netdev edge { chain in { type filter hook ingress device "wan" priority 0; policy accept; tcp sport 20 drop; } }`,
    traffic: 'active',
    works: false,
    cause: /active.*netdev edge in handle \d+ .*sport 20 drop/,
  },
  {
    name: 'taken away by a filter of tc',
    nft: STRICT,
    router: `tc qdisc add dev wan clsact
      tc filter add dev wan ingress protocol ip u32 match ip sport 20 0xffff action mirred egress redirect dev other`,
    traffic: 'active',
    works: false,
    cause: { unknown: /tc filters packets at wan/ },
  },
  {
    name: 'dropped at egress',
    nft: `${STRICT} table netdev edge { chain out { type filter hook egress device "wan" priority 0; policy accept; tcp dport 1024-65535 drop; } }`,
    traffic: 'passive',
    works: false,
    cause: /netdev edge out handle \d+ .*dport 1024-65535 drop/,
  },
  {
    name: 'the control connection is not tracked',
    nft: `${STRICT.replace('iifname "lan" tcp', 'ct state untracked accept\n    iifname "lan" tcp')}
      table inet raw { chain pre { type filter hook prerouting priority raw; policy accept; tcp dport 21 notrack; tcp sport 21 notrack; } }`,
    traffic: 'passive',
    works: false,
    cause: /inet raw pre handle \d+ .*tcp dport 21 notrack/,
  },
  {
    name: 'answers of the control connection are not tracked',
    nft: `${STRICT.replace('iifname "lan" tcp', 'ct state untracked accept\n    iifname "lan" tcp')}
      table inet raw { chain pre { type filter hook prerouting priority raw; policy accept; tcp sport 21 notrack; } }`,
    traffic: 'passive',
    works: false,
    cause: /inet raw pre handle \d+ .*tcp sport 21 notrack/,
  },
  {
    name: 'a bridge that drops what it hands to the router',
    router: `ip link add br0 type bridge
      ip link set br0 up
      ip addr flush dev lan
      ip link set lan master br0
      ip addr add 10.79.1.1/24 brd + dev br0
      nft delete table inet filter
      nft -f - <<'END'
${STRICT.replaceAll('"lan"', '"br0"')}
table bridge ports {
  chain in { type filter hook prerouting priority 0; policy accept; iifname "lan" tcp dport 1024-65535 drop; }
}
END`,
    traffic: 'passive',
    works: false,
    cause: /bridge ports in handle \d+ .*dport 1024-65535 drop/,
  },
];
