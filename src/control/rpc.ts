import type { Sender } from '../bus/interface.ts';
import type { DesiredRouter } from '../contract/desired-router.ts';
import { routersDigest } from '../contract/desired-router.ts';
import { itemOf } from '../contract/mismatch.ts';
import { Gate } from '../model/gate.ts';
import { Answers } from '../wire/message.ts';
import { PULL, type Pulled, type PullRequest, type PullVersion, REPORT_STATE, REPORT_STATUS, TELL_EXPECTATION } from '../wire/messages.ts';
import { SERVER_TOPIC, serverTopic } from '../wire/topics.ts';
import type { Context } from './context.ts';
import { desiredByIds, desiredRouters } from './desired.ts';
import type { ExpectationFeed } from './expectations.ts';
import { enforceSender } from './senders.ts';
import type { Status } from './status.ts';

/** Maximum number of routers in one answer, and its size in bytes: far below what a bus carries in one message. */
const PAGE = { routers: 500, bytes: 4 * 1024 * 1024 } as const;
/** Routers whose helpers are read first; then as many as there are by then. One always fits. */
const FIRST_READ = 16;
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
        await this.#status.saveHeartbeat(this.#spokenFor(agentState, sender));
        return null;
      })
      .on(REPORT_STATUS, async (request, sender) => {
        const { host, at, reports } = this.#spokenFor(request, sender);
        await this.#status.saveReports(host, reports, at);
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

  async #pull({ host, ids, marker, known, version }: PullRequest): Promise<Pulled> {
    const { read } = this.#context.store;
    if (ids) {
      const [history, routers] = await Promise.all([this.#history(version), desiredByIds(read, ids, host)]);
      return { ...history, routers: routers.map(itemOf), marker: null, unchanged: false };
    }
    const history = await this.#history(version);
    if (known?.epoch === history.epoch && known.digest === routersDigest(await read.revisionsOfHost(host)))
      return { ...history, routers: [], marker: null, unchanged: true };
    return this.#fullPulls.run(async () => ({ ...history, unchanged: false, ...(await this.#page(host, marker ?? '')) }));
  }

  /** Returns which database this is and how far it has come, read before the routers: what they say is at least as new. */
  async #history(version: PullVersion): Promise<Pick<Pulled, 'installation' | 'epoch' | 'position'>> {
    const { installation, epoch, position } = await this.#context.store.read.history();
    return version === '2.0' ? { epoch } : { installation, epoch, position };
  }

  async #page(host: string, after: string): Promise<Pick<Pulled, 'routers' | 'marker'>> {
    const { read } = this.#context.store;
    const routers = await read.routersOfHost(host, after, PAGE.routers);
    const fitting: DesiredRouter[] = [];
    let bytes = 0;
    // Helpers of routers that do not fit are not read, or few of them: each page would cost all that come after it.
    for (let at = 0, count = FIRST_READ; at < routers.length; at += count, count = Math.max(FIRST_READ, fitting.length)) {
      for (const router of await desiredRouters(read, routers.slice(at, at + count))) {
        bytes += BYTES_PER_ROUTER + router.helpers.length * BYTES_PER_HELPER;
        if (bytes > PAGE.bytes && fitting.length > 0) return { routers: fitting.map(itemOf), marker: fitting.at(-1)?.id ?? null };
        fitting.push(router);
      }
    }
    return { routers: fitting.map(itemOf), marker: routers.length < PAGE.routers ? null : (routers.at(-1)?.id ?? null) };
  }
}

/** Upper bounds of an entry's size in a message. The largest helper has a scope of two IPv6 networks. */
const BYTES_PER_ROUTER = 1_024;
const BYTES_PER_HELPER = 512;
