import { randomUUID } from 'node:crypto';
import type { Arguments, Bus } from '../bus/interface.ts';
import type { Confinement } from '../contract/confinement.ts';
import type { DesiredRouter } from '../contract/desired-router.ts';
import type { Netns } from '../contract/netns.ts';
import { MAX_ROUTERS_PER_HOST, type RouterId, UUID_PATTERN } from '../contract/primitives.ts';
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import { pushedRouters } from '../wire/hint.ts';
import { heartbeatReport, helpersQuestion, MAX_ASKED_ROUTERS, type NeutronHelper, readHelpers } from '../wire/neutron.ts';
import { HELPER_TOPIC, METHODS, REPORTS_TOPIC, SERVER_TOPIC } from '../wire/topics.ts';
import {
  type FullPull,
  type History,
  type OwnState,
  PULL_TIMEOUT_MS,
  type PulledRouters,
  type Source,
  type SourceListener,
} from './source.ts';

export interface NeutronOptions {
  readonly bus: Bus;
  readonly host: string;
  /** Stands for the cloud in the stamps of tables. */
  readonly installation: string;
  /** How all routers are confined, because a cloud has no place for it; null: not. */
  readonly confinement: Confinement | null;
  /** The namespaces that are here and may be served. */
  readonly namespaces: () => Promise<readonly Netns[]>;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** Namespaces of a router (neutron/agent/l3/namespaces.py, dvr_snat_ns.py): the second where a distributed one has its SNAT. */
const PREFIXES = ['qrouter-', 'snat-'] as const;
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
    const onPush = (method: string, args: Arguments) => {
      const routers = pushedRouters(method, args);
      hinted(routers?.flatMap((id) => this.#namespacesOf(id)) ?? null);
    };
    bus.serve(HELPER_TOPIC, onPush, { fanout: true });
    bus.onLink((up) => up && connected());
  }

  /** Neutron has nothing to compare with: everything is asked for each time. */
  async pullAll(): Promise<FullPull> {
    const names = (await this.#options.namespaces()).filter((netns) => routerOf(netns) !== null).slice(0, MAX_ROUTERS_PER_HOST);
    this.#present = new Set(names);
    return { history: { installation: this.#options.installation, epoch: '', position: null }, pulled: await this.#pull(names) };
  }

  async pull(ids: readonly string[]): Promise<PulledRouters & Pick<History, 'epoch' | 'position'>> {
    const pulled = await this.#pull(ids.filter((id) => this.#present.has(id as Netns)) as Netns[]);
    return { epoch: '', position: null, ...pulled };
  }

  /** One that goes is pulled too: the pull says that it is no more. */
  onNamespace(netns: Netns, present: boolean): readonly string[] {
    if (netns === null || routerOf(netns) === null) return [];
    if (present) this.#present.add(netns);
    else this.#present.delete(netns);
    return [netns];
  }

  /** A cloud has no place for it: `pinhole status --agent` asks the agent itself. */
  async reportStatus(): Promise<void> {}

  /** As neutron_lib's PluginReportStateAPI: it shows in `openstack network agent list`. */
  async reportState({ configurations }: OwnState): Promise<void> {
    const state = {
      binary: 'pinhole-agent',
      agent_type: 'Pinhole agent',
      host: this.#options.host,
      topic: 'pinhole-agent',
      configurations,
      uuid: this.#uuid,
      ...(this.#hasReported ? {} : { start_flag: true }),
    };
    await this.#options.bus.call(REPORTS_TOPIC, METHODS.reportState, heartbeatReport(state, this.#options.clock.now()));
    this.#hasReported = true;
  }

  /** No server of a cloud watches expectations. */
  async tellExpectation(): Promise<void> {}

  #namespacesOf(routerId: string): string[] {
    return PREFIXES.map((prefix) => `${prefix}${routerId}`).filter((netns) => this.#present.has(netns as Netns));
  }

  async #pull(names: readonly Netns[]): Promise<PulledRouters> {
    const ids = [...new Set(names.map((netns) => routerOf(netns) as string))];
    const found = new Map<string, NeutronHelper[]>(ids.map((id) => [id, []]));
    for (let at = 0; at < ids.length; at += MAX_ASKED_ROUTERS)
      for (const one of await this.#pullHelpers(ids.slice(at, at + MAX_ASKED_ROUTERS))) found.get(one.routerId ?? '')?.push(one);
    const { confinement } = this.#options;
    return { routers: names.map((netns) => served({ netns, confinement }, found.get(routerOf(netns) ?? '') ?? [])), refused: [] };
  }

  async #pullHelpers(routerIds: readonly string[]): Promise<NeutronHelper[]> {
    const answer = await this.#options.bus.call(SERVER_TOPIC, METHODS.bulkPull, helpersQuestion(routerIds), PULL_TIMEOUT_MS);
    const found = readHelpers(answer);
    for (const one of found)
      if ('refused' in one)
        this.#options.logger.error({ reason: one.refused.reason }, 'a helper of neutron-server cannot be read; the others are served');
    return found;
  }
}

/** A router in one of its namespaces. A helper that cannot be read has a status that says so. */
function served({ netns, confinement }: Pick<DesiredRouter, 'netns' | 'confinement'>, found: readonly NeutronHelper[]): DesiredRouter {
  return {
    id: netns as string as RouterId,
    name: routerOf(netns) ?? String(netns),
    netns,
    revision: 0,
    confinement,
    helpers: found.flatMap((one) => ('helper' in one ? [one.helper] : [])),
    refused: found.flatMap((one) => ('refused' in one ? [one.refused] : [])),
  };
}

/** The router that a namespace is of; null for one that is no router's. */
function routerOf(netns: Netns): string | null {
  const prefix = PREFIXES.find((one) => netns?.startsWith(one));
  const id = prefix === undefined ? '' : netns.slice(prefix.length);
  return UUID_PATTERN.test(id) ? id : null;
}
