import { lookUp } from '../model/look-up.ts';

/** A connection that a helper expects, as its first packet goes. */
export interface DataFlow {
  /** As people call it: `active`, `passive`. */
  readonly name: string;
  readonly from: 'client' | 'server';
  readonly protocol: 'tcp' | 'udp' | 'gre';
  /** The source port that the standard names; null: any. */
  readonly sport: number | null;
  /** `announced`: a port that a peer announces, so any from 1024. `client`: the client's port of the control connection. */
  readonly dport: 'announced' | 'client' | 'none';
}

const flow = (name: string, from: DataFlow['from'], protocol: DataFlow['protocol'], rest: Partial<DataFlow> = {}): DataFlow => ({
  name,
  from,
  protocol,
  sport: null,
  dport: protocol === 'gre' ? 'none' : 'announced',
  ...rest,
});

/** By the kernel's type of the helper. The directions are those in which its module expects connections (net/netfilter/nf_conntrack_*.c). */
const FLOWS: Readonly<Record<string, readonly DataFlow[]>> = {
  ftp: [flow('passive', 'client', 'tcp'), flow('active', 'server', 'tcp', { sport: 20 })],
  tftp: [flow('data', 'server', 'udp', { dport: 'client' })],
  irc: [flow('DCC', 'server', 'tcp')],
  amanda: [flow('data', 'client', 'tcp')],
  sane: [flow('data', 'client', 'tcp')],
  pptp: [flow('GRE out', 'client', 'gre'), flow('GRE in', 'server', 'gre')],
  sip: [flow('media out', 'client', 'udp'), flow('media in', 'server', 'udp')],
  RAS: [flow('call out', 'client', 'tcp'), flow('call in', 'server', 'tcp')],
  'Q.931': [flow('H.245', 'client', 'tcp'), flow('media out', 'client', 'udp'), flow('media in', 'server', 'udp')],
};

/** The connections that a helper expects; empty for an unknown one, and for those that only follow what this host itself sends. */
export function flowsOf(type: string): readonly DataFlow[] {
  return lookUp(FLOWS, type) ?? [];
}
