import type { Kernel, KernelEvent } from '../kernel/interface.ts';
import { PinholeError } from '../model/errors.ts';
import type { Ports } from '../ports/ports.ts';
import { type Backoff, Retry } from '../ports/retry.ts';
import { Timers } from '../ports/timers.ts';
import type { Answers } from '../wire/message.ts';
import { DesiredState } from './desired-state.ts';
import { ExpectationWatch } from './expectation-watch.ts';
import { ExpiryTimers } from './expiry-timers.ts';
import type { Known } from './live-requests.ts';
import { localStatus } from './local-status.ts';
import { Puller } from './puller.ts';
import { Reporter } from './reporter.ts';
import { requests } from './requests.ts';
import type { Source } from './source.ts';
import { SyncLoop } from './sync-loop.ts';

export interface AgentOptions extends Ports {
  readonly host: string;
  readonly version: string;
  readonly kernel: Kernel;
  readonly source: Source;
  readonly statePath: string;
  readonly resyncSeconds: number;
  readonly reportSeconds: number;
  /** How long a start waits for its first full pull before it applies the state saved on disk. */
  readonly firstPullSeconds: number;
  readonly maxStateAgeSeconds: number;
  readonly keepLive: boolean;
}

const KERNEL_RETRY: Backoff = { firstMs: 250, maxMs: 1_000 };

/**
 * The loop of one host. Everything that happens only marks what it concerns: a hint marks a router to be pulled, a pull, a
 * kernel event or a timer marks a namespace to be synced. The sync looks at desired and observed state and does what is left.
 *
 *   hint ─▶ pulls ─▶ bulk_pull ─▶ desired state ─┐
 *   connect, timer ─▶ full pull ─────▲           ├─▶ syncs ─▶ observe · diff · apply ─▶ report
 *   namespace, drift, expiry, kernel back ───────┘
 *   └────────────── Puller ──────────────────────┘ └───────── SyncLoop, Syncer ───────┘   Reporter
 *
 * INVARIANT: nothing is written to a kernel before the first full pull, or, when that times out, the saved state.
 */
export class Agent {
  readonly #options: AgentOptions;
  readonly #desired = new DesiredState();
  readonly #puller: Puller;
  readonly #syncs: SyncLoop;
  readonly #reporter: Reporter;
  readonly #requests: Answers<null>;
  readonly #expiries: ExpiryTimers;
  readonly #expectations: ExpectationWatch;
  readonly #timers: Timers;
  readonly #kernelRetry: Retry;
  readonly #startedAt: string;

