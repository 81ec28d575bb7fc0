import type { Held } from '../contract/agent.ts';
import type { Host } from '../contract/host.ts';
import { NotFound, PinholeError } from '../model/errors.ts';
import { ask } from '../wire/message.ts';
import { CONFIRM } from '../wire/messages.ts';
import { agentTopic } from '../wire/topics.ts';
import { audit, type Context } from './context.ts';
import { hostView } from './host-view.ts';
import type { Principal } from './principal.ts';

/** Use cases of hosts: the machines of agents, as routers name them. */
export class Hosts {
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  /** Returns every host that has an agent or that a router names, ordered by name. @throws Denied */
  async list(principal: Principal): Promise<Host[]> {
    const { policy, store } = this.#context;
    policy().enforce(principal, 'get_agent', {});
    const now = this.#context.clock.now();
    const [agents, routers] = await Promise.all([store.read.agents(), store.read.routersByHost()]);
    const byHost = new Map(agents.map((agent) => [agent.host, agent]));
    const names = [...new Set([...byHost.keys(), ...routers.keys()])].sort();
    return names.map((host) => hostView(host, { agent: byHost.get(host) ?? null, routers: routers.get(host) ?? 0, now }));
  }

  /** Returns one host. @throws Denied, NotFound */
  async get(principal: Principal, name: string): Promise<Host> {
    const { policy, store, clock } = this.#context;
    policy().enforce(principal, 'get_agent', {});
    const [agent, named] = await Promise.all([store.read.agent(name), store.read.routersByHost(name)]);
    const routers = named.get(name) ?? 0;
    if (agent === null && routers === 0) throw new NotFound('host', name);
    return hostView(name, { agent, routers, now: clock.now() });
  }

  /**
   * Forgets a host's agent. One that reports again is listed again.
   * @param force also if routers name the host
   * @throws Denied, NotFound; PinholeError `host-in-use` for a host that is alive, or that routers name
   */
  async forget(principal: Principal, name: string, force: boolean): Promise<void> {
    this.#context.policy().enforce(principal, 'delete_agent', {});
    const { state, routers, seenAt, startedAt } = await this.get(principal, name);
    if (state === 'alive') throw inUse(`Host ${name} is alive. Stop its agent first: a host that reports is listed.`);
    if (routers > 0 && !force)
      throw inUse(`${routers === 1 ? 'A router names' : `${routers} routers name`} host ${name}. Move or delete them first, or force it.`);
    const at = this.#context.clock.now().toISOString();
    await this.#context.store.write(async (tx) => {
      await tx.forgetAgent(name);
      audit(tx, principal, { at, action: 'forget_host', target: name, projectId: '', before: { seenAt, startedAt, routers }, after: null });
    });
  }

  /**
   * Lets the pull through that the host's agent holds.
   * @param id of the removal that the operator has seen
   * @returns what the agent then removes
   * @throws Denied, NotFound; PinholeError `not-held` if another pull is held, or none; `unreachable`, `timeout`
   */
  async confirm(principal: Principal, name: string, id: string): Promise<Held> {
    const { bus, store, clock, policy } = this.#context;
    policy().enforce(principal, 'confirm_agent', {});
    await this.get(principal, name);
    const held = await ask(bus, CONFIRM, { topic: agentTopic(name), request: { id } });
    const at = clock.now().toISOString();
    await store.write(async (tx) =>
      audit(tx, principal, { at, action: 'confirm_removal', target: name, projectId: '', before: null, after: held }),
    );
    return held;
  }
}

function inUse(message: string): PinholeError {
  return new PinholeError('host-in-use', message);
}
