import type { Capabilities } from '../contract/agent.ts';
import type { DesiredRouter } from '../contract/desired-router.ts';
import type { DesiredHelper } from '../contract/helper.ts';
import type { LivePlan } from '../contract/plan.ts';
import type { AttachSelector, Kernel, Observation } from '../kernel/interface.ts';
import { findKernelHelper, type Protocol } from '../model/catalogue.ts';
import { NotFound, PinholeError, type Result, unwrap } from '../model/errors.ts';
import { diff } from '../plan/diff.ts';
import { type Plan, render } from '../plan/render.ts';
import { tableText } from '../plan/text.ts';

/** What a plan is made with. */
export interface Known {
  readonly capabilities: Capabilities;
  readonly now: Date;
}

/** What a server asks of this host's kernel about one router, for a client of the server that waits for the answer. */
export class LiveRequests {
  readonly #kernel: Kernel;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** What a sync would change. Nothing is written. @throws PinholeError `netns-not-found`, `netns-denied` */
  async plan(router: DesiredRouter, { capabilities, now }: Known): Promise<LivePlan> {
    const { table } = render(router, capabilities, now);
    const [observation] = await this.#kernel.observe([{ netns: router.netns, known: null }]);
    const observed = unwrap(observation as Result<Observation>);
    if (observed.unchanged) throw new PinholeError('internal', 'a full read was answered with unchanged');
    return { changes: diff(table, observed.table), foreign: observed.foreign, table: table && tableText(table) };
  }

  /** @throws NotFound; PinholeError `invalid-input` for a helper that live connections cannot be given */
  async reapply(router: DesiredRouter, helperId: string, known: Known): Promise<{ connections: number }> {
    const helper = router.helpers.find(({ id }) => id === helperId);
    if (!helper) throw new NotFound('helper', helperId);
    const selector = attachSelector(helper, render(router, known.capabilities, known.now));
    return { connections: await this.#kernel.changeLive(router.netns, { action: 'attach', selectors: [selector] }) };
  }
}

function attachSelector(helper: DesiredHelper, plan: Plan): AttachSelector {
  const status = plan.statuses.find(({ helperId }) => helperId === helper.id);
  const families = (status?.families ?? []).filter((family) => family.status === 'ACTIVE').map(({ family }) => family);
  const reason = status?.families.find((family) => family.status !== 'ACTIVE')?.reason ?? 'its time is over';
  if (families.length === 0) throw refused(`The helper is not assigned here: ${reason}.`);
  const kernel = findKernelHelper(helper.helper, helper.protocol as Protocol);
  if (!kernel || kernel.localOnly)
    throw refused(`${helper.helper} is for connections of the router itself; those that are there cannot be told apart.`);
  if (helper.scope?.inInterface)
    throw refused(
      'Connections that are there do not tell by which interface they came in: a helper with an interface cannot be reapplied.',
    );
  const { source = null, destination = null } = helper.scope ?? {};
  return { protocol: kernel.protocol, port: helper.port, type: kernel.type, families, source, destination };
}

function refused(message: string): PinholeError {
  return new PinholeError('invalid-input', message);
}
