import { CAPABILITIES, type Capabilities } from '../contract/agent.ts';
import type { HelperWarning } from '../contract/helper.ts';
import type { HelperId, RouterId } from '../contract/primitives.ts';
import { record } from '../contract/record.ts';
import { grouped } from '../model/grouped.ts';
import { foresee } from '../plan/foresight.ts';
import { newSteps } from '../plan/shadow.ts';
import type { Context } from './context.ts';
import { helperTarget } from './policy/policy.ts';
import type { Principal } from './principal.ts';

/** What an agent's description of itself says of its kernel, in the names of the program. */
const OF_AGENT = record(CAPABILITIES.fields, {
  kernelRelease: 'kernelRelease',
  missingNat: 'missingNat',
  conntrackEvents: 'conntrackEvents',
});

/** A helper that was made or changed. */
export interface ChangedHelper {
  readonly routerId: RouterId;
  readonly id: HelperId;
}

/**
 * Why helpers will not work in their routers, or not for all of their connections, as far as is known now.
 * @returns nothing about helpers of routers whose helpers the principal may not see, and about those that are gone
 */
export async function warningsOf(
  { store, clock, policy }: Context,
  principal: Principal,
  changed: readonly ChangedHelper[],
): Promise<Map<HelperId, HelperWarning[]>> {
  const { read } = store;
  if (changed.length === 0) return new Map();
  const all = await read.routers({ ids: [...new Set(changed.map(({ routerId }) => routerId))] });
  const routers = all.filter((router) => policy().allows(principal, 'get_router_conntrack_helper', helperTarget(router)));
  const hosts = [...new Set(routers.flatMap(({ host }) => host ?? []))];
  const [helpers, agents] = await Promise.all([
    read.helpersOfMany(routers.map(({ id }) => id)),
    Promise.all(hosts.map((host) => read.agent(host))),
  ]);
  const helpersOf = grouped(helpers, ({ routerId }) => [routerId]);
  const kernels = new Map(agents.flatMap((agent) => (agent ? [[agent.host, capabilitiesOf(agent.state)] as const] : [])));
  const hostOf = new Map(routers.map(({ id, host }) => [id, host]));
  const [now, steps] = [clock.now(), newSteps()];
  const found = new Map<HelperId, HelperWarning[]>();
  for (const { routerId, id } of changed) {
    const own = helpersOf.get(routerId) ?? [];
    const helper = own.find((one) => one.id === id);
    const capabilities = kernels.get(hostOf.get(routerId) ?? '') ?? null;
    if (helper) found.set(id, foresee(helper, { helpers: own, capabilities, now, steps }));
  }
  return found;
}

/** Null if the agent has not looked at its kernel yet, or is of a version that says it in another form. */
function capabilitiesOf(state: unknown): Capabilities | null {
  try {
    return OF_AGENT.readKnown((state as { kernel?: unknown } | null)?.kernel);
  } catch {
    return null;
  }
}
