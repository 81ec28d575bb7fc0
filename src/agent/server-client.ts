import type { Bus } from '../bus/interface.ts';
import type { DesiredRouter, Refused } from '../contract/desired-router.ts';
import type { ExpectationChange } from '../contract/expectation.ts';
import { type Item, itemOf } from '../contract/mismatch.ts';
import { MAX_ROUTERS_PER_HOST } from '../contract/primitives.ts';
import type { RouterReport } from '../contract/status.ts';
import { PinholeError } from '../model/errors.ts';
import { pushedRouters } from '../wire/hint.ts';
import { ask, tell } from '../wire/message.ts';
import { PULL, type Pulled, type PullRequest, REPORT_STATE, REPORT_STATUS, TELL_EXPECTATION } from '../wire/messages.ts';
import { agentTopic, hintTopic, SERVER_TOPIC } from '../wire/topics.ts';
import {
  type FullPull,
  type KnownState,
  type OwnState,
  PULL_TIMEOUT_MS,
  type PulledRouters,
  type Source,
  type SourceListener,
} from './source.ts';

/** Pinhole's own server, as an agent asks it. */
export class ServerClient implements Source {
  readonly #bus: Bus;
  readonly #host: string;

  constructor(bus: Bus, host: string) {
    this.#bus = bus;
    this.#host = host;
  }

  start({ hinted, connected, answers }: SourceListener): void {
    this.#bus.serve(hintTopic(this.#host), (method, args) => hinted(pushedRouters(method, args)));
    this.#bus.serve(agentTopic(this.#host), answers);
    this.#bus.onLink((up) => up && connected());
  }

  /** Page by page; the server compares first. */
  async pullAll(known: KnownState | null): Promise<FullPull | null> {
    const found: Item<DesiredRouter>[] = [];
    for (let marker: string | null = null; ; ) {
      const page: Pulled = await this.#pull(marker === null ? { ids: null, marker, known } : { ids: null, marker, known: null });
      if (page.unchanged) return null;
      for (const item of page.routers) found.push(item);
      if (found.length > MAX_ROUTERS_PER_HOST)
        throw new PinholeError('too-large', `the server has more than ${MAX_ROUTERS_PER_HOST} routers for this host`);
      if (page.marker === null) return { epoch: page.epoch, ...sorted(found) };
      if (page.marker === marker) throw new PinholeError('invalid-message', 'the server repeats a page');
      marker = page.marker;
    }
  }

  async pull(ids: readonly string[]): Promise<PulledRouters> {
    return sorted((await this.#pull({ ids, marker: null, known: null })).routers);
  }

  /** Which routers there are does not depend on the namespaces that are here. */
  onNamespace(): readonly string[] {
    return [];
  }

  async reportStatus(reports: readonly RouterReport[]): Promise<void> {
    const items = reports.map(itemOf);
    await ask(this.#bus, REPORT_STATUS, { topic: SERVER_TOPIC, request: { host: this.#host, reports: items } });
  }

  async reportState(state: OwnState): Promise<void> {
    await ask(this.#bus, REPORT_STATE, { topic: SERVER_TOPIC, request: { agentState: { host: this.#host, ...state } } });
  }

  tellExpectation(topic: string, change: ExpectationChange): Promise<void> {
    return tell(this.#bus, TELL_EXPECTATION, { topic, request: change });
  }

  #pull(filter: Omit<PullRequest, 'host'>): Promise<Pulled> {
    return ask(this.#bus, PULL, { topic: SERVER_TOPIC, request: { host: this.#host, ...filter }, timeoutMs: PULL_TIMEOUT_MS });
  }
}

/** Routers that could be read, and those that could not: without an id, a description is about no router that is known. */
function sorted(found: readonly Item<DesiredRouter>[]): PulledRouters {
  return {
    routers: found.flatMap((item) => (item.ok ? [item.value] : [])),
    refused: found.flatMap((item): Refused[] => (item.ok ? [] : [{ id: item.key ?? '', reason: `routers${item.error.message}` }])),
  };
}
