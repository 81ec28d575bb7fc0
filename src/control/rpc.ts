import type { Arguments } from '../bus/interface.ts';
import { METHODS, SERVER_TOPIC } from '../bus/topics.ts';
import type { DesiredRouter } from '../model/desired.ts';
import { Reader } from '../model/reader.ts';
import type { Router } from '../model/router.ts';
import type { Context } from './context.ts';
import { desiredRouters } from './desired.ts';
import type { ExpectationFeed } from './expectations.ts';
import { readReports, type Status, unknownMethod } from './status.ts';

/** Routers in one answer: with 100 helpers each it stays far below the bus's message limit. */
const PAGE = 500;
const MAX_IDS = 10_000;

/** What agents ask of a server, over the bus. Answers carry what is the asking host's, nothing else. */
export class AgentRpc {
  readonly #context: Context;
  readonly #status: Status;
  readonly #expectations: ExpectationFeed;

  constructor(context: Context, status: Status, expectations: ExpectationFeed) {
    this.#context = context;
    this.#status = status;
    this.#expectations = expectations;
  }

  start(): void {
    this.#context.bus.serve(SERVER_TOPIC, (method, args) => this.#answer(method, args));
  }

  async #answer(method: string, args: Arguments): Promise<unknown> {
    const reader = new Reader(args, method);
    switch (method) {
      case METHODS.bulkPull:
        return this.#bulkPull(reader);
      case METHODS.reportState:
        return this.#reportState(reader);
      case METHODS.reportStatus: {
        const { host, reports } = reader.object('host', 'reports');
        await this.#status.saveReports(host.string(255), readReports(reports));
        return null;
      }
      case METHODS.expectation:
        return this.#expectations.onEvent(reader);
      default:
        throw unknownMethod(method);
    }
  }

  async #bulkPull(reader: Reader): Promise<{ epoch: string; routers: DesiredRouter[]; marker: string | null }> {
    const { resource_type, version, filter_kwargs } = reader.object('resource_type', 'version', 'filter_kwargs');
    resource_type.oneOf('PinholeRouter');
    version.oneOf('1.0');
    const filter = filter_kwargs.object('host', 'id', 'marker');
    const host = filter.host.string(255);
    const ids = filter.id.nullable((list) => list.array(MAX_IDS, (id) => id.string(64)));
    const { read } = this.#context.store;
    const epoch = await read.epoch();
    if (ids) {
      const routers = (await read.routers({ ids, hosts: [host] })).filter(({ netns }) => netns !== null);
      return { epoch, routers: await desiredRouters(read, routers), marker: null };
    }
    const routers = await read.routersOfHost(host, filter.marker.nullable((marker) => marker.string(64)) ?? '', PAGE);
    return { epoch, routers: await desiredRouters(read, routers), marker: routers.length === PAGE ? (routers.at(-1) as Router).id : null };
  }

  async #reportState(reader: Reader): Promise<null> {
    const { agent_state } = reader.object('agent_state');
    const fields = agent_state.object('host', 'started_at', 'interval', 'configurations');
    await this.#status.saveHeartbeat({
      host: fields.host.string(255),
      startedAt: fields.started_at.string(32),
      interval: fields.interval.integer(1, 86_400),
      state: fields.configurations.use((value) => value as Record<string, unknown>),
    });
    return null;
  }
}
