import type { AgentView } from '../contract/agent.ts';
import type { NewEvent } from '../contract/event.ts';
import type { ConntrackHelper } from '../contract/helper.ts';
import type { Item } from '../contract/mismatch.ts';
import { asReason, type RouterId } from '../contract/primitives.ts';
import type { Router } from '../contract/router.ts';
import type { FamilyStatus, HelperStatus, RouterReport, StatusValue } from '../contract/status.ts';
import { FAMILIES } from '../model/catalogue.ts';
import { NotFound } from '../model/errors.ts';
import { grouped } from '../model/grouped.ts';
import type { Agent, StoredReport, Writes } from '../store/interface.ts';
import { authoriseRouter } from './authorisation.ts';
import type { Context } from './context.ts';
import { routerTarget } from './policy/policy.ts';
import type { Principal } from './principal.ts';
import type { Routers } from './routers.ts';

/** Missed heartbeats after which an agent counts as silent. */
const SILENT_AFTER = 3;

export interface HelperView {
  readonly helper: ConntrackHelper;
  readonly families: readonly FamilyStatus[];
}

export interface RouterView {
  readonly router: Router;
  /** Why the router as a whole is not in sync; empty when it is. */
  readonly reason: string;
  readonly reportedAt: string | null;
  readonly reportedRevision: number | null;
  readonly drifts: number;
  readonly helpers: readonly HelperView[];
}

/** What agents say, joined with what is declared. */
export class Status {
  readonly #context: Context;
  readonly #routers: Routers;

  constructor(context: Context, routers: Routers) {
    this.#context = context;
    this.#routers = routers;
  }

  async agents(principal: Principal): Promise<AgentView[]> {
    this.#context.policy().enforce(principal, 'get_agent', {});
    return (await this.#context.store.read.agents()).map((agent) => ({ ...agent, alive: this.#isAlive(agent) }));
  }

  /** @throws NotFound */
  async router(principal: Principal, id: RouterId): Promise<RouterView> {
    const { policy, store } = this.#context;
    const router = authoriseRouter(policy(), principal, await store.read.router(id), { id, rule: 'get_router_status' });
    const [view] = await this.#views([router]);
    if (!view) throw new NotFound('router', id);
    return view;
  }

  async routers(principal: Principal): Promise<RouterView[]> {
    const policy = this.#context.policy();
    const seen = await this.#routers.list(principal);
    return this.#views(seen.filter((router) => policy.allows(principal, 'get_router_status', routerTarget(router))));
  }

  /** Saves what an agent says of its routers. A report that cannot be read becomes its router's ERROR. */
  async saveReports(host: string, reports: readonly Item<RouterReport>[]): Promise<void> {
    const reportedAt = this.#context.clock.now().toISOString();
    const ids = reports.flatMap((item) => (item.ok ? item.value.routerId : (item.key ?? [])));
    await this.#context.store.write(async (tx) => {
      const before = new Map((await tx.reports(ids)).map((report) => [report.routerId, report]));
      for (const item of reports) {
        const id = item.ok ? item.value.routerId : item.key;
        const router = id === null ? null : await tx.router(id as RouterId);
        if (!item.ok) this.#context.logger.warn({ host, router: id, reason: item.error.message }, 'a report of an agent cannot be read');
        // Only a router of that host: an agent that lost a router, or a liar, does not write another's status.
        if (router?.host !== host) continue;
        const report = item.ok ? item.value : await unreadable(tx, router, item.error.message);
        const said = before.get(router.id) ?? null;
        // An agent that comes back says everything again.
        if (said?.host === host && said.reportedAt >= router.updatedAt && isSame(said, report)) continue;
        await tx.saveReport({ ...report, host, reportedAt });
        for (const event of eventsOf(router, { before: said, report, at: reportedAt })) tx.appendEvent(event);
      }
    });
  }

  async saveHeartbeat(agent: Omit<Agent, 'seenAt'>): Promise<void> {
    const seenAt = this.#context.clock.now().toISOString();
    await this.#context.store.write((tx) => tx.saveAgent({ ...agent, seenAt }));
  }

  async #views(routers: readonly Router[]): Promise<RouterView[]> {
    const ids = routers.map(({ id }) => id);
    const { read } = this.#context.store;
    const [helpers, reports, agents] = await Promise.all([read.helpersOfMany(ids), read.reports(ids), read.agents()]);
    const helpersById = grouped(helpers, ({ routerId }) => [routerId]);
    const reportById = new Map(reports.map((report) => [report.routerId, report]));
    const agentByHost = new Map(agents.map((agent) => [agent.host, agent]));
    return routers.map((router) => {
      const report = reportById.get(router.id) ?? null;
      const agent = router.host === null ? null : (agentByHost.get(router.host) ?? null);
      return this.#view(router, helpersById.get(router.id) ?? [], { report: report?.host === router.host ? report : null, agent });
    });
  }

  #view(router: Router, helpers: readonly ConntrackHelper[], known: { report: StoredReport | null; agent: Agent | null }): RouterView {
    const { report, agent } = known;
    const away = this.#whyUnknown(router, agent);
    const byId = new Map<string, HelperStatus>(report?.helpers.map((status) => [status.helperId, status]));
    return {
      router,
      reason: away ?? report?.reason ?? '',
      reportedAt: report?.reportedAt ?? null,
      reportedRevision: report?.revision ?? null,
      drifts: report?.drifts ?? 0,
      helpers: helpers.map((helper) => ({
        helper,
        families: familiesOf(byId.get(helper.id) ?? unnamed(report), { away, pending: this.#whyPending(router, report) }),
      })),
    };
  }

  #whyUnknown(router: Router, agent: Agent | null): string | null {
    if (router.host === null || agent === null || this.#isAlive(agent)) return null;
    return `the agent on ${router.host} is silent since ${agent.seenAt}`;
  }

  #whyPending(router: Router, report: StoredReport | null): string {
    if (router.host === null) return 'no host serves this router';
    if (router.netns === null) return 'the router has no network namespace';
    return report ? '' : `the agent on ${router.host} has not reported yet`;
  }

  #isAlive(agent: Agent): boolean {
    return this.#context.clock.now().getTime() - Date.parse(agent.seenAt) <= agent.interval * 1000 * SILENT_AFTER;
  }
}

