import type { Arguments } from '../bus/interface.ts';
import { METHODS } from '../bus/topics.ts';
import type { Kernel } from '../kernel/interface.ts';
import { readDesiredRouter } from '../model/desired.ts';
import { NotFound, PinholeError } from '../model/errors.ts';
import { Reader } from '../model/reader.ts';
import type { DesiredState } from './desired-state.ts';
import type { ExpectationWatch } from './expectation-watch.ts';
import { type Known, LiveRequests } from './live-requests.ts';

export interface RequestParts {
  readonly kernel: Kernel;
  readonly desired: DesiredState;
  readonly expectations: ExpectationWatch;
  /** @throws PinholeError `unreachable` before the kernel process has answered for the first time */
  readonly known: () => Known;
}

const SERVER_TOPICS = /^pinhole-server\.[0-9a-f-]{36}$/;

/** What servers ask of this host. Their messages are not trusted. */
export class Requests {
  readonly #parts: RequestParts;
  readonly #live: LiveRequests;

  constructor(parts: RequestParts) {
    this.#parts = parts;
    this.#live = new LiveRequests(parts.kernel);
  }

  /** @throws PinholeError `invalid-message` for a method that is not known here; NotFound; what the request itself throws */
  async answer(method: string, args: Arguments): Promise<unknown> {
    const { kernel, desired, expectations, known } = this.#parts;
    const reader = new Reader(args, method);
    if (method === METHODS.expectations) {
      const id = reader.object('router_id').router_id.string(64);
      const router = desired.get(id);
      if (!router) throw new NotFound('router', id);
      return kernel.expectations(router.netns);
    }
    if (method === METHODS.watchExpectations) {
      const { topic, seconds } = reader.object('topic', 'seconds');
      await expectations.watch(topic.string(64, SERVER_TOPICS), seconds.integer(1, 600));
      return null;
    }
    if (method === METHODS.plan) return this.#live.plan(readDesiredRouter(reader.object('router').router), known());
    if (method === METHODS.reapply) {
      const { router, helper_id } = reader.object('router', 'helper_id');
      return this.#live.reapply(readDesiredRouter(router), helper_id.string(64), known());
    }
    throw new PinholeError('invalid-message', `an agent does not answer '${method.slice(0, 64)}'`);
  }
}
