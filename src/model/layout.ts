import type { Chain } from './table.ts';

/** Names of Pinhole's chains. The base chains below are data: the hook, the priority, and the chains to which each jumps. */
export const CHAINS = { assign: 'assign', assignLocal: 'assign-local', confine: 'confine', confineInput: 'confine-input' } as const;

/**
 * At this priority conntrack has looked the connection up (-200), and destination NAT (-100) has not happened yet. Rules therefore
 * see the port that the client used, as Neutron's iptables rules do.
 */
const MANGLE = -150;

/**
 * The base chains that assign helpers.
 *
 *   prerouting ─▶ assign
 *   output ─────▶ assign, then assign-local
 */
export const BASE_CHAINS: readonly { name: string; base: NonNullable<Chain['base']>; jumps: readonly string[] }[] = [
  { name: 'prerouting', base: { hook: 'prerouting', priority: MANGLE }, jumps: [CHAINS.assign] },
  { name: 'output', base: { hook: 'output', priority: MANGLE }, jumps: [CHAINS.assign, CHAINS.assignLocal] },
];

/** `filter - 10`: before the filter chain of any firewall, after destination NAT. */
const BEFORE_FILTER = -10;

/** The base chains that confine: a helper may announce a connection to a host behind the router, or to the router itself. */
export const CONFINING_CHAINS: readonly { name: string; base: NonNullable<Chain['base']> }[] = [
  { name: CHAINS.confine, base: { hook: 'forward', priority: BEFORE_FILTER } },
  { name: CHAINS.confineInput, base: { hook: 'input', priority: BEFORE_FILTER } },
];
