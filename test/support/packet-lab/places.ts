import type { Family } from '../../../src/model/catalogue.ts';

/** The networks of the lab: a router with three cables, and hosts behind each. */
export const CABLES = ['lan', 'wan', 'dmz'].map((device, index) => ({
  device,
  peer: `e${device}`,
  /** Link addresses of the router and of whatever is at the other end. */
  mac: `02:00:00:00:00:${(index + 1).toString(16).padStart(2, '0')}`,
  peerMac: `02:00:00:00:01:${(index + 1).toString(16).padStart(2, '0')}`,
  router: { ipv4: `10.71.${index + 1}.1`, ipv6: `fd71:${index + 1}::1` },
  network: { ipv4: `10.71.${index + 1}.0/24`, ipv6: `fd71:${index + 1}::/64` },
  hosts: { ipv4: hosts(`10.71.${index + 1}.`, 10), ipv6: hosts(`fd71:${index + 1}::`, 16) },
}));

export type Cable = (typeof CABLES)[number];

function hosts(start: string, base: 10 | 16): string[] {
  return Array.from({ length: 8 }, (_, index) => `${start}${(16 + index).toString(base)}`);
}

/** Addresses that rules name. */
export function named(family: Family): string[] {
  return CABLES.flatMap((cable) => cable.hosts[family]);
}

/** Ports that rules name and packets use, with some beside them. */
export const PORTS = [21, 22, 53, 69, 80, 443, 1023, 1024, 2121, 5060, 8080, 40_000, 65_535];
