/**
 * What a conntrack helper is: the API's names and protocols are Neutron's (neutron `conf/services/l3_conntrack_helper.py`),
 * what reaches the kernel is what `nf_conntrack_helper_register` knows (KERNEL facts measured on Linux 6.18).
 */
export type Protocol = 'tcp' | 'udp';
export type Family = 'ipv4' | 'ipv6';
export const FAMILIES: readonly Family[] = ['ipv4', 'ipv6'];

/** What a related (data) connection of a helper may be; `confine` holds it to that. */
export type DataProtocol = 'tcp' | 'udp' | 'tcp-udp' | 'gre';

/** A helper as the kernel registers it: name (`NFTA_CT_HELPER_NAME`), transport protocol, address families. */
export interface KernelHelper {
  readonly type: string;
  readonly protocol: Protocol;
  readonly families: readonly Family[];
  /** Name of our `ct helper` object; carries the protocol because a re-added object keeps its old type. */
  readonly object: string;
  readonly data: DataProtocol;
  /** Assigned in the output hook only: on forwarded NATed traffic it does damage (snmp) or nothing (netbios-ns). */
  readonly localOnly: boolean;
  /** Modules behind it on distribution kernels; nothing loads the NAT one by itself. */
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

/** One name of the API: the protocols that it accepts, and the kernel's helper behind each (null where no kernel has one). */
export interface CatalogueEntry {
  readonly helper: string;
  readonly protocols: Readonly<Partial<Record<Protocol, { readonly kernel: KernelHelper | null; readonly port: number }>>>;
}

function entry(helper: string, port: number, ...kernels: KernelHelper[]): CatalogueEntry {
  return { helper, protocols: Object.fromEntries(kernels.map((kernel) => [kernel.protocol, { kernel, port }])) };
}

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

/** The helper types that a kernel can have, one for each (type, protocol). */
export const KERNEL_HELPERS: readonly KernelHelper[] = [
  ...new Map(
    CATALOGUE.flatMap((item) => Object.values(item.protocols).flatMap(({ kernel }) => (kernel ? [kernel] : []))).map(
      (kernel) => [kernel.object, kernel] as const,
    ),
  ).values(),
];

/** Helper of the H.245 channel that Q.931 opens: never assigned by a rule, but master of related connections. */
export const H245 = { type: 'H.245', data: 'tcp-udp' as DataProtocol };

export function findHelper(name: string): CatalogueEntry | undefined {
  return BY_NAME.get(name);
}

export function findKernelHelper(name: string, protocol: Protocol): KernelHelper | null {
  return BY_NAME.get(name)?.protocols[protocol]?.kernel ?? null;
}

/** Not among Neutron's defaults: amanda over udp (it allows tcp, which no kernel has) and the kernel's names for H.323. */
const NOT_NEUTRON = new Set(['amanda/udp', 'RAS/udp', 'Q.931/tcp']);

/** Neutron's twelve default pairs of (helper, protocol), with the port each usually listens on. */
export const NEUTRON_DEFAULT_PAIRS: readonly { helper: string; protocol: Protocol; port: number }[] = CATALOGUE.flatMap((item) =>
  (Object.entries(item.protocols) as [Protocol, { port: number }][]).map(([protocol, { port }]) => ({
    helper: item.helper,
    protocol,
    port,
  })),
).filter(({ helper, protocol }) => !NOT_NEUTRON.has(`${helper}/${protocol}`));

/** Helper name → protocols that the API accepts. */
export type AllowedHelpers = Readonly<Record<string, readonly Protocol[]>>;

/** The default of Neutron's `allowed_conntrack_helpers`, and the kernel's two H.323 names. */
export const DEFAULT_ALLOWED: AllowedHelpers = Object.fromEntries(
  CATALOGUE.map((item) => [item.helper, Object.keys(item.protocols) as Protocol[]]),
);

/** The name of what a kernel may be able to do: assign this type over this protocol in this family. */
export function capabilityKey(type: string, protocol: Protocol, family: Family): string {
  return `${type}/${protocol}/${family}`;
}
