import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent, type AgentOptions } from '../../src/agent/agent.ts';
import { ServerClient } from '../../src/agent/server-client.ts';
import type { Arguments, Bus, Handler } from '../../src/bus/interface.ts';
import type { Heartbeat } from '../../src/contract/agent.ts';
import { type DesiredRouter, routersDigest } from '../../src/contract/desired-router.ts';
import { read } from '../../src/contract/shape.ts';
import type { RouterReport } from '../../src/contract/status.ts';
import { FakeKernel } from '../../src/kernel/fake/fake-kernel.ts';
import { PinholeError } from '../../src/model/errors.ts';
import { PULL, REPORT_STATE, REPORT_STATUS } from '../../src/wire/messages.ts';
import { agentTopic, hintTopic, METHODS } from '../../src/wire/topics.ts';
import { testPorts } from './ports.ts';

/** Ids of two installations. */
export const INSTALLATION_A = 'aaaaaaaaaaaa';
export const INSTALLATION_B = 'bbbbbbbbbbbb';

/** A server as an agent sees it: routers to pull, and what the agent has said. */
export class FakeServer implements Bus {
  readonly refused = 0;
  readonly routers = new Map<string, DesiredRouter>();
  readonly reports = new Map<string, RouterReport>();
  /** The last heartbeat. */
  heartbeat: Heartbeat | null = null;
  /** Messages with reports that came. */
  reportMessages = 0;
  readonly pulls: (readonly string[] | 'all' | 'compared')[] = [];
  isUp = true;
  /** Which database the server has. */
  history: { installation?: string; epoch: string; position?: number } = { installation: INSTALLATION_A, epoch: 'e', position: 1 };
  /** Called before each answer; may throw. */
  beforeAnswer: (method: string) => void = () => undefined;
  readonly #handlers = new Map<string, Handler>();
  readonly #links: ((up: boolean) => void)[] = [];

  /** What becomes of an answer on its way: a test may garble it. */
  edit = (answer: unknown): unknown => answer;

  set(...routers: DesiredRouter[]): void {
    for (const router of routers) this.routers.set(router.id, router);
  }

  /** Sends a hint, as a server does after a change. */
  hint(...ids: string[]): void {
    this.push({ resource_list: ids.map((router_id) => ({ 'versioned_object.data': { router_id } })), event_type: 'updated' });
  }

  /** Sends anything as a hint. */
  push(args: unknown, method: string = METHODS.push): unknown {
    return this.#handlers.get(hintTopic('h'))?.(method, args as Arguments, { user: null });
  }

  /** Asks the agent, as a server does. */
  ask(method: string, args: Arguments): unknown {
    return this.#handlers.get(agentTopic('h'))?.(method, args, { user: null });
  }

  connect(): void {
    this.isUp = true;
    for (const listener of this.#links) listener(true);
  }

  async cast(): Promise<void> {}

  async call(_topic: string, method: string, args: Arguments): Promise<unknown> {
    if (!this.isUp) throw new PinholeError('unreachable', 'the server is not there');
    this.beforeAnswer(method);
    if (method === METHODS.reportState) this.heartbeat = read(REPORT_STATE.request, args).agentState;
    if (method === METHODS.reportStatus) this.reportMessages++;
    if (method === METHODS.reportStatus)
      for (const item of read(REPORT_STATUS.request, args).reports) if (item.ok) this.reports.set(item.value.routerId, item.value);
    if (method !== METHODS.bulkPull) return null;
    const { ids, known } = read(PULL.request, args);
    const all = [...this.routers.values()];
    const unchanged = known?.epoch === this.history.epoch && known.digest === routersDigest(all);
    this.pulls.push(ids ? [...ids] : unchanged ? 'compared' : 'all');
    const routers = ids ? ids.flatMap((one) => this.routers.get(one) ?? []) : unchanged ? [] : all;
    const items = routers.map((value) => ({ ok: true as const, value }));
    return this.edit(PULL.answer.write({ ...this.history, routers: items, marker: null, unchanged }));
  }

  serve(topic: string, handler: Handler): void {
    this.#handlers.set(topic, handler);
  }

  onLink(listener: (up: boolean) => void): void {
    this.#links.push(listener);
  }

  async close(): Promise<void> {}
}

/** An agent on a fake kernel and a fake server, in a time that stands still until a test advances it. */
export class AgentHarness {
  readonly kernel: FakeKernel;
  readonly server = new FakeServer();
  readonly ports = testPorts();
  readonly directory = mkdtempSync(join(tmpdir(), 'pha-'));
  readonly statePath = join(this.directory, 'desired.json');
  agent: Agent;

  constructor(options: { kernel?: FakeKernel } & Partial<AgentOptions> = {}) {
    this.kernel = options.kernel ?? new FakeKernel();
    this.agent = this.create(options);
  }

  create(options: Partial<AgentOptions> = {}): Agent {
    return new Agent({
      host: 'h',
      version: 'test',
      source: new ServerClient(this.server, 'h'),
      ...this.ports,
      statePath: this.statePath,
      resyncSeconds: 3600,
      checkSeconds: 3600,
      reportSeconds: 3600,
      firstPullSeconds: 3600,
      maxStateAgeSeconds: 3600,
      holdRemovalsPercent: 25,
      keepLive: false,
      ...options,
      kernel: this.kernel,
    });
  }

  /** Starts, connects, and waits until nothing is left to do. */
  async start(): Promise<void> {
    this.agent.start();
    this.server.connect();
    await this.settled();
  }

  get clock() {
    return this.ports.clock;
  }

  async settled(): Promise<void> {
    await this.clock.until(() => this.agent.isSettled);
  }

  types(netns: string): string[] {
    return this.kernel.table(netns)?.objects.map(({ type }) => type) ?? [];
  }

  async close(): Promise<void> {
    await this.agent.close();
    rmSync(this.directory, { recursive: true });
  }
}
