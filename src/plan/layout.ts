import type { Chain } from '../model/table.ts';

/** Names of our chains, and the base chains as data: which hook, which priority, and what each jumps to. */
export const CHAINS = { assign: 'assign', assignLocal: 'assign-local', confine: 'confine' } as const;

/**
 * `mangle`: conntrack has looked the connection up (-200) and destination NAT (-100) has not happened, so rules see the
 * port that the client asked for, as Neutron's iptables rules do.
 */
const MANGLE = -150;

export const BASE_CHAINS: readonly { name: string; base: NonNullable<Chain['base']>; jumps: readonly string[] }[] = [
  { name: 'prerouting', base: { hook: 'prerouting', priority: MANGLE }, jumps: [CHAINS.assign] },
  { name: 'output', base: { hook: 'output', priority: MANGLE }, jumps: [CHAINS.assign, CHAINS.assignLocal] },
];

/** `filter - 10`: before any firewall's own filter chain, after destination NAT. */
export const FORWARD_CONFINE: NonNullable<Chain['base']> = { hook: 'forward', priority: -10 };
