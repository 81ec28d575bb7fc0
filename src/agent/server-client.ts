import type { Bus } from '../bus/interface.ts';
import { METHODS, SERVER_TOPIC } from '../bus/topics.ts';
import { type DesiredRouter, readDesiredRouter } from '../model/desired.ts';
import { PinholeError } from '../model/errors.ts';
import { Reader } from '../model/reader.ts';
import type { RouterReport } from '../model/status.ts';

export interface FullPull {
  readonly epoch: string;
  readonly routers: readonly DesiredRouter[];
}

export interface Heartbeat {
  readonly startedAt: string;
  readonly interval: number;
  readonly configurations: Readonly<Record<string, unknown>>;
}

const MAX_PAGE = 2_000;
const MAX_ROUTERS = 100_000;
const PULL_TIMEOUT_MS = 20_000;

/** What an agent asks of its server. What comes back is validated as if a stranger had sent it. */
export class ServerClient {
  readonly #bus: Bus;
  readonly #host: string;

  constructor(bus: Bus, host: string) {
    this.#bus = bus;
    this.#host = host;
  }

  /** All routers of this host, page by page. */
  async pullAll(): Promise<FullPull> {
    const routers: DesiredRouter[] = [];
    for (let marker: string | null = null; ; ) {
      const page = await this.#pull(marker === null ? {} : { marker });
      routers.push(...page.routers);
      if (routers.length > MAX_ROUTERS)
        throw new PinholeError('too-large', `the server has more than ${MAX_ROUTERS} routers for this host`);
      if (page.marker === null) return { epoch: page.epoch, routers };
      if (page.marker === marker) throw new PinholeError('invalid-message', 'the server repeats a page');
      marker = page.marker;
    }
  }

  /** Those of the routers named that are this host's; the others are not, or no more. */
  async pull(ids: readonly string[]): Promise<readonly DesiredRouter[]> {
    return (await this.#pull({ id: ids })).routers;
  }

  async reportStatus(reports: readonly RouterReport[]): Promise<void> {
    await this.#bus.call(SERVER_TOPIC, METHODS.reportStatus, { host: this.#host, reports });
  }

  async reportState(heartbeat: Heartbeat): Promise<void> {
    const { startedAt, interval, configurations } = heartbeat;
    const agent_state = { host: this.#host, started_at: startedAt, interval, configurations };
    await this.#bus.call(SERVER_TOPIC, METHODS.reportState, { agent_state });
  }

  async #pull(filter: Record<string, unknown>): Promise<{ epoch: string; routers: DesiredRouter[]; marker: string | null }> {
    const args = { resource_type: 'PinholeRouter', version: '1.0', filter_kwargs: { host: this.#host, ...filter } };
    const answer = await this.#bus.call(SERVER_TOPIC, METHODS.bulkPull, args, PULL_TIMEOUT_MS);
    const { epoch, routers, marker } = new Reader(answer, METHODS.bulkPull).object('epoch', 'routers', 'marker');
    return {
      epoch: epoch.string(64),
      routers: routers.array(MAX_PAGE, readDesiredRouter),
      marker: marker.nullable((value) => value.string(64)),
    };
  }
}

const MAX_HINTS = 10_000;

/** Router ids of a hint, whatever else it says. @returns null for one that is too large: then all is pulled */
export function hintedRouters(args: unknown): string[] | null {
  const list = (args as { resource_list?: unknown } | null)?.resource_list;
  if (!Array.isArray(list)) throw new PinholeError('invalid-message', 'push: no resource_list', { details: { field: 'resource_list' } });
  if (list.length > MAX_HINTS) return null;
  return list.flatMap((resource) => {
    const id = resource?.['versioned_object.data']?.router_id;
    return typeof id === 'string' && /^[0-9a-f-]{36}$/.test(id) ? [id] : [];
  });
}