  constructor(options: AgentOptions) {
    const { kernel, source, clock, chance } = options;
    const desired = this.#desired;
    this.#options = options;
    this.#startedAt = clock.now().toISOString();
    this.#timers = new Timers(options);
    this.#kernelRetry = new Retry(KERNEL_RETRY, chance);
    this.#reporter = new Reporter(source, options);
    this.#expectations = new ExpectationWatch(kernel, (topic, change) => source.tellExpectation(topic, change), options);
    this.#requests = requests({ kernel, desired, expectations: this.#expectations, known: () => this.#known() });
    this.#syncs = new SyncLoop({ ...options, desired, reporter: this.#reporter });
    this.#expiries = new ExpiryTimers(clock, (netns) => this.#syncs.mark(netns));
    this.#puller = new Puller(
      { ...options, desired },
      {
        changed: (netns) => this.#syncs.mark(netns),
        declared: (router) => this.#expiries.schedule(router),
        gone: (id) => this.#onRouterGone(id),
        refused: (id, reason) => this.#reporter.report({ routerId: id, revision: 0, reason, helpers: [], drifts: 0 }),
        pulledAll: (pull) => this.#onPulledAll(pull),
      },
    );
  }

  /** Counters since the start, for metrics and tests. */
  get counts() {
    const { routers, queued } = { routers: this.#desired.size, queued: this.#syncs.queued + this.#puller.queued };
    return { ...this.#syncs.counts, routers, queued, ...this.#puller.counts };
  }

  /** Has a desired state, and nothing waits. */
  get isSettled(): boolean {
    return this.#desired.origin.from !== 'none' && this.#puller.isIdle && this.#syncs.queued === 0;
  }

  /** Has a desired state, and a kernel process that has answered. */
  get isReady(): boolean {
    return this.#desired.origin.from !== 'none' && this.#syncs.capabilities !== null;
  }

  /** Whether syncs go on. */
  get isWell(): boolean {
    return this.#syncs.isWell;
  }

  /** Of every router of this host. `source`: where the desired state comes from, `server` also while it cannot be reached. */
  status() {
    const { host, version } = this.#options;
    const reports = new Map(this.#reporter.reports().map((report) => [report.routerId, report]));
    const routers = [...this.#desired.routers()].map((router) => localStatus(host, router, reports.get(router.id) ?? null));
    return { host, version, source: this.#desired.origin.from, settled: this.isSettled, routers };
  }

  /** Begins to listen to source and kernel. Called once. */
  start(): void {
    const { source, kernel, firstPullSeconds, resyncSeconds, reportSeconds } = this.#options;
    kernel.onEvent((event) => this.#onKernelEvent(event));
    source.start({
      hinted: (ids) => this.#puller.hint(ids),
      connected: () => this.#onConnect(),
      answers: (method, args) => this.#requests.handle(method, args, null),
    });
    void this.#learnCapabilities();
    this.#timers.after(firstPullSeconds * 1000, () => void this.#puller.fallBackToDisk());
    this.#timers.everyAbout(resyncSeconds * 1000, () => this.#resync());
    this.#timers.everyAbout(reportSeconds * 1000, () => void this.#heartbeat());
  }

  /** Does nothing more. Resolves when the desired state is on disk. */
  async close(): Promise<void> {
    this.#timers.close();
    this.#expiries.close();
    this.#expectations.close();
    this.#syncs.close();
    this.#reporter.close();
    await this.#puller.close();
  }

  #onConnect(): void {
    this.#options.logger.info({}, 'connected to the server');
    this.#puller.pullAll({ comparing: true });
    void this.#heartbeat();
  }

  #onKernelEvent(event: KernelEvent): void {
    switch (event.event) {
      case 'namespace':
        if (!event.present) this.#syncs.forget(event.netns);
        this.#puller.hint(this.#options.source.onNamespace(event.netns, event.present));
        this.#syncs.markServed(event.netns);
        return;
      case 'touched':
      case 'lost':
        this.#syncs.markServed(event.netns);
        return;
      case 'expectation': {
        const router = this.#desired.inNetns(event.netns);
        if (router) this.#expectations.onChange({ routerId: router.id, change: event.change, expectation: event.expectation });
        return;
      }
      case 'link':
        if (event.up) void this.#learnCapabilities();
        return;
      default:
        this.#options.logger.error({ event }, 'an event that this agent does not know');
    }
  }

  /** After the kernel process came (back): what it can do, and everything anew. */
  async #learnCapabilities(): Promise<void> {
    try {
      this.#syncs.onKernel(await this.#options.kernel.capabilities());
      this.#kernelRetry.succeeded();
    } catch (error) {
      this.#options.logger.debug({ err: error }, 'the kernel process does not answer yet');
      if (!this.#syncs.capabilities) this.#timers.after(this.#kernelRetry.failed(), () => void this.#learnCapabilities());
      return;
    }
    await this.#syncs.markLeftovers();
    void this.#heartbeat();
  }

  /** @throws PinholeError `unreachable` before the kernel process has answered for the first time */
  #known(): Known {
    const { capabilities } = this.#syncs;
    if (capabilities) return { capabilities, now: this.#options.clock.now() };
    throw new PinholeError('unreachable', 'the kernel process of this host has not answered yet');
  }

  #onRouterGone(id: string): void {
    this.#reporter.forget(id);
    this.#expiries.forget(id);
  }

  async #onPulledAll({ isFirst, isNew }: { isFirst: boolean; isNew: boolean }): Promise<void> {
    if (isFirst) await this.#syncs.markLeftovers();
    if (isNew) this.#reporter.resendAll();
  }

  /** What events and hints should have told us, should one be lost. Costs a look where nothing changed. */
  #resync(): void {
    this.#syncs.markAll();
    this.#puller.pullAll();
  }

  async #heartbeat(): Promise<void> {
    const { host, version, reportSeconds } = this.#options;
    const state = { host, version, kernel: this.#syncs.capabilities, source: this.#desired.origin.from, ...this.counts };
    await this.#reporter.heartbeat({ startedAt: this.#startedAt, interval: reportSeconds, configurations: state });
  }
}
