import { randomUUID } from 'node:crypto';
import type { Bus } from '../bus/interface.ts';
import { HELPER_TOPIC, METHODS, REPORTS_TOPIC, SERVER_TOPIC } from '../bus/topics.ts';
import type { HelperId } from '../model/conntrack-helper.ts';
import { type DesiredHelper, type DesiredRouter, MAX_HELPERS_A_ROUTER, readDesiredHelper } from '../model/desired.ts';
import { errorToData } from '../model/errors.ts';
import type { Netns } from '../model/netns.ts';
import { Reader } from '../model/reader.ts';
import type { RouterId } from '../model/router.ts';
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import { pushedRouters, UUID } from './hints.ts';
import { type FullPull, type Heartbeat, MAX_ROUTERS_A_HOST, PULL_TIMEOUT_MS, type Source, type SourceListener } from './source.ts';

export interface NeutronOptions {
  readonly bus: Bus;
  readonly host: string;
  /** The namespaces that are here and may be served. */
  readonly namespaces: () => Promise<readonly Netns[]>;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** Namespaces of a router (neutron/agent/l3/namespaces.py, dvr_snat_ns.py): the second where a distributed one has its SNAT. */
const PREFIXES = ['qrouter-', 'snat-'] as const;
/** Routers in one question: each has a few helpers, and the answer is one message. */
const PULL_CHUNK = 200;
const MAX_OBJECTS = PULL_CHUNK * MAX_HELPERS_A_ROUTER;

/**
 * neutron-server, as the L3 agent's `conntrack_helper` extension asks it (neutron/agent/l3/extensions/conntrack_helper.py),
 * beside the L3 agent: the namespaces that it makes say which routers are here. A router is served once in each of its
 * namespaces; the namespace's name is what this agent knows it by.
 */
export class NeutronClient implements Source {
  readonly #options: NeutronOptions;
  readonly #uuid = randomUUID();
  #present = new Set<Netns>();
  #hasReported = false;

  constructor(options: NeutronOptions) {
    this.#options = options;
  }

  start({ hinted, connected }: SourceListener): void {
    const { bus } = this.#options;
    const onPush = (method: string, args: unknown) => {
      const routers = pushedRouters(method, args);
      hinted(routers?.flatMap((id) => this.#namespacesOf(id)) ?? null);
    };
    bus.serve(HELPER_TOPIC, onPush, { fanout: true });
    bus.onLink((up) => up && connected());
  }

  /** Neutron has nothing to compare with: everything is asked for each time. */
  async pullAll(): Promise<FullPull> {
    const names = (await this.#options.namespaces()).filter((netns) => routerOf(netns) !== null).slice(0, MAX_ROUTERS_A_HOST);
    this.#present = new Set(names);
    return { epoch: '', routers: await this.#pull(names) };
  }

  async pull(ids: readonly string[]): Promise<readonly DesiredRouter[]> {
    return this.#pull(ids.filter((id) => this.#present.has(id as Netns)) as Netns[]);
  }

  /** One that goes is pulled too: the pull says that it is no more. */
  onNamespace(netns: Netns, present: boolean): readonly string[] {
    if (netns === null || routerOf(netns) === null) return [];
    if (present) this.#present.add(netns);
    else this.#present.delete(netns);
    return [netns];
  }

  /** A cloud has nobody to take it: `pinhole status --agent` asks the agent itself. */
  async reportStatus(): Promise<void> {}

  /** As neutron_lib's PluginReportStateAPI: it shows in `openstack network agent list`. */
  async reportState({ configurations }: Heartbeat): Promise<void> {
    const state = {
      binary: 'pinhole-agent',
      agent_type: 'Pinhole agent',
      host: this.#options.host,
      topic: 'pinhole-agent',
      configurations,
      uuid: this.#uuid,
      ...(this.#hasReported ? {} : { start_flag: true }),
    };
    const time = this.#options.clock.now().toISOString().replace('Z', '');
    await this.#options.bus.call(REPORTS_TOPIC, METHODS.reportState, { agent_state: { agent_state: state }, time });
    this.#hasReported = true;
  }

  async tell(): Promise<void> {}

  #namespacesOf(routerId: string): string[] {
    return PREFIXES.map((prefix) => `${prefix}${routerId}`).filter((netns) => this.#present.has(netns as Netns));
  }

  async #pull(names: readonly Netns[]): Promise<DesiredRouter[]> {
    const ids = [...new Set(names.map((netns) => routerOf(netns) as string))];
    const helpers = new Map<string, DesiredHelper[]>();
    for (let at = 0; at < ids.length; at += PULL_CHUNK) {
      for (const [id, some] of await this.#pullHelpers(ids.slice(at, at + PULL_CHUNK))) helpers.set(id, some);
    }
    return names.map((netns) => {
      const router = routerOf(netns) as string;
      return { id: netns as string as RouterId, name: router, netns, revision: 0, confinement: null, helpers: helpers.get(router) ?? [] };
    });
  }

  async #pullHelpers(routerIds: readonly string[]): Promise<Map<string, DesiredHelper[]>> {
    const args = { resource_type: 'ConntrackHelper', version: '1.0', filter_kwargs: { router_id: routerIds } };
    const answer = await this.#options.bus.call(SERVER_TOPIC, METHODS.bulkPull, args, PULL_TIMEOUT_MS);
    const found = new Map<string, DesiredHelper[]>(routerIds.map((id) => [id, []]));
    for (const object of new Reader(answer, METHODS.bulkPull).array(MAX_OBJECTS, (item) => item)) {
      const helper = this.#readObject(object);
      if (helper) found.get(helper.routerId)?.push(helper.desired);
    }
    return found;
  }

  /** One object that cannot be read costs itself, not the others of its router. */
  #readObject(object: Reader): { routerId: string; desired: DesiredHelper } | null {
    try {
      const data = object.use((value) => (value as Record<string, unknown> | null)?.['versioned_object.data']) as
        | Record<string, unknown>
        | undefined;
      const { id, router_id, protocol, port, helper } = data ?? {};
      const desired = readDesiredHelper(new Reader({ id, protocol, port, helper, scope: null, expiresAt: null }, object.path));
      return { routerId: new Reader(router_id, `${object.path}.router_id`).string(64, UUID), desired: { ...desired, id: id as HelperId } };
    } catch (error) {
      this.#options.logger.error(
        { reason: errorToData(error).message },
        'a helper of neutron-server cannot be read; the others are served',
      );
      return null;
    }
  }
}

/** The router that a namespace is of; null for one that is no router's. */
function routerOf(netns: Netns): string | null {
  const prefix = PREFIXES.find((one) => netns?.startsWith(one));
  const id = prefix === undefined ? '' : netns.slice(prefix.length);
  return UUID.test(id) ? id : null;
}
