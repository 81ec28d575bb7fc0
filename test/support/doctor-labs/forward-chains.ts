import type { DoctorCase } from './lab.ts';
import { STRICT } from './lab.ts';
import { CONTROL, forward } from './rulesets.ts';

/** Faults in chains of nft at the hook forward. */
export const FORWARD_CHAINS: readonly DoctorCase[] = [
  {
    name: 'input accepts related, forward does not',
    nft: `${forward('ct state established accept', CONTROL)}
      table inet in { chain input { type filter hook input priority filter; policy drop; ct state established,related accept; } }`,
    traffic: 'passive',
    works: false,
    cause: /inet filter forward by its policy/,
  },
  {
    name: 'a drop before the accept',
    nft: forward('iifname "lan" tcp dport 1024-65535 drop', 'ct state established,related accept', CONTROL),
    traffic: 'passive',
    works: false,
    cause: /inet filter forward handle \d+ .*dport 1024-65535 drop/,
  },
  {
    name: 'a second table that drops',
    nft: `${STRICT}
      table inet corporate { chain fw { type filter hook forward priority 10; policy drop; ct state established accept; tcp dport 21 accept; } }`,
    traffic: 'passive',
    works: false,
    cause: /inet corporate fw by its policy/,
  },
  {
    name: 'policy accept and a final reject',
    nft: `table inet filter { chain forward { type filter hook forward priority filter; policy accept;
      ct state established accept
      ${CONTROL}
      reject with icmpx admin-prohibited
    } }`,
    traffic: 'passive',
    works: false,
    cause: /inet filter forward handle \d+ .*reject/,
  },
  {
    name: 'related of another helper only',
    nft: forward('ct state established accept', 'ct state related ct helper "sip" accept', CONTROL),
    traffic: 'passive',
    works: false,
    cause: /inet filter forward by its policy/,
  },
  {
    name: 'a helper under a name that no connection has',
    nft: forward('ct state established accept', 'ct state related ct helper "ftp-data" accept', CONTROL),
    traffic: 'passive',
    works: false,
    cause: /inet filter forward by its policy/,
  },
  {
    name: 'related in one direction only',
    nft: forward('ct state established accept', 'iifname "lan" ct state related accept', CONTROL),
    traffic: 'active',
    works: false,
    cause: /active.*inet filter forward by its policy/,
  },
  {
    name: 'related on IPv4 only',
    nft: forward('ct state established accept', 'meta nfproto ipv4 ct state related accept', CONTROL),
    traffic: 'passive-v6',
    works: false,
    cause: /ipv6.*inet filter forward by its policy/,
  },
  {
    name: 'related through another interface only',
    nft: forward('ct state established accept', 'iifname "lan" oifname "other" ct state related accept', CONTROL),
    traffic: 'passive',
    works: false,
    cause: /inet filter forward by its policy/,
  },
  {
    name: 'one connection a client',
    nft: `table inet filter {
      set busy { type ipv4_addr; size 1024; flags dynamic; }
      chain forward {
        type filter hook forward priority filter; policy drop;
        ct state established accept
        ct state new,related add @busy { ip saddr ct count over 1 } drop
        ct state related accept
        ${CONTROL}
      }
    }`,
    traffic: 'passive',
    works: false,
    cause: /inet filter forward handle \d+ .*ct count/,
  },
  {
    name: 'a quarantine by the mark that the control connection got',
    nft: `table inet filter {
      chain classify { type filter hook prerouting priority mangle + 5; policy accept; ct state new tcp dport 21 ct mark set 0x10; }
      chain forward {
        type filter hook forward priority filter; policy drop;
        ct state established accept
        ct mark 0x10 ct state related drop
        ct state related accept
        ${CONTROL}
      }
    }`,
    traffic: 'passive',
    works: false,
    cause: /inet filter forward handle \d+ .*ct mark 0x0*10/,
  },
  {
    name: 'a verdict map that sends related packets where nothing takes them',
    nft: `table inet filter {
      chain helpers { ct helper "tftp" accept; }
      chain forward {
        type filter hook forward priority filter; policy drop;
        ct state vmap { established : accept, related : jump helpers, invalid : drop }
        ${CONTROL}
      }
    }`,
    traffic: 'passive',
    works: false,
    cause: /inet filter forward by its policy/,
  },
  {
    name: 'related of TCP only, for TFTP',
    nft: forward('ct state established accept', 'meta l4proto tcp ct state related accept', CONTROL, 'iifname "lan" udp dport 69 accept'),
    traffic: 'tftp',
    works: false,
    cause: /tftp.*inet filter forward by its policy/,
  },
  {
    name: 'a set of addresses that may not connect',
    nft: `table inet filter {
      set quarantined { type ipv4_addr . inet_service; flags interval; elements = { 10.79.2.0/24 . 1024-65535 }; }
      chain forward {
        type filter hook forward priority filter; policy drop;
        ip daddr . tcp dport @quarantined drop
        ct state established,related accept
        ${CONTROL}
      }
    }`,
    traffic: 'passive',
    works: false,
    cause: /inet filter forward handle \d+ .*@quarantined/,
  },
];
