import { agentTopic, METHODS } from '../bus/topics.ts';
import type { HelperId } from '../model/conntrack-helper.ts';
import { PinholeError } from '../model/errors.ts';
import type { LivePlan } from '../model/live-plan.ts';
import { Reader } from '../model/reader.ts';
import type { Router, RouterId } from '../model/router.ts';
import { authoriseRouter } from './authorisation.ts';
import { audit, type Context } from './context.ts';
import { desiredRouters } from './desired.ts';
import type { Helpers } from './helpers.ts';
import { helperTarget } from './policy/policy.ts';
import type { Principal } from './principal.ts';

const MAX_CHANGES = 5_000;
const MAX_CONNECTIONS = 1_000_000;

/** What is asked of the agent that serves a router, about its live kernel. */
export class Live {
  readonly #context: Context;
  readonly #helpers: Helpers;

  constructor(context: Context, helpers: Helpers) {
    this.#context = context;
    this.#helpers = helpers;
  }

  /**
   * What a sync of the router as it is declared now would change in its kernel.
   * @throws NotFound; PinholeError `unreachable`, `timeout` where its agent does not answer
   */
  async plan(principal: Principal, id: RouterId): Promise<LivePlan> {
    const { policy, store } = this.#context;
    const router = authoriseRouter(policy(), principal, await store.read.router(id), { id, rule: 'get_router_plan' });
    const [desired] = await desiredRouters(store.read, [served(router)]);
    return readPlan(new Reader(await this.#ask(router, METHODS.plan, { router: desired }), METHODS.plan));
  }

  /**
   * Gives a helper to connections that are already there: rules reach new ones only.
   * @returns how many connections got it
   */
  async reapply(principal: Principal, id: RouterId, helperId: HelperId): Promise<number> {
    const { policy, store, clock } = this.#context;
    const helper = await this.#helpers.get(principal, id, helperId);
    const parent = (await store.read.router(id)) as Router;
    policy().enforce(principal, 'reapply_router_conntrack_helper', helperTarget(parent));
    const router = served(parent);
    const [desired] = await desiredRouters(store.read, [router]);
    const answer = await this.#ask(router, METHODS.reapply, { router: desired, helper_id: helper.id });
    const connections = new Reader(answer, METHODS.reapply).object('connections').connections.integer(0, MAX_CONNECTIONS);
    const at = clock.now().toISOString();
    const change = { at, action: 'reapply_conntrack_helper', target: helper.id, projectId: router.projectId };
    await store.write(async (tx) => audit(tx, principal, { ...change, before: null, after: { connections } }));
    return connections;
  }

  #ask(router: Router, method: string, args: Record<string, unknown>): Promise<unknown> {
    return this.#context.bus.call(agentTopic(router.host as string), method, args);
  }
}

/** @throws PinholeError `not-served` for a router that is nobody's to serve */
function served(router: Router): Router {
  if (router.host !== null && router.netns !== null) return router;
  throw new PinholeError(
    'not-served',
    `No agent serves router ${router.id}: it has no ${router.host === null ? 'host' : 'network namespace'}.`,
  );
}

function readPlan(reader: Reader): LivePlan {
  const fields = reader.object('changes', 'foreign', 'table');
  return {
    changes: fields.changes.array(MAX_CHANGES, (item) => {
      const { change, what, name, detail } = item.object('change', 'what', 'name', 'detail');
      return {
        change: change.oneOf('add', 'remove', 'replace'),
        what: what.oneOf('table', 'object', 'chain', 'rule'),
        name: name.string(64),
        detail: detail.string(100_000),
      };
    }),
    foreign: fields.foreign.array(MAX_CHANGES, (item) => item.string(100_000)),
    table: fields.table.nullable((text) => text.string(1_000_000)),
  };
}
