import type { Protocol } from '../model/catalogue.ts';

/** Helpers that an attack is written down for in proof-peer.ts, with the protocol of their control connections. */
export const ATTACKS: ReadonlyMap<string, Protocol> = new Map([
  ['ftp', 'tcp'],
  ['irc', 'tcp'],
  ['tftp', 'udp'],
  ['sip', 'udp'],
]);
