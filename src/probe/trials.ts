import { FAMILIES, type Family, type Protocol } from '../model/catalogue.ts';

/** The helpers whose protocols a probe speaks. */
export const PROBED = ['ftp', 'tftp', 'sip', 'irc'] as const;
export type Probed = (typeof PROBED)[number];

/** Ways in which a protocol announces a connection. */
export type Mode = 'PORT' | 'EPRT' | 'PASV' | 'EPSV' | 'read' | 'INVITE' | 'DCC SEND';

/** One thing to try: a protocol's way of announcing, over one transport. */
export interface Trial {
  readonly helper: Probed;
  readonly mode: Mode;
  /** Of the control connection. */
  readonly transport: Protocol;
  readonly families: readonly Family[];
  /** Whether the client's text names the client's own address. A helper behind NAT has to rewrite it. */
  readonly namesClient: boolean;
  /** Likewise the reflector's. */
  readonly namesReflector: boolean;
}

const V4: readonly Family[] = ['ipv4'];
const NONE = { namesClient: false, namesReflector: false };
const BOTH = { namesClient: true, namesReflector: true };

/** All trials, in the order of results. PORT, PASV and DCC have no form for IPv6. */
export const TRIALS: readonly Trial[] = [
  { helper: 'ftp', mode: 'PORT', transport: 'tcp', families: V4, ...NONE, namesClient: true },
  { helper: 'ftp', mode: 'EPRT', transport: 'tcp', families: FAMILIES, ...NONE, namesClient: true },
  { helper: 'ftp', mode: 'PASV', transport: 'tcp', families: V4, ...NONE, namesReflector: true },
  { helper: 'ftp', mode: 'EPSV', transport: 'tcp', families: FAMILIES, ...NONE },
  { helper: 'tftp', mode: 'read', transport: 'udp', families: FAMILIES, ...NONE },
  { helper: 'sip', mode: 'INVITE', transport: 'udp', families: FAMILIES, ...BOTH },
  { helper: 'sip', mode: 'INVITE', transport: 'tcp', families: FAMILIES, ...BOTH },
  { helper: 'irc', mode: 'DCC SEND', transport: 'tcp', families: V4, ...NONE, namesClient: true },
];
