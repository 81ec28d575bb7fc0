import type { AgentView, Heartbeat } from '../contract/agent.ts';
import type { NewEvent } from '../contract/event.ts';
import type { ConntrackHelper } from '../contract/helper.ts';
import type { Item } from '../contract/mismatch.ts';
import { asReason, type RouterId } from '../contract/primitives.ts';
import type { Router } from '../contract/router.ts';
import type { Selector } from '../contract/selector.ts';
import type { FamilyStatus, HelperStatus, RouterReport, StatusValue } from '../contract/status.ts';
import { FAMILIES } from '../model/catalogue.ts';
import { NotFound, PinholeError } from '../model/errors.ts';
import { grouped } from '../model/grouped.ts';
import type { Agent, StoredReport, Writes } from '../store/interface.ts';
import { authoriseRouter } from './authorisation.ts';
import type { Context } from './context.ts';
import { hostEvent, logTurn, turnsOf } from './host-turns.ts';
import { routerTarget } from './policy/policy.ts';
import { isAlive, whyAway } from './presence.ts';
import type { Principal } from './principal.ts';
import type { Page, Routers } from './routers.ts';
import { asOfNow, reportByOwnClock, verificationOf, whyKernelAway } from './verified.ts';

/** A report counts that long without any heartbeat of its host. */
const FORGOTTEN_MS = 60_000;
/** A page of status ends with the part in which it reaches so many helpers, of a few hundred bytes each. */
const HELPERS_A_PAGE = 10_000;
const VIEWS_AT_ONCE = 20;

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
    const now = this.#context.clock.now();
    return (await this.#context.store.read.agents()).map((agent) => ({ ...agent, alive: isAlive(agent, now) }));
  }

  /** Returns the status of one router. @throws NotFound, Denied */
  async router(principal: Principal, id: RouterId): Promise<RouterView> {
    const { policy, store } = this.#context;
    const router = authoriseRouter(policy(), principal, await store.read.router(id), { id, rule: 'get_router_status' });
    const [view] = await this.#views([router]);
    if (!view) throw new NotFound('router', id);
    return view;
  }

  /** Returns the status of all routers with these labels whose status the principal may see, ordered by id. */
  async routers(principal: Principal, selector: Selector = []): Promise<RouterView[]> {
    const policy = this.#context.policy();
    const seen = await this.#routers.selected(principal, selector);
    return this.#views(seen.filter((router) => policy.allows(principal, 'get_router_status', routerTarget(router))));
  }

  /**
   * Returns one page of what {@link routers} returns. It ends sooner than `limit` says once it has many helpers, so that its size is
   * bounded. `next` is the marker of the next page; null after the last one.
   */
  async page(principal: Principal, selector: Selector, page: Page): Promise<{ routers: RouterView[]; next: RouterId | null }> {
    const policy = this.#context.policy();
    const { routers, next } = await this.#routers.page(principal, selector, page);
    const seen = routers.filter((router) => policy.allows(principal, 'get_router_status', routerTarget(router)));
    const views: RouterView[] = [];
    for (let at = 0, helpers = 0; at < seen.length; at += VIEWS_AT_ONCE) {
      const part = await this.#views(seen.slice(at, at + VIEWS_AT_ONCE));
      views.push(...part);
      helpers += part.reduce((sum, view) => sum + view.helpers.length, 0);
      if (helpers >= HELPERS_A_PAGE && at + VIEWS_AT_ONCE < seen.length) return { routers: views, next: part.at(-1)?.router.id ?? null };
    }
    return { routers: views, next };
  }

  /** Resolves if an agent and a kernel process look after a host. @throws PinholeError `unreachable` that says why not */
  async requireHost(host: string): Promise<void> {
    const agent = await this.#context.store.read.agent(host);
    const why = agent === null ? neverReported(host) : (whyAway(agent, this.#context.clock.now()) ?? whyKernelAway(host, agent.kernel));
    if (why !== null) throw new PinholeError('unreachable', why);
  }

  /**
   * Saves an agent's reports, and an event for each change. A report that cannot be read becomes the ERROR of its router. Reports
   * about routers of other hosts are ignored.
   * @param sentAt when the agent sent them, by its clock; null: not known
   */
  async saveReports(host: string, reports: readonly Item<RouterReport>[], sentAt: string | null): Promise<void> {
    const now = this.#context.clock.now();
    const reportedAt = now.toISOString();
    const ids = reports.flatMap((item) => (item.ok ? item.value.routerId : (item.key ?? [])));
    const applied: number[] = [];
    await this.#context.store.write(async (tx) => {
      applied.length = 0;
      const before = new Map((await tx.reports(ids)).map((report) => [report.routerId, report]));
      for (const item of reports) {
        const id = item.ok ? item.value.routerId : item.key;
        const router = id === null ? null : await tx.router(id as RouterId);
        if (!item.ok)
          this.#context.logger.warn({ host, router: id, reason: item.error.message }, 'an agent sent a report that cannot be read');
        // An agent that has lost a router, or lies, must not write the status of another host's router.
        if (router?.host !== host) continue;
        const report = item.ok ? reportByOwnClock(item.value, sentAt, now) : await unreadable(tx, router, item.error.message);
        const said = before.get(router.id) ?? null;
        // After a reconnect, an agent repeats all its reports.
        if (said?.host === host && said.reportedAt >= router.updatedAt && isSame(said, report)) continue;
        await tx.saveReport({ ...report, host, reportedAt });
        if (report.revision === router.revision && said?.revision !== report.revision) applied.push(Date.parse(router.updatedAt));
        for (const event of eventsOf(router, { before: said, report, at: reportedAt })) tx.appendEvent(event);
      }
    }, `host:${host}`);
    for (const changedAt of applied) this.#context.meters.appliedAfter(Math.max(0, now.getTime() - changedAt) / 1_000);
  }

  /** Saves an agent's heartbeat with the present time, and an event for each thing that the host became by it. */
  async saveHeartbeat({ host, startedAt, interval, configurations, verification }: Heartbeat): Promise<void> {
    const now = this.#context.clock.now();
    const turns = await this.#context.store.write(async (tx) => {
      const wasSilent = await tx.markHeard(host);
      const before = await tx.agent(host);
      const verified = verificationOf(verification, before, now);
      const after = { host, startedAt, seenAt: now.toISOString(), interval, state: configurations, ...verified };
      await tx.saveAgent(after);
      const found = turnsOf(before, after, { wasSilent });
      for (const turn of found) tx.appendEvent(hostEvent(turn, after.seenAt));
      return found;
    });
    for (const turn of turns) logTurn(this.#context.logger, turn);
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
    const now = this.#context.clock.now();
    const away = whyUnknown(router, known, now);
    const kernelAway = router.host === null ? null : whyKernelAway(router.host, agent?.kernel ?? null);
    const byId = new Map<string, HelperStatus>(
      report?.helpers.map(({ helperId, families }) => [
        helperId,
        { helperId, families: families.map((family) => asOfNow(family, { router, report, agent, now })) },
      ]),
    );
    const pending = kernelAway ?? this.#whyPending(router, known);
    return {
      router,
      reason: away ?? kernelAway ?? report?.reason ?? '',
      reportedAt: report?.reportedAt ?? null,
      reportedRevision: report?.revision ?? null,
      drifts: report?.drifts ?? 0,
      helpers: helpers.map((helper) => ({
        helper,
        families: familiesOf(byId.get(helper.id) ?? unnamed(report), { away, pending }),
      })),
    };
  }

  /** Returns why a helper is not applied yet, in words. */
  #whyPending(router: Router, { report, agent }: { report: StoredReport | null; agent: Agent | null }): string {
    if (router.host === null) return 'no host serves this router';
    if (router.netns === null) return 'the router has no network namespace';
    if (agent === null && report === null) return neverReported(router.host);
    return `the agent on ${router.host} has not ${report ? 'applied this' : 'reported'} yet`;
  }
}

