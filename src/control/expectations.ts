import type { Sender } from '../bus/interface.ts';
import type { Expectation, ExpectationChange, ExpectationEvent } from '../contract/expectation.ts';
import type { RouterId } from '../contract/primitives.ts';
import { PinholeError } from '../model/errors.ts';
import { grouped } from '../model/grouped.ts';
import { watchedByAny } from '../model/watched.ts';
import type { Timer } from '../ports/clock.ts';
import { ask } from '../wire/message.ts';
import { LIST_EXPECTATIONS, WATCH_EXPECTATIONS } from '../wire/messages.ts';
import { agentTopic, serverTopic } from '../wire/topics.ts';
import { authoriseRouter } from './authorisation.ts';
import type { Context } from './context.ts';
import { routerTarget } from './policy/policy.ts';
import type { Principal } from './principal.ts';
import type { Routers } from './routers.ts';
import { enforceSender } from './senders.ts';

type Listener = (event: ExpectationEvent) => void;

/** A client that watches: what it may see, as of its start. */
interface Watch {
  readonly routers: ReadonlySet<string>;
  /** The same routers by the host that serves them. */
  readonly onHost: ReadonlyMap<string, ReadonlySet<string>>;
  readonly listener: Listener;
}

/** An agent sends expectations for this long after a request. If a server dies, the agent stops by itself. */
const LEASE_SECONDS = 30;
const RENEW_MS = 10_000;
const WATCH_TIMEOUT_MS = 5_000;

/** Live expectations: listed on request, and streamed by agents while a client follows them. */
export class ExpectationFeed {
  readonly #context: Context;
  readonly #routers: Routers;
  readonly #watches = new Set<Watch>();
  #renewal: Timer | null = null;

  constructor(context: Context, routers: Routers) {
    this.#context = context;
    this.#routers = routers;
  }

  /**
   * Returns the expectations that the router's kernel has now; none for a router that no agent serves.
   * @throws NotFound, Denied; PinholeError `unreachable` or `timeout` if the router's agent does not answer
   */
  async list(principal: Principal, id: RouterId): Promise<readonly Expectation[]> {
    const { policy, store } = this.#context;
    const router = authoriseRouter(policy(), principal, await store.read.router(id), { id, rule: 'get_router_expectations' });
    if (router.host === null || router.netns === null) return [];
    return ask(this.#context.bus, LIST_EXPECTATIONS, { topic: agentTopic(router.host), request: { routerId: id } });
  }

  /**
   * Calls `listener` for each change in a router that the principal may see now. Resolves when the agents have been asked.
   * @returns a function that ends the watch
   */
  async watch(principal: Principal, listener: Listener): Promise<() => void> {
    const policy = this.#context.policy();
    const routers = await this.#routers.list(principal);
    const visible = routers.filter((router) => policy.allows(principal, 'get_router_expectations', routerTarget(router)));
    const onHost = grouped(visible, ({ host }) => (host === null ? [] : [host]));
    const entry: Watch = {
      routers: new Set(visible.map(({ id }) => id)),
      onHost: new Map([...onHost].map(([host, those]) => [host, new Set(those.map(({ id }) => id))])),
      listener,
    };
    this.#watches.add(entry);
    await this.#renew();
    this.#renewal ??= this.#context.clock.every(RENEW_MS, () => void this.#renew());
    return () => {
      this.#watches.delete(entry);
      if (this.#watches.size > 0 || !this.#renewal) return;
      this.#renewal.cancel();
      this.#renewal = null;
    };
  }

  /** Stops asking agents. */
  close(): void {
    this.#renewal?.cancel();
  }

  /**
   * Passes on a change that an agent sent over the bus. @throws PinholeError `denied` if the sender does not speak for the
   * router's host
   */
  async onEvent(change: ExpectationChange, sender: Sender): Promise<null> {
    const { routerId } = change;
    const event: ExpectationEvent = { at: this.#context.clock.now().toISOString(), ...change };
    const watches = [...this.#watches].filter(({ routers }) => routers.has(routerId));
    if (watches.length === 0) return null;
    const router = await this.#context.store.read.router(routerId as RouterId);
    if (router?.host == null) return null;
    enforceSender(this.#context, router.host, sender);
    for (const { listener } of watches) listener(event);
    return null;
  }

  /** Asks the agents of the routers that are watched, and for those routers only: watching costs a host something. */
  async #renew(): Promise<void> {
    const { store } = this.#context;
    const watchedOn = (host: string) => [...this.#watches].flatMap(({ onHost }) => onHost.get(host) ?? []);
    const agents = (await store.read.agents()).filter(({ host }) => watchedOn(host).length > 0);
    const requestTo = (host: string) => {
      const routers = watchedByAny(watchedOn(host));
      return { topic: serverTopic(store.chain), seconds: LEASE_SECONDS, routers: routers && [...routers] };
    };
    await Promise.all(
      agents.map(({ host }) =>
        ask(this.#context.bus, WATCH_EXPECTATIONS, {
          topic: agentTopic(host),
          request: requestTo(host),
          timeoutMs: WATCH_TIMEOUT_MS,
        }).catch((error) => {
          const known = error instanceof PinholeError && (error.code === 'unreachable' || error.code === 'timeout');
          if (!known) this.#context.logger.warn({ err: error, host }, 'an agent cannot watch expectations');
        }),
      ),
    );
  }
}
