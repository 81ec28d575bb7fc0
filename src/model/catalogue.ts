/**
 * The catalogue of conntrack helpers. Names and protocols of the API are Neutron's (neutron/conf/services/l3_conntrack_helper.py).
 * Types, protocols and families of the kernel are those that its modules pass to `nf_conntrack_helper_register`, as measured on
 * Linux 6.18.
 */
export type Protocol = 'tcp' | 'udp';
export type Family = 'ipv4' | 'ipv6';
export const FAMILIES: readonly Family[] = ['ipv4', 'ipv6'];

/** The transport protocols that a helper's related (data) connections can have. `confine` drops any other. */
export type DataProtocol = 'tcp' | 'udp' | 'tcp-udp' | 'gre';

/** A helper as the kernel registers it: name (`NFTA_CT_HELPER_NAME`), transport protocol, address families. */
export interface KernelHelper {
  readonly type: string;
  readonly protocol: Protocol;
  readonly families: readonly Family[];
  /** Name of Pinhole's `ct helper` object. It contains the protocol, because an object that is added again keeps its old type. */
  readonly object: string;
  readonly data: DataProtocol;
  /**
   * Whether the helper is assigned in the output hook only. On forwarded traffic behind NAT it does damage (snmp) or nothing
   * (netbios-ns).
   */
  readonly localOnly: boolean;
  /** The modules of a distribution kernel. The NAT module is never loaded automatically. */
  readonly modules: { readonly conntrack: string; readonly nat: string | null };
}

const BOTH: readonly Family[] = ['ipv4', 'ipv6'];
const V4: readonly Family[] = ['ipv4'];

function kernelHelper(
  type: string,
  protocol: Protocol,
  module: string,
  rest: Partial<Omit<KernelHelper, 'modules'>> & { nat?: boolean },
): KernelHelper {
  const { nat = true, ...fields } = rest;
  return {
    type,
    protocol,
    families: BOTH,
    object: `${module.replace('_', '-')}-${protocol}`,
    data: protocol,
    localOnly: false,
    ...fields,
    modules: { conntrack: `nf_conntrack_${module}`, nat: nat ? `nf_nat_${module}` : null },
  };
}

const H323 = { conntrack: 'nf_conntrack_h323', nat: 'nf_nat_h323' };
const RAS: KernelHelper = { ...kernelHelper('RAS', 'udp', 'ras', { data: 'tcp-udp' }), modules: H323 };
const Q931: KernelHelper = { ...kernelHelper('Q.931', 'tcp', 'q931', { data: 'tcp' }), modules: H323 };

/** One name of the API: the protocols that it accepts, each with its usual port and the kernel's helper; null if no kernel has one. */
export interface CatalogueEntry {
  readonly helper: string;
  readonly protocols: Readonly<Partial<Record<Protocol, { readonly kernel: KernelHelper | null; readonly port: number }>>>;
}

function entry(helper: string, port: number, ...kernels: KernelHelper[]): CatalogueEntry {
  return { helper, protocols: Object.fromEntries(kernels.map((kernel) => [kernel.protocol, { kernel, port }])) };
}

/** All helpers, in the order in which they are listed. */
export const CATALOGUE: readonly CatalogueEntry[] = [
  {
    helper: 'amanda',
    protocols: {
      udp: { kernel: kernelHelper('amanda', 'udp', 'amanda', { data: 'tcp' }), port: 10080 },
      tcp: { kernel: null, port: 10080 },
    },
  },
  entry('ftp', 21, kernelHelper('ftp', 'tcp', 'ftp', {})),
  { helper: 'h323', protocols: { udp: { kernel: RAS, port: 1719 }, tcp: { kernel: Q931, port: 1720 } } },
  entry('irc', 6667, kernelHelper('irc', 'tcp', 'irc', { families: V4 })),
  entry('netbios-ns', 137, kernelHelper('netbios-ns', 'udp', 'netbios_ns', { families: V4, localOnly: true, nat: false })),
  entry('pptp', 1723, kernelHelper('pptp', 'tcp', 'pptp', { families: V4, data: 'gre' })),
  entry('sane', 6566, kernelHelper('sane', 'tcp', 'sane', { nat: false })),
  entry('sip', 5060, kernelHelper('sip', 'udp', 'sip', { data: 'tcp-udp' }), kernelHelper('sip', 'tcp', 'sip', { data: 'tcp-udp' })),
  entry('snmp', 161, kernelHelper('snmp', 'udp', 'snmp', { families: V4, localOnly: true, nat: false })),
  entry('tftp', 69, kernelHelper('tftp', 'udp', 'tftp', {})),
  entry('RAS', 1719, RAS),
  entry('Q.931', 1720, Q931),
];

const BY_NAME: ReadonlyMap<string, CatalogueEntry> = new Map(CATALOGUE.map((item) => [item.helper, item]));

/** All helpers that a kernel can have, one for each pair of type and protocol. */
export const KERNEL_HELPERS: readonly KernelHelper[] = [
  ...new Map(
    CATALOGUE.flatMap((item) => Object.values(item.protocols).flatMap(({ kernel }) => (kernel ? [kernel] : []))).map(
      (kernel) => [kernel.object, kernel] as const,
    ),
  ).values(),
];

/** The helper of the H.245 channel that Q.931 opens. No rule assigns it, but it is the master of related connections. */
export const H245 = { type: 'H.245', data: 'tcp-udp' as DataProtocol };

/** Returns the entry of a name of the API; undefined for an unknown name. Names are case-sensitive. */
export function findHelper(name: string): CatalogueEntry | undefined {
  return BY_NAME.get(name);
}

/** Returns the kernel's helper behind a name and protocol; null for an unknown name, or if no kernel has one. */
export function findKernelHelper(name: string, protocol: Protocol): KernelHelper | null {
  return BY_NAME.get(name)?.protocols[protocol]?.kernel ?? null;
}

/**
 * Pairs that are not among Neutron's defaults: amanda over udp (Neutron allows tcp, which no kernel has), and the kernel's names
 * for H.323.
 */
const NOT_NEUTRON = new Set(['amanda/udp', 'RAS/udp', 'Q.931/tcp']);

/** Neutron's twelve default pairs of helper and protocol, with the usual port of each. */
export const NEUTRON_DEFAULT_PAIRS: readonly { helper: string; protocol: Protocol; port: number }[] = CATALOGUE.flatMap((item) =>
  (Object.entries(item.protocols) as [Protocol, { port: number }][]).map(([protocol, { port }]) => ({
    helper: item.helper,
    protocol,
    port,
  })),
).filter(({ helper, protocol }) => !NOT_NEUTRON.has(`${helper}/${protocol}`));

/** Helper name → protocols that the API accepts for it. */
export type AllowedHelpers = Readonly<Record<string, readonly Protocol[]>>;

/** The default of Neutron's `allowed_conntrack_helpers`, and the kernel's two names for H.323. */
export const DEFAULT_ALLOWED: AllowedHelpers = Object.fromEntries(
  CATALOGUE.map((item) => [item.helper, Object.keys(item.protocols) as Protocol[]]),
);

/** Returns the key of a kernel's capability to assign this type for this protocol and family, like `ftp/tcp/ipv4`. */
export function capabilityKey(type: string, protocol: Protocol, family: Family): string {
  return `${type}/${protocol}/${family}`;
}

/** Whether a helper announces connections. One that is assigned to the router's own broadcasts only does not. */
export function announces({ helper, protocol }: { readonly helper: string; readonly protocol: string }): boolean {
  const kernel = findKernelHelper(helper, protocol as Protocol);
  return kernel !== null && !kernel.localOnly;
}
