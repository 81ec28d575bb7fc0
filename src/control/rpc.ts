import type { Sender } from '../bus/interface.ts';
import type { DesiredRouter } from '../contract/desired-router.ts';
import { routersDigest } from '../contract/desired-router.ts';
import { itemOf } from '../contract/mismatch.ts';
import { Answers } from '../wire/message.ts';
import { PULL, type Pulled, type PullRequest, REPORT_STATE, REPORT_STATUS, TELL_EXPECTATION } from '../wire/messages.ts';
import { SERVER_TOPIC, serverTopic } from '../wire/topics.ts';
import type { Context } from './context.ts';
import { desiredByIds, desiredRouters } from './desired.ts';
import type { ExpectationFeed } from './expectations.ts';
import { Gate } from './gate.ts';
import { enforceSender } from './senders.ts';
import type { Status } from './status.ts';

/** Maximum number of routers in one answer, and its size in bytes: far below what a bus carries in one message. */
const PAGE = { routers: 500, bytes: 4 * 1024 * 1024 } as const;
/**
 * Full pulls at the same time, and those that wait. If a thousand agents reconnect at once, most learn that nothing changed, and
 * the others wait for their turn.
 */
const FULL_PULLS = { running: 8, waiting: 2_000 } as const;

/** Answers the requests of agents over the bus. A host gets only its own routers, and its reports count only for them. */
export class AgentRpc {
  readonly #context: Context;
  readonly #status: Status;
  readonly #expectations: ExpectationFeed;
  readonly #fullPulls = new Gate(FULL_PULLS);

  constructor(context: Context, status: Status, expectations: ExpectationFeed) {
    this.#context = context;
    this.#status = status;
    this.#expectations = expectations;
  }

  /** Starts serving this server's topics on the bus. */
  start(): void {
    const { bus, store } = this.#context;
    const asked = new Answers<Sender>('a server')
      .on(PULL, (request, sender) => this.#pull(this.#spokenFor(request, sender)))
      .on(REPORT_STATE, async ({ agentState }, sender) => {
        const { host, startedAt, interval, configurations } = this.#spokenFor(agentState, sender);
        await this.#status.saveHeartbeat({ host, startedAt, interval, state: configurations });
        return null;
      })
      .on(REPORT_STATUS, async (request, sender) => {
        const { host, reports } = this.#spokenFor(request, sender);
        await this.#status.saveReports(host, reports);
        return null;
      });
    // Expectations are sent to the one server whose client follows them.
    const told = new Answers<Sender>('a server').on(TELL_EXPECTATION, (change, sender) => this.#expectations.onEvent(change, sender));
    bus.serve(SERVER_TOPIC, (...message) => asked.handle(...message));
    bus.serve(serverTopic(store.chain), (...message) => told.handle(...message));
  }

  /** Returns the request. @throws PinholeError `denied` if its sender may not speak for the host that it names */
  #spokenFor<T extends { readonly host: string }>(request: T, sender: Sender): T {
    enforceSender(this.#context, request.host, sender);
    return request;
  }

  async #pull({ host, ids, marker, known }: PullRequest): Promise<Pulled> {
    const { read } = this.#context.store;
    if (ids) {
      const [epoch, routers] = await Promise.all([read.epoch(), desiredByIds(read, ids, host)]);
      return { epoch, routers: routers.map(itemOf), marker: null, unchanged: false };
    }
    const epoch = await read.epoch();
    if (known?.epoch === epoch && known.digest === routersDigest(await read.revisionsOfHost(host)))
      return { epoch, routers: [], marker: null, unchanged: true };
    return this.#fullPulls.run(async () => ({ epoch, unchanged: false, ...(await this.#page(host, marker ?? '')) }));
  }

  async #page(host: string, after: string): Promise<Pick<Pulled, 'routers' | 'marker'>> {
    const { read } = this.#context.store;
    const routers = await read.routersOfHost(host, after, PAGE.routers);
    const desired = await desiredRouters(read, routers);
    const fitting = desired.slice(0, countFitting(desired, PAGE.bytes));
    const isLast = routers.length < PAGE.routers && fitting.length === desired.length;
    return { routers: fitting.map(itemOf), marker: isLast ? null : (fitting.at(-1) as DesiredRouter).id };
  }
}

/** Upper bounds of an entry's size in a message. The largest helper has a scope of two IPv6 networks. */
const BYTES_PER_ROUTER = 1_024;
const BYTES_PER_HELPER = 512;

/** Returns how many of the routers, from the first, fit into a message of `bytes`; at least one, because one router always fits. */
function countFitting(routers: readonly DesiredRouter[], bytes: number): number {
  let size = 0;
  const over = routers.findIndex(({ helpers }) => {
    size += BYTES_PER_ROUTER + helpers.length * BYTES_PER_HELPER;
    return size > bytes;
  });
  return over < 0 ? routers.length : Math.max(1, over);
}
