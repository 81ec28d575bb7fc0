import type { DoctorCase } from './lab.ts';
import { STRICT } from './lab.ts';

const FTPS = [{ helper: 'ftp', protocol: 'tcp', port: 990, scope: null }] as const;

/** Faults of conntrack itself: who assigns helpers, zones, and what a helper cannot read. */
export const CONNTRACK: readonly DoctorCase[] = [
  {
    name: 'another table assigns another helper first',
    nft: `${STRICT} table inet alg {
      ct helper chat { type "irc" protocol tcp; l3proto ip; }
      chain pre { type filter hook prerouting priority -160; policy accept; tcp dport 21 ct helper set "chat"; }
    }`,
    traffic: 'passive',
    works: false,
    cause: /inet alg pre handle \d+ .*ct helper set/,
  },
  {
    name: 'a zone for the control connection alone',
    nft: `${STRICT} table inet zones {
      chain pre { type filter hook prerouting priority raw; policy accept; tcp dport 21 ct zone set 1; tcp sport 21 ct zone set 1; }
    }`,
    traffic: 'passive',
    works: false,
    cause: /zone 1.*inet zones pre handle \d+/,
  },
  {
    name: 'a zone for one direction of the control connection',
    nft: `${STRICT.replace('established', 'established,invalid')} table inet zones {
      chain pre { type filter hook prerouting priority raw; policy accept; iifname "lan" ct zone set 1; }
    }`,
    traffic: 'passive',
    works: false,
    cause: /zone 1.*inet zones pre handle \d+/,
  },
  {
    name: 'explicit FTPS',
    traffic: 'explicit-tls',
    works: false,
    cause: { unknown: /AUTH TLS/ },
  },
  {
    name: 'implicit FTPS',
    helpers: FTPS,
    traffic: 'implicit-tls',
    works: false,
    cause: /990.*TLS/,
  },
];
