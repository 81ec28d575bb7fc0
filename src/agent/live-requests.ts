import type { Capabilities } from '../contract/agent.ts';
import type { DesiredRouter } from '../contract/desired-router.ts';
import { asDiagnoses, type Diagnosis } from '../contract/diagnosis.ts';
import type { DesiredHelper } from '../contract/helper.ts';
import type { Netns } from '../contract/netns.ts';
import type { LivePlan } from '../contract/plan.ts';
import { declaredOf } from '../diagnosis/declared.ts';
import type { Question } from '../diagnosis/diagnosis.ts';
import type { AttachSelector, Kernel, Observation } from '../kernel/interface.ts';
import { findKernelHelper, type Protocol } from '../model/catalogue.ts';
import { NotFound, PinholeError, type Result, unwrap } from '../model/errors.ts';
import { Gate } from '../model/gate.ts';
import { diff } from '../plan/diff.ts';
import { type Plan, render } from '../plan/render.ts';
import { tableText } from '../plan/text.ts';
import type { DiagnosisRequest } from '../wire/messages.ts';
import { ofOther, otherInstallation } from './ownership.ts';

/** What a plan is made with. */
export interface Known {
  readonly capabilities: Capabilities;
  readonly now: Date;
  /** The agent's; null before a server has told it. */
  readonly installation: string | null;
}

/** A diagnosis takes a processor for up to a second where there are thousands of rules. */
const DIAGNOSES = { running: 1, waiting: 4 };

/** What a server asks of this host's kernel about one router, for a client of the server that waits for the answer. */
export class LiveRequests {
  readonly #kernel: Kernel;
  readonly #diagnoses = new Gate(DIAGNOSES);

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** What a sync would change. Nothing is written. @throws PinholeError `netns-not-found`, `netns-denied` */
  async plan(router: DesiredRouter, { capabilities, now, installation }: Known): Promise<LivePlan> {
    const { table } = render(router, capabilities, now, installation);
    const observed = await this.#observe(router.netns);
    const other = observed.table && otherInstallation(observed.table.comment, installation);
    if (other) return { changes: [], foreign: [ofOther(router.netns, other)], table: table && tableText(table) };
    return { changes: diff(table, observed.table), foreign: observed.foreign, table: table && tableText(table) };
  }

  async #observe(netns: Netns): Promise<Exclude<Observation, { unchanged: true }>> {
    const [observation] = await this.#kernel.observe([{ netns, known: null }]);
    const observed = unwrap(observation as Result<Observation>);
    if (observed.unchanged) throw new PinholeError('internal', 'a full read was answered with unchanged');
    return observed;
  }

  /**
   * Follows the connections of the router's helpers through its live rules, one router at a time.
   * @throws PinholeError `netns-not-found`, `netns-denied`; `overloaded` if others wait already
   */
  diagnose(request: DiagnosisRequest, known: Known): Promise<Diagnosis[]> {
    return this.#diagnoses.run(async () => {
      const rules = await this.#kernel.allRules(request.router.netns);
      // Few agents are ever asked, and the reader of rulesets is large.
      const { diagnose } = await import('../diagnosis/diagnosis.ts');
      return asDiagnoses(diagnose(rules, questionOf(request, known)));
    });
  }

  /**
   * @throws NotFound; PinholeError `invalid-input` for a helper that live connections cannot be given, or where another installation
   * assigns helpers
   */
  async reapply(router: DesiredRouter, helperId: string, known: Known): Promise<{ connections: number }> {
    const helper = router.helpers.find(({ id }) => id === helperId);
    if (!helper) throw new NotFound('helper', helperId);
    const selector = attachSelector(helper, render(router, known.capabilities, known.now));
    const { table } = await this.#observe(router.netns);
    const other = table && otherInstallation(table.comment, known.installation);
    if (other) throw refused(`The helper is not assigned here: ${ofOther(router.netns, other)}.`);
    return { connections: await this.#kernel.changeLive(router.netns, { action: 'attach', selectors: [selector] }) };
  }
}

/** What a diagnosis is asked with, and the host's part of the answer. */
function questionOf({ router, from, to }: DiagnosisRequest, { capabilities, now }: Known): Question {
  const byId = new Map<string, DesiredHelper>(router.helpers.map((helper) => [helper.id, helper]));
  const declared = render(router, capabilities, now).statuses.flatMap(({ helperId, families }) => {
    const helper = byId.get(helperId);
    return helper ? declaredOf(helper, families) : [];
  });
  return { named: { from, to }, missingNat: capabilities.missingNat, declared };
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
