import type { Sender } from '../bus/interface.ts';
import type { DesiredRouter } from '../contract/desired-router.ts';
import { routersDigest } from '../contract/desired-router.ts';
import type { Router } from '../contract/router.ts';
import { Answers } from '../wire/message.ts';
import { PULL, type Pulled, type PullRequest, REPORT_STATE, REPORT_STATUS, TELL_EXPECTATION } from '../wire/messages.ts';
import { SERVER_TOPIC, serverTopic } from '../wire/topics.ts';
import type { Context } from './context.ts';
import { desiredByIds, desiredRouters } from './desired.ts';
import type { ExpectationFeed } from './expectations.ts';
import { Gate } from './gate.ts';
import { enforceSender } from './senders.ts';
import type { Status } from './status.ts';

/** Routers in one answer, and how large it may become: far below what a bus carries in one message. */
const PAGE = { routers: 500, bytes: 4 * 1024 * 1024 } as const;
/** A thousand agents that come back at once: most are told that nothing changed, the others wait their turn. */
const FULL_PULLS = { running: 8, waiting: 2_000 } as const;

/** What agents ask of a server, over the bus. A host is told what is its own, and believed about itself, nothing else. */
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
    // What agents tell this server, of all servers, because a client of it watches.
    const told = new Answers<Sender>('a server').on(TELL_EXPECTATION, (change, sender) => this.#expectations.onEvent(change, sender));
    bus.serve(SERVER_TOPIC, (...message) => asked.handle(...message));
    bus.serve(serverTopic(store.chain), (...message) => told.handle(...message));
  }

  /** @throws PinholeError `denied` for a host that its sender may not speak for */
  #spokenFor<T extends { readonly host: string }>(request: T, sender: Sender): T {
    enforceSender(this.#context, request.host, sender);
    return request;
  }

  async #pull({ host, ids, marker, known }: PullRequest): Promise<Pulled> {
    const { read } = this.#context.store;
    if (ids) {
      const [epoch, routers] = await Promise.all([read.epoch(), desiredByIds(read, ids, host)]);
      return { epoch, routers: routers.map(asItem), marker: null, unchanged: false };
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
    return { routers: fitting.map(asItem), marker: isLast ? null : (fitting.at(-1) as Router | DesiredRouter).id };
  }
}

function asItem(value: DesiredRouter): { readonly ok: true; readonly value: DesiredRouter } {
  return { ok: true, value };
}

/** An entry's share of a message: a helper with a scope of two IPv6 networks is the largest. */
const BYTES_PER_ROUTER = 1_024;
const BYTES_PER_HELPER = 512;

/** How many of the routers, from the first, fit into a message; at least one, for a router is at most one message. */
function countFitting(routers: readonly DesiredRouter[], bytes: number): number {
  let size = 0;
  const over = routers.findIndex(({ helpers }) => {
    size += BYTES_PER_ROUTER + helpers.length * BYTES_PER_HELPER;
    return size > bytes;
  });
  return over < 0 ? routers.length : Math.max(1, over);
}
