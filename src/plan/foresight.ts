import type { Capabilities } from '../contract/agent.ts';
import type { DesiredRouter } from '../contract/desired-router.ts';
import type { DesiredHelper, HelperWarning } from '../contract/helper.ts';
import { asReason } from '../contract/primitives.ts';
import { formatScope } from '../contract/scope.ts';
import { capabilityKey, findKernelHelper, KERNEL_HELPERS } from '../model/catalogue.ts';
import { type PlannedFamily, render } from './render.ts';
import { type Shadow, type Steps, shadowOf } from './shadow.ts';

/** Counts where a host has not said what its kernel has: every helper that any kernel has. */
const ANY_KERNEL: Capabilities = {
  kernelRelease: '',
  helpers: KERNEL_HELPERS.flatMap(({ type, protocol, families }) => families.map((family) => capabilityKey(type, protocol, family))),
  missingNat: [],
  conntrackEvents: true,
};
/** Helpers that a warning names. */
const MAX_NAMED = 3;

/** Where a helper is declared. */
export interface Place {
  /** The router's helpers; the one in question may be among them. */
  readonly helpers: readonly DesiredHelper[];
  /** What the host's kernel has; null if it has not said. */
  readonly capabilities: Capabilities | null;
  readonly now: Date;
  /** What the request may still look at. Where that is not enough, nothing is said about shadows. */
  readonly steps: Steps;
}

/** Says, before anything is applied, why a helper will not work in its router, or not for all of its connections. */
export function foresee(helper: DesiredHelper, { helpers, capabilities, now, steps }: Place): HelperWarning[] {
  const known = capabilities ?? ANY_KERNEL;
  const alone = render(routerOf([helper]), known, now).statuses[0]?.families ?? [];
  const active = alone.filter(({ status }) => status === 'ACTIVE').map(({ family }) => family);
  const kernel = helper.protocol === 'tcp' || helper.protocol === 'udp' ? findKernelHelper(helper.helper, helper.protocol) : null;
  if (!kernel || active.length === 0) return impossible(alone);
  if (kernel.localOnly && helper.scope?.inInterface)
    return [warning('impossible', `${helper.helper} is for connections that start on the router itself, and these enter at no interface`)];
  const others = helpers.filter(({ id, protocol, port }) => id !== helper.id && protocol === helper.protocol && port === helper.port);
  const table = () => render(routerOf([helper, ...others]), known, now).table;
  const shadow = shadowOf({ helper, kernel, families: active }, others, table, steps);
  return [...impossible(alone), ...shadowed(shadow, others)];
}

/** A router as far as rules depend on it. */
function routerOf(helpers: readonly DesiredHelper[]): DesiredRouter {
  return { id: '' as DesiredRouter['id'], name: '', netns: '', revision: 0, confinement: null, helpers };
}

function impossible(families: readonly PlannedFamily[]): HelperWarning[] {
  const failed = families.filter(({ status }) => status === 'ERROR');
  const code = failed.length === families.length ? 'impossible' : 'partly-impossible';
  return [...new Set(failed.map(({ reason }) => reason))].map((reason) => warning(code, reason));
}

function shadowed(shadow: Shadow | null, others: readonly DesiredHelper[]): HelperWarning[] {
  if (shadow === null || shadow.taken === 'nothing') return [];
  const takers = others.filter((other) => shadow.types.includes(typeOf(other) ?? ''));
  const shown = takers.slice(0, MAX_NAMED).map(named).join(', ');
  const names = takers.length > MAX_NAMED ? `${shown} and ${takers.length - MAX_NAMED} more` : shown;
  return shadow.taken === 'all'
    ? [warning('shadowed', `gets no connections: other helpers of this router come first (${names})`)]
    : [warning('partly-shadowed', `does not get all connections in its scope: other helpers of this router come first (${names})`)];
}

function typeOf({ helper, protocol }: DesiredHelper): string | undefined {
  return protocol === 'tcp' || protocol === 'udp' ? findKernelHelper(helper, protocol)?.type : undefined;
}

/** `tftp udp/69 from 192.0.2.0/24` */
function named({ helper, protocol, port, scope }: DesiredHelper): string {
  return [`${helper} ${protocol}/${port}`, formatScope(scope)].filter(Boolean).join(' ');
}

function warning(code: HelperWarning['code'], message: string): HelperWarning {
  return { code, message: asReason(message) };
}
