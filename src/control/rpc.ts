import type { Arguments, Sender } from '../bus/interface.ts';
import { METHODS, SERVER_TOPIC, serverTopic } from '../bus/topics.ts';
import { type DesiredRouter, routersDigest } from '../model/desired.ts';
import { Reader } from '../model/reader.ts';
import type { Router } from '../model/router.ts';
import type { Context } from './context.ts';
import { desiredByIds, desiredRouters } from './desired.ts';
import type { ExpectationFeed } from './expectations.ts';
import { Gate } from './gate.ts';
import { enforceSender } from './senders.ts';
import { readReports, type Status, unknownMethod } from './status.ts';

/** Routers in one answer: with 100 helpers each it stays far below the bus's message limit. */
const PAGE = 500;
const MAX_IDS = 10_000;
/** A thousand agents that come back at once: most are told that nothing changed, the others wait their turn. */
const FULL_PULLS = { running: 8, waiting: 2_000 } as const;

interface Pulled {
  readonly epoch: string;
  readonly routers: readonly DesiredRouter[];
  readonly marker: string | null;
  readonly unchanged: boolean;
}

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
    bus.serve(SERVER_TOPIC, (method, args, sender) => this.#answer(method, args, sender));
    bus.serve(serverTopic(store.chain), (method, args, sender) => this.#onTold(method, args, sender));
  }

  async #answer(method: string, args: Arguments, sender: Sender): Promise<unknown> {
    const reader = new Reader(args, method);
    switch (method) {
      case METHODS.bulkPull:
        return this.#bulkPull(reader, sender);
      case METHODS.reportState:
        return this.#reportState(reader, sender);
      case METHODS.reportStatus: {
        const { host, reports } = reader.object('host', 'reports');
        await this.#status.saveReports(this.#hostOf(host, sender), readReports(reports));
        return null;
      }
      default:
        throw unknownMethod(method);
    }
  }

  /** What agents tell this server, of all servers, because somebody asked for it here. */
  #onTold(method: string, args: Arguments, sender: Sender): Promise<null> {
    if (method !== METHODS.expectation) throw unknownMethod(method);
    return this.#expectations.onEvent(new Reader(args, method), sender);
  }

  /** @throws PinholeError `denied` for a host that its sender may not speak for */
  #hostOf(reader: Reader, sender: Sender): string {
    const host = reader.string(255);
    enforceSender(this.#context, host, sender);
    return host;
  }

  async #bulkPull(reader: Reader, sender: Sender): Promise<Pulled> {
    const { resource_type, version, filter_kwargs } = reader.object('resource_type', 'version', 'filter_kwargs');
    resource_type.oneOf('PinholeRouter');
    version.oneOf('1.0');
    const filter = filter_kwargs.object('host', 'id', 'marker', 'known');
    const host = this.#hostOf(filter.host, sender);
    const ids = filter.id.nullable((list) => list.array(MAX_IDS, (id) => id.string(64)));
    const known = filter.known.nullable((value) => value.object('epoch', 'digest'));
    const { read } = this.#context.store;
    if (ids) {
      const [epoch, routers] = await Promise.all([read.epoch(), desiredByIds(read, ids, host)]);
      return { epoch, routers, marker: null, unchanged: false };
    }
    const epoch = await read.epoch();
    if (known && known.epoch.string(64) === epoch && known.digest.string(64) === routersDigest(await read.revisionsOfHost(host)))
      return { epoch, routers: [], marker: null, unchanged: true };
    const marker = filter.marker.nullable((value) => value.string(64)) ?? '';
    return this.#fullPulls.run(async () => {
      const routers = await read.routersOfHost(host, marker, PAGE);
      const last = routers.length === PAGE ? (routers.at(-1) as Router).id : null;
      return { epoch, routers: await desiredRouters(read, routers), marker: last, unchanged: false };
    });
  }

  async #reportState(reader: Reader, sender: Sender): Promise<null> {
    const { agent_state } = reader.object('agent_state');
    const fields = agent_state.object('host', 'started_at', 'interval', 'configurations');
    await this.#status.saveHeartbeat({
      host: this.#hostOf(fields.host, sender),
      startedAt: fields.started_at.string(32),
      interval: fields.interval.integer(1, 86_400),
      state: fields.configurations.use((value) => value as Record<string, unknown>),
    });
    return null;
  }
}
