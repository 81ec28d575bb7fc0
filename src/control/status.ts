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

/** Number of missed heartbeats after which an agent counts as silent. */
const SILENT_AFTER = 3;

/** A declared helper with its status in each address family. */
export interface HelperView {
  readonly helper: ConntrackHelper;
  readonly families: readonly FamilyStatus[];
}

/**
 * A declared router with what its agent reported. The report's fields are null or zero if there is no report from the router's
 * host.
 */
export interface RouterView {
  readonly router: Router;
  /** The reason why the router as a whole is not in sync; empty if it is. */
  readonly reason: string;
  readonly reportedAt: string | null;
  readonly reportedRevision: number | null;
  readonly drifts: number;
  readonly helpers: readonly HelperView[];
}

/** Joins what agents report with what is declared. */
export class Status {
  readonly #context: Context;
  readonly #routers: Routers;

  constructor(context: Context, routers: Routers) {
    this.#context = context;
    this.#routers = routers;
  }

  /** Returns all agents, ordered by host. @throws Denied */
  async agents(principal: Principal): Promise<AgentView[]> {
    this.#context.policy().enforce(principal, 'get_agent', {});
    return (await this.#context.store.read.agents()).map((agent) => ({ ...agent, alive: this.#isAlive(agent) }));
  }

  /** Returns the status of one router. @throws NotFound, Denied */
  async router(principal: Principal, id: RouterId): Promise<RouterView> {
    const { policy, store } = this.#context;
    const router = authoriseRouter(policy(), principal, await store.read.router(id), { id, rule: 'get_router_status' });
    const [view] = await this.#views([router]);
    if (!view) throw new NotFound('router', id);
    return view;
  }

  /** Returns the status of all routers whose status the principal may see, ordered by id. */
  async routers(principal: Principal): Promise<RouterView[]> {
    const policy = this.#context.policy();
    const seen = await this.#routers.list(principal);
    return this.#views(seen.filter((router) => policy.allows(principal, 'get_router_status', routerTarget(router))));
  }

  /**
   * Saves an agent's reports, and an event for each change. A report that cannot be read becomes the ERROR of its router. Reports
   * about routers of other hosts are ignored.
   */
  async saveReports(host: string, reports: readonly Item<RouterReport>[]): Promise<void> {
    const reportedAt = this.#context.clock.now().toISOString();
    const ids = reports.flatMap((item) => (item.ok ? item.value.routerId : (item.key ?? [])));
    await this.#context.store.write(async (tx) => {
      const before = new Map((await tx.reports(ids)).map((report) => [report.routerId, report]));
      for (const item of reports) {
        const id = item.ok ? item.value.routerId : item.key;
        const router = id === null ? null : await tx.router(id as RouterId);
        if (!item.ok)
          this.#context.logger.warn({ host, router: id, reason: item.error.message }, 'an agent sent a report that cannot be read');
        // An agent that has lost a router, or lies, must not write the status of another host's router.
        if (router?.host !== host) continue;
        const report = item.ok ? item.value : await unreadable(tx, router, item.error.message);
        const said = before.get(router.id) ?? null;
        // After a reconnect, an agent repeats all its reports.
        if (said?.host === host && said.reportedAt >= router.updatedAt && isSame(said, report)) continue;
        await tx.saveReport({ ...report, host, reportedAt });
        for (const event of eventsOf(router, { before: said, report, at: reportedAt })) tx.appendEvent(event);
      }
    });
  }

  /** Saves an agent's heartbeat with the present time. */
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

  /** Returns why nothing is known of the router, in words; null if its agent is alive or never existed. */
  #whyUnknown(router: Router, agent: Agent | null): string | null {
    if (router.host === null || agent === null || this.#isAlive(agent)) return null;
    return `the agent on ${router.host} has been silent since ${agent.seenAt}`;
  }

  /** Returns why a helper is not applied yet, in words; empty if the agent has reported and just not applied it yet. */
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

/** Returns a status event if the status of a helper changed, and a drift event if the agent repaired another program's change. */
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

/**
 * The families of a helper that the report does not name. A report with a reason and no helpers means that the agent could not
 * read the router's desired state.
 */
function unnamed(report: StoredReport | null): Pick<HelperStatus, 'families'> | undefined {
  if (!report || report.reason === '' || report.helpers.length > 0) return undefined;
  return { families: allIn('ERROR', report.reason) };
}

/** Returns the report in place of one that cannot be read: ERROR for each helper. */
async function unreadable(tx: Writes, { id, revision }: Router, problem: string): Promise<RouterReport> {
  const reason = asReason(`the agent's report cannot be read: ${problem}`);
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
