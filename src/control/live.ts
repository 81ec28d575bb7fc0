import type { RouterDiagnosis } from '../contract/diagnosis.ts';
import type { LivePlan } from '../contract/plan.ts';
import type { HelperId, RouterId } from '../contract/primitives.ts';
import type { Router } from '../contract/router.ts';
import { NotFound, PinholeError } from '../model/errors.ts';
import { ask } from '../wire/message.ts';
import { DIAGNOSE, type DiagnosisRequest, PLAN, REAPPLY } from '../wire/messages.ts';
import { agentTopic } from '../wire/topics.ts';
import { authoriseRouter } from './authorisation.ts';
import { audit, type Context } from './context.ts';
import { desiredRouter, isServed, type ServedRouter } from './desired.ts';
import type { Helpers } from './helpers.ts';
import { helperTarget } from './policy/policy.ts';
import { ownerOf, type Principal } from './principal.ts';

/** The rules of all programs are read, which takes seconds on a busy host. */
const DIAGNOSIS_MS = 25_000;

/** Requests to the agent of a router about its live kernel. */
export class Live {
  readonly #context: Context;
  readonly #helpers: Helpers;

  constructor(context: Context, helpers: Helpers) {
    this.#context = context;
    this.#helpers = helpers;
  }

  /**
   * Returns what a sync of the router's declared state would change in its kernel.
   * @throws NotFound, Denied; PinholeError `not-served`; `unreachable` or `timeout` if the agent does not answer
   */
  async plan(principal: Principal, id: RouterId): Promise<LivePlan> {
    const { policy, store } = this.#context;
    const router = authoriseRouter(policy(), principal, await store.read.router(id), { id, rule: 'get_router_plan' });
    const desired = await desiredRouter(store.read, served(router));
    return ask(this.#context.bus, PLAN, { topic: agentTopic(served(router).host), request: { router: desired } });
  }

  /**
   * Asks the router's agent why helpers of the router may not work.
   * @param named the client and the server of the connections that are followed; null: any
   * @throws NotFound, Denied; PinholeError as {@link plan}, and `overloaded` if the agent has too many diagnoses to make
   */
  async diagnose(principal: Principal, id: RouterId, named: Pick<DiagnosisRequest, 'from' | 'to'>): Promise<RouterDiagnosis> {
    const { policy, store, bus, clock } = this.#context;
    const router = served(authoriseRouter(policy(), principal, await store.read.router(id), { id, rule: 'get_router_diagnosis' }));
    const request = { router: await desiredRouter(store.read, router), ...named };
    const checks = await ask(bus, DIAGNOSE, { topic: agentTopic(router.host), request, timeoutMs: DIAGNOSIS_MS });
    return { host: router.host, at: clock.now().toISOString(), checks };
  }

  /**
   * Assigns a helper to connections that exist already. Rules assign helpers to new connections only.
   * @returns the number of connections that got the helper
   * @throws NotFound, Denied, Hidden; PinholeError as {@link plan}
   */
  async reapply(principal: Principal, id: RouterId, helperId: HelperId): Promise<number> {
    const { policy, store, clock } = this.#context;
    const helper = await this.#helpers.get(principal, id, helperId);
    const parent = await store.read.router(id);
    if (!parent) throw new NotFound('router', id);
    policy().enforce(principal, 'reapply_router_conntrack_helper', helperTarget(parent));
    const router = served(parent);
    const request = { router: await desiredRouter(store.read, router), helperId: helper.id };
    const { connections } = await ask(this.#context.bus, REAPPLY, { topic: agentTopic(router.host), request });
    const at = clock.now().toISOString();
    const change = { at, action: 'reapply_conntrack_helper', target: helper.id, projectId: router.projectId };
    await store.write(async (tx) => audit(tx, principal, { ...change, before: null, after: { connections } }), ownerOf(principal));
    return connections;
  }
}

/** @throws PinholeError `not-served` for a router without a host or network namespace */
function served(router: Router): ServedRouter {
  if (isServed(router)) return router;
  throw new PinholeError(
    'not-served',
    `No agent serves router ${router.id}: it has no ${router.host === null ? 'host' : 'network namespace'}.`,
  );
}
