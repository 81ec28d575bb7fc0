import type { Family } from '../model/catalogue.ts';
import { contains, type NetworkFacts, type PolicyRule, type Route } from './network.ts';

/** What a route is looked up for. null: not known, or none. */
export interface RouteQuery {
  readonly family: Family;
  readonly to: string;
  readonly from: string | null;
  /** Interface at which the packet came in; null: the host sends it. */
  readonly input: string | null;
  readonly mark: number | null;
  readonly protocol: string | null;
  readonly sport: number | null;
  readonly dport: number | null;
}

/** The kernel's answer. `refused`: a route or rule that discards; `none`: no route leads there. */
export type RouteAnswer =
  | { readonly kind: 'unicast' | 'local'; readonly devices: readonly string[] }
  | { readonly kind: 'refused'; readonly by: string }
  | { readonly kind: 'none' }
  | { readonly kind: 'unknown'; readonly why: string };

const REFUSING = /^(blackhole|prohibit|unreachable|throw)$/;

/** Looks a route up as the kernel does (ip-rule(8), ip-route(8)): rules by priority, then the longest prefix, then the metric. */
export function lookUpRoute(network: NetworkFacts, query: RouteQuery): RouteAnswer {
  const domain = network.links.find(({ name }) => name === query.input)?.master;
  if (network.links.some(({ name, kind }) => name === domain && kind === 'vrf'))
    return { kind: 'unknown', why: `${query.input} belongs to the VRF ${domain}` };
  for (const rule of network.rules[query.family]) {
    const selected = selects(rule, query);
    if (selected === false) continue;
    if (selected === null)
      return { kind: 'unknown', why: `the policy rule with priority ${rule.priority} asks for more than doctor knows` };
    if (rule.table === null) {
      if (rule.action !== null && REFUSING.test(rule.action))
        return { kind: 'refused', by: `the policy rule with priority ${rule.priority} (${rule.action})` };
      continue;
    }
    const route = bestRoute(network.routes[query.family], rule, query.to);
    if (route) return answerOf(route);
  }
  return { kind: 'none' };
}

function bestRoute(routes: readonly Route[], { table, suppressed }: PolicyRule, to: string): Route | null {
  let best: Route | null = null;
  for (const route of routes) {
    if (route.table !== table || !contains(route.destination, to)) continue;
    if (suppressed !== null && lengthOf(route) <= suppressed) continue;
    const better = !best || lengthOf(route) > lengthOf(best) || (lengthOf(route) === lengthOf(best) && route.metric < best.metric);
    if (better) best = route;
  }
  return best?.type === 'throw' ? null : best;
}

function lengthOf({ destination }: Route): number {
  const [address = '', length] = destination.split('/');
  return length === undefined ? (address.includes(':') ? 128 : 32) : Number(length);
}

function answerOf({ type, destination, devices }: Route): RouteAnswer {
  if (type === 'local' || type === 'unicast') return { kind: type, devices };
  return REFUSING.test(type) ? { kind: 'refused', by: `the route ${type} ${destination}` } : { kind: 'none' };
}

/** Whether a rule selects a packet; null: not known. */
function selects(rule: PolicyRule, query: RouteQuery): boolean | null {
  const parts = [
    rule.source === null || (query.from === null ? null : contains(rule.source, query.from)),
    rule.destination === null || contains(rule.destination, query.to),
    rule.input === null || rule.input === (query.input ?? 'lo'),
    rule.output === null || false,
    rule.mark === null || (query.mark === null ? null : (query.mark & rule.mark.mask) >>> 0 === rule.mark.value),
    rule.protocol === null || (query.protocol === null ? null : rule.protocol === query.protocol),
    rule.sport === null || inRange(rule.sport, query.sport),
    rule.dport === null || inRange(rule.dport, query.dport),
    rule.opaque ? null : true,
  ];
  const all = parts.includes(false) ? false : parts.includes(null) ? null : true;
  return rule.negated && all !== null ? !all : all;
}

function inRange([from, to]: readonly [number, number], port: number | null): boolean | null {
  return port === null ? null : port >= from && port <= to;
}
