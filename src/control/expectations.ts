import type { Sender } from '../bus/interface.ts';
import { agentTopic, METHODS, serverTopic } from '../bus/topics.ts';
import { PinholeError } from '../model/errors.ts';
import type { Reader } from '../model/reader.ts';
import type { RouterId } from '../model/router.ts';
import type { Expectation } from '../model/status.ts';
import type { Timer } from '../ports/clock.ts';
import { authoriseRouter } from './authorisation.ts';
import type { Context } from './context.ts';
import { routerTarget } from './policy/policy.ts';
import type { Principal } from './principal.ts';
import type { Routers } from './routers.ts';
import { enforceSender } from './senders.ts';

export interface ExpectationEvent {
  readonly at: string;
  readonly routerId: string;
  readonly change: 'new' | 'gone';
  readonly expectation: Expectation;
}

type Listener = (event: ExpectationEvent) => void;

/** Agents send expectations while they are asked to; a server that died is forgotten after this. */
const LEASE_SECONDS = 30;
const RENEW_MS = 10_000;

/** Live expectations: asked of agents, and followed while somebody watches. */
export class ExpectationFeed {
  readonly #context: Context;
  readonly #routers: Routers;
  readonly #listeners = new Set<{ readonly visible: (routerId: string) => boolean; readonly listener: Listener }>();
  #renewal: Timer | null = null;

  constructor(context: Context, routers: Routers) {
    this.#context = context;
    this.#routers = routers;
  }

  /** @throws NotFound; PinholeError `unreachable` where the router's agent is not there */
  async list(principal: Principal, id: RouterId): Promise<Expectation[]> {
    const { policy, store } = this.#context;
    const router = authoriseRouter(policy(), principal, await store.read.router(id), { id, rule: 'get_router_expectations' });
    if (router.host === null || router.netns === null) return [];
    return (await this.#context.bus.call(agentTopic(router.host), METHODS.expectations, { router_id: id })) as Expectation[];
  }

  /**
   * Follows what the principal may see, from the moment that the agents have been told.
   * @returns how to stop
   */
  async watch(principal: Principal, listener: Listener): Promise<() => void> {
    const policy = this.#context.policy();
    const routers = await this.#routers.list(principal);
    const visible = routers.filter((router) => policy.allows(principal, 'get_router_expectations', routerTarget(router)));
    const ids = new Set<string>(visible.map(({ id }) => id));
    const entry = { visible: (routerId: string) => ids.has(routerId), listener };
    this.#listeners.add(entry);
    await this.#renew();
    this.#renewal ??= this.#context.clock.every(RENEW_MS, () => void this.#renew());
    return () => {
      this.#listeners.delete(entry);
      if (this.#listeners.size > 0 || !this.#renewal) return;
      this.#renewal.cancel();
      this.#renewal = null;
    };
  }

  close(): void {
    this.#renewal?.cancel();
  }

  /** Over the bus, from an agent. */
  async onEvent(reader: Reader, sender: Sender): Promise<null> {
    const fields = reader.object('router_id', 'change', 'expectation');
    const routerId = fields.router_id.string(64);
    const event: ExpectationEvent = {
      at: this.#context.clock.now().toISOString(),
      routerId,
      change: fields.change.oneOf('new', 'gone'),
      expectation: readExpectation(fields.expectation),
    };
    const listeners = [...this.#listeners].filter(({ visible }) => visible(routerId));
    if (listeners.length === 0) return null;
    const router = await this.#context.store.read.router(routerId as RouterId);
    if (router?.host == null) return null;
    enforceSender(this.#context, router.host, sender);
    for (const { listener } of listeners) listener(event);
    return null;
  }

  async #renew(): Promise<void> {
    const { store } = this.#context;
    const agents = await store.read.agents();
    const asked = { topic: serverTopic(store.chain), seconds: LEASE_SECONDS };
    await Promise.all(
      agents.map(({ host }) =>
        this.#context.bus.call(agentTopic(host), METHODS.watchExpectations, asked, 5_000).catch((error) => {
          const known = error instanceof PinholeError && (error.code === 'unreachable' || error.code === 'timeout');
          if (!known) this.#context.logger.warn({ err: error, host }, 'an agent cannot watch expectations');
        }),
      ),
    );
  }
}

function readExpectation(reader: Reader): Expectation {
  const fields = reader.object('helper', 'protocol', 'source', 'destination', 'port', 'master');
  const master = fields.master.object('source', 'destination', 'port');
  return {
    helper: fields.helper.string(32),
    protocol: fields.protocol.string(16),
    source: fields.source.string(64),
    destination: fields.destination.string(64),
    port: fields.port.integer(0, 65535),
    master: { source: master.source.string(64), destination: master.destination.string(64), port: master.port.integer(0, 65535) },
  };
}