function isSame(a: RouterReport, b: RouterReport): boolean {
  const text = ({ revision, reason, drifts, helpers }: RouterReport) => JSON.stringify([revision, reason, drifts, helpers]);
  return text(a) === text(b);
}

/** A status event where what became of a helper changed, a drift event where somebody else's change was repaired. */
function eventsOf(router: Router, said: { before: StoredReport | null; report: RouterReport; at: string }): NewEvent[] {
  const { before, report, at } = said;
  const same = { at, projectId: router.projectId, routerId: router.id, requestId: '' };
  const events: NewEvent[] = [];
  const text = ({ reason, helpers }: RouterReport) => JSON.stringify([reason, helpers]);
  if (!before || text(before) !== text(report)) {
    const helpers = report.helpers.map(({ helperId, families }) => ({ helper_id: helperId, families }));
    events.push({ ...same, kind: 'status', data: { host: router.host, revision: report.revision, reason: report.reason, helpers } });
  }
  if (before && report.drifts > before.drifts)
    events.push({ ...same, kind: 'drift', data: { host: router.host, repaired: report.drifts - before.drifts } });
  return events;
}

/** A report with a reason and without any helper: the agent could not read what it was told of the router. */
function unnamed(report: StoredReport | null): Pick<HelperStatus, 'families'> | undefined {
  if (!report || report.reason === '' || report.helpers.length > 0) return undefined;
  return { families: allIn('ERROR', report.reason) };
}

/** What stands for a report that could not be read. */
async function unreadable(tx: Writes, { id, revision }: Router, problem: string): Promise<RouterReport> {
  const reason = asReason(`the report of the agent cannot be read: ${problem}`);
  const helpers = (await tx.routerHelpers(id))?.helpers ?? [];
  return {
    routerId: id,
    revision,
    reason,
    drifts: 0,
    helpers: helpers.map(({ id: helperId }) => ({ helperId, families: allIn('ERROR', reason) })),
  };
}

function allIn(status: StatusValue, reason: string): FamilyStatus[] {
  return FAMILIES.map((family) => ({ family, status, reason }));
}

function familiesOf(status: Pick<HelperStatus, 'families'> | undefined, why: { away: string | null; pending: string }): FamilyStatus[] {
  if (!status) return allIn(why.away ? 'UNKNOWN' : 'PENDING', why.away ?? why.pending);
  if (why.away === null) return [...status.families];
  return status.families.map(({ family }) => ({ family, status: 'UNKNOWN', reason: why.away as string }));
}
