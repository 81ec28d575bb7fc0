import type { Protocol } from '../model/catalogue.ts';

/** Helpers for which peer.ts implements an attack, with the protocol of their control connections. */
export const ATTACKS: ReadonlyMap<string, Protocol> = new Map([
  ['ftp', 'tcp'],
  ['irc', 'tcp'],
  ['tftp', 'udp'],
  ['sip', 'udp'],
]);
