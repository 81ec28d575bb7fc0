import type { Arguments, Bus } from '../bus/interface.ts';
import { agentTopic, hintTopic, METHODS, SERVER_TOPIC } from '../bus/topics.ts';
import { type DesiredRouter, readDesiredRouter } from '../model/desired.ts';
import { PinholeError } from '../model/errors.ts';
import { Reader } from '../model/reader.ts';
import type { RouterReport } from '../model/status.ts';
import { pushedRouters } from './hints.ts';
import {
  type FullPull,
  type Heartbeat,
  type KnownState,
  MAX_ROUTERS_A_HOST,
  PULL_TIMEOUT_MS,
  type Source,
  type SourceListener,
} from './source.ts';

interface Page {
  readonly epoch: string;
  readonly routers: readonly DesiredRouter[];
  readonly marker: string | null;
  readonly unchanged: boolean;
}

const MAX_PAGE = 2_000;

/** Pinhole's own server, as an agent asks it. What comes back is validated as if a stranger had sent it. */
export class ServerClient implements Source {
  readonly #bus: Bus;
  readonly #host: string;

  constructor(bus: Bus, host: string) {
    this.#bus = bus;
    this.#host = host;
  }

  start({ hinted, connected, asked }: SourceListener): void {
    this.#bus.serve(hintTopic(this.#host), (method, args) => hinted(pushedRouters(method, args)));
    this.#bus.serve(agentTopic(this.#host), asked);
    this.#bus.onLink((up) => up && connected());
  }

  /** Page by page; the server compares first. */
  async pullAll(known: KnownState | null): Promise<FullPull | null> {
    const routers: DesiredRouter[] = [];
    for (let marker: string | null = null; ; ) {
      const page: Page = await this.#pull(marker === null ? { known } : { marker });
      if (page.unchanged) return null;
      routers.push(...page.routers);
      if (routers.length > MAX_ROUTERS_A_HOST)
        throw new PinholeError('too-large', `the server has more than ${MAX_ROUTERS_A_HOST} routers for this host`);
      if (page.marker === null) return { epoch: page.epoch, routers };
      if (page.marker === marker) throw new PinholeError('invalid-message', 'the server repeats a page');
      marker = page.marker;
    }
  }

  async pull(ids: readonly string[]): Promise<readonly DesiredRouter[]> {
    return (await this.#pull({ id: ids })).routers;
  }

  /** Which routers there are does not depend on the namespaces that are here. */
  onNamespace(): readonly string[] {
    return [];
  }

  async reportStatus(reports: readonly RouterReport[]): Promise<void> {
    await this.#bus.call(SERVER_TOPIC, METHODS.reportStatus, { host: this.#host, reports });
  }

  async reportState({ startedAt, interval, configurations }: Heartbeat): Promise<void> {
    const agent_state = { host: this.#host, started_at: startedAt, interval, configurations };
    await this.#bus.call(SERVER_TOPIC, METHODS.reportState, { agent_state });
  }

  tell(topic: string, method: string, args: Arguments): Promise<void> {
    return this.#bus.cast(topic, method, args);
  }

  async #pull(filter: Record<string, unknown>): Promise<Page> {
    const args = { resource_type: 'PinholeRouter', version: '1.0', filter_kwargs: { host: this.#host, ...filter } };
    const answer = await this.#bus.call(SERVER_TOPIC, METHODS.bulkPull, args, PULL_TIMEOUT_MS);
    const { epoch, routers, marker, unchanged } = new Reader(answer, METHODS.bulkPull).object('epoch', 'routers', 'marker', 'unchanged');
    return {
      epoch: epoch.string(64),
      routers: routers.array(MAX_PAGE, readDesiredRouter),
      marker: marker.nullable((value) => value.string(64)),
      unchanged: unchanged.nullable((value) => value.boolean()) ?? false,
    };
  }
}
