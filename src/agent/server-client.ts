import type { Bus } from '../bus/interface.ts';
import type { DesiredRouter, Refused } from '../contract/desired-router.ts';
import type { ExpectationChange } from '../contract/expectation.ts';
import { type Item, itemOf } from '../contract/mismatch.ts';
import { MAX_ROUTERS_PER_HOST } from '../contract/primitives.ts';
import type { RouterReport } from '../contract/status.ts';
import { PinholeError } from '../model/errors.ts';
import { pushedRouters } from '../wire/hint.ts';
import { ask, tell } from '../wire/message.ts';
import { PULL, type Pulled, type PullRequest, type PullVersion, REPORT_STATE, REPORT_STATUS, TELL_EXPECTATION } from '../wire/messages.ts';
import { agentTopic, hintTopic, SERVER_TOPIC } from '../wire/topics.ts';
import {
  type FullPull,
  type History,
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
  #version: PullVersion = '2.1';

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
  async pullAll(known: KnownState | null): Promise<FullPull> {
    const first = await this.#firstPage(known);
    const { installation = null, epoch, position = null } = first;
    const history = { installation, epoch, position };
    if (first.unchanged) return { history, pulled: null };
    const found: Item<DesiredRouter>[] = [...first.routers];
    for (let { marker } = first; marker !== null; ) {
      const page: Pulled = await this.#pull({ ids: null, marker, known: null });
      for (const item of page.routers) found.push(item);
      if (found.length > MAX_ROUTERS_PER_HOST)
        throw new PinholeError('too-large', `the server has more than ${MAX_ROUTERS_PER_HOST} routers for this host`);
      if (page.epoch !== epoch) throw new PinholeError('invalid-message', 'the pages of an answer are of different databases');
      if (page.marker === marker) throw new PinholeError('invalid-message', 'the server repeats a page');
      marker = page.marker;
    }
    return { history, pulled: sorted(found) };
  }

  async pull(ids: readonly string[]): Promise<PulledRouters & Pick<History, 'epoch' | 'position'>> {
    const { epoch, position = null, routers } = await this.#pull({ ids, marker: null, known: null });
    return { epoch, position, ...sorted(routers) };
  }

  /** A server of the version before refuses requests of this one: it is asked as it wants, until the next full pull. */
  async #firstPage(known: KnownState | null): Promise<Pulled> {
    this.#version = '2.1';
    try {
      return await this.#pull({ ids: null, marker: null, known });
    } catch (error) {
      if (!isOtherVersion(error)) throw error;
      this.#version = '2.0';
      return this.#pull({ ids: null, marker: null, known });
    }
  }

  /** Which routers there are does not depend on the namespaces that are here. */
  onNamespace(): readonly string[] {
    return [];
  }

  async reportStatus(reports: readonly RouterReport[], at: string): Promise<void> {
    const items = reports.map(itemOf);
    await ask(this.#bus, REPORT_STATUS, { topic: SERVER_TOPIC, request: { host: this.#host, at, reports: items } });
  }

  async reportState(state: OwnState): Promise<void> {
    await ask(this.#bus, REPORT_STATE, { topic: SERVER_TOPIC, request: { agentState: { host: this.#host, ...state } } });
  }

  tellExpectation(topic: string, change: ExpectationChange): Promise<void> {
    return tell(this.#bus, TELL_EXPECTATION, { topic, request: change });
  }

  #pull(filter: Omit<PullRequest, 'host' | 'version'>): Promise<Pulled> {
    const request = { host: this.#host, version: this.#version, ...filter };
    return ask(this.#bus, PULL, { topic: SERVER_TOPIC, request, timeoutMs: PULL_TIMEOUT_MS });
  }
}

/** Whether a server refused the version of a pull, as `contract/record.ts` words it. */
function isOtherVersion(error: unknown): boolean {
  return error instanceof PinholeError && error.code === 'invalid-message' && /\bversion\b/.test(error.message);
}

/** Routers that could be read, and those that could not: without an id, a description is about no router that is known. */
function sorted(found: readonly Item<DesiredRouter>[]): PulledRouters {
  return {
    routers: found.flatMap((item) => (item.ok ? [item.value] : [])),
    refused: found.flatMap((item): Refused[] => (item.ok ? [] : [{ id: item.key ?? '', reason: `routers${item.error.message}` }])),
  };
}