/** Returns why nothing is known of the router, in words; null if its agent is alive, or never was there. */
function whyUnknown({ host }: Router, { report, agent }: { report: StoredReport | null; agent: Agent | null }, now: Date): string | null {
  if (host === null) return null;
  if (agent) return whyAway(agent, now);
  const isOld = report !== null && now.getTime() - Date.parse(report.reportedAt) > FORGOTTEN_MS;
  return isOld ? `no agent is known on ${host}: it was forgotten, or its heartbeats do not arrive` : null;
}

function neverReported(host: string): string {
  return `no agent has reported from host ${host} yet: is that its name, and does its agent run?`;
}

/** When each was verified does not count: a later time alone is told in heartbeats. */
function isSame(a: RouterReport, b: RouterReport): boolean {
  const text = (report: RouterReport) => JSON.stringify([report.revision, report.drifts, saidOf(report)]);
  return text(a) === text(b);
}

function saidOf({ reason, helpers }: RouterReport): unknown {
  const said = helpers.map(({ helperId, families }) => [helperId, families.map((one) => [one.family, one.status, one.reason])]);
  return [reason, said];
}

/** Returns a status event if the status of a helper changed, and a drift event if the agent repaired another program's change. */
function eventsOf(router: Router, said: { before: StoredReport | null; report: RouterReport; at: string }): NewEvent[] {
  const { before, report, at } = said;
  const same = { at, projectId: router.projectId, routerId: router.id, requestId: '' };
  const events: NewEvent[] = [];
  if (!before || JSON.stringify(saidOf(before)) !== JSON.stringify(saidOf(report))) {
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
  return FAMILIES.map((family) => ({ family, status, reason, verifiedAt: null }));
}

function familiesOf(status: Pick<HelperStatus, 'families'> | undefined, why: { away: string | null; pending: string }): FamilyStatus[] {
  if (!status) return allIn(why.away ? 'UNKNOWN' : 'PENDING', why.away ?? why.pending);
  if (why.away === null) return [...status.families];
  return status.families.map(({ family, verifiedAt }) => ({ family, status: 'UNKNOWN', reason: why.away as string, verifiedAt }));
}
