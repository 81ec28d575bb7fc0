import type { Held } from '../contract/agent.ts';
import { countedByStatus, type StatusValue } from '../contract/status.ts';
import type { Kernel, KernelEvent } from '../kernel/interface.ts';
import { PinholeError } from '../model/errors.ts';
import type { Ports } from '../ports/ports.ts';
import { type Backoff, Retry } from '../ports/retry.ts';
import { Timers } from '../ports/timers.ts';
import type { Answers } from '../wire/message.ts';
import { DesiredState } from './desired-state.ts';
import { ExpectationWatch } from './expectation-watch.ts';
import { ExpiryTimers } from './expiry-timers.ts';
import { KernelLink } from './kernel-link.ts';
import type { Known } from './live-requests.ts';
import { localStatus } from './local-status.ts';
import { Puller } from './puller.ts';
import { Reporter } from './reporter.ts';
import { requests } from './requests.ts';
import type { Source } from './source.ts';
import { SyncLoop } from './sync-loop.ts';
import { type Moment, timeOf } from './verification.ts';

export interface AgentOptions extends Ports {
  readonly host: string;
  readonly version: string;
  readonly kernel: Kernel;
  readonly source: Source;
  readonly statePath: string;
  readonly resyncSeconds: number;
  /** In so many seconds, each router is verified once at least; after twice as many, what was not verified again is STALE. */
  readonly checkSeconds: number;
  readonly reportSeconds: number;
  /** How long a start waits for its first full pull before it applies the state saved on disk. */
  readonly firstPullSeconds: number;
  readonly maxStateAgeSeconds: number;
  /** Part of the live helpers whose removal by another or an older database is held. */
  readonly holdRemovalsPercent: number;
  readonly keepLive: boolean;
}

const KERNEL_RETRY: Backoff = { firstMs: 250, maxMs: 1_000 };
/** A verification counts for so many check intervals: one may fail. */
const BOUND_INTERVALS = 2;
/** The longest time between two checks, as a share of the check interval: {@link Timers.everyAbout} takes up to a quarter more. */
const CHECK_SHARE = 0.8;

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
  readonly #link: KernelLink;
  /** Whether the server has a report of each router that was there at the last full pull, or came since. */
  #hasReportedAll = false;
  readonly #startedAt: string;

  constructor(options: AgentOptions) {
    const { kernel, source, clock, chance } = options;
    const desired = this.#desired;
    this.#options = options;
    this.#startedAt = clock.now().toISOString();
    this.#timers = new Timers(options);
    this.#kernelRetry = new Retry(KERNEL_RETRY, chance);
    this.#link = new KernelLink(options);
    const hindrance = () => (this.#link.isUp ? '' : `the kernel process of this host ${this.#link.state.reason}`);
    this.#reporter = new Reporter(source, options, { boundMs: this.#boundSeconds * 1000, hindrance });
    this.#expectations = new ExpectationWatch(
      {
        kernel,
        tell: (topic, change) => source.tellExpectation(topic, change),
        netnsOf: (id) => desired.get(id)?.netns ?? null,
      },
      options,
    );
    this.#requests = requests({
      kernel,
      desired,
      expectations: this.#expectations,
      known: () => this.#known(),
      confirm: (id) => this.#confirm(id),
    });
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
    const { isUp, losses } = this.#link;
    const kernel = { kernelProcessUp: isUp ? 1 : 0, kernelProcessLosses: losses, verificationAgeSeconds: this.#verificationAge() };
    return { ...this.#syncs.counts, routers, queued, ...this.#puller.counts, ...kernel };
  }

  /** Numbers of this host's helpers by the worst status of their families. */
  helpersByStatus(): Readonly<Record<StatusValue, number>> {
    const reported = new Map(
      this.#reporter.reports().flatMap(({ helpers }) => helpers.map((one) => [one.helperId as string, one.families])),
    );
    const helpers = [...this.#desired.routers()].flatMap((router) => router.helpers);
    return countedByStatus(helpers.map(({ id }) => (reported.get(id) ?? []).map(({ status }) => status)));
  }

  /** Whether a pull waits for an operator's word. */
  get isHeld(): boolean {
    return this.#puller.hold !== null;
  }

  /** Has a desired state, and nothing waits. */
  get isSettled(): boolean {
    return this.#desired.origin.from !== 'none' && this.#puller.isIdle && this.#syncs.queued === 0;
  }

  /** Why it does not serve now; null if it does: it has a desired state, and a kernel process that answers. */
  get unreadiness(): string | null {
    if (!this.#link.isUp) return `the kernel process ${this.#link.state.reason} (since ${this.#link.state.since})`;
    return this.#desired.origin.from === 'none' ? 'nothing was pulled from the server yet' : null;
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
    return {
      host,
      version,
      source: this.#desired.origin.from,
      settled: this.isSettled,
      kernel: this.#link.state,
      held: this.#puller.hold,
      routers,
    };
  }

  /** Begins to listen to source and kernel. Called once. */
  start(): void {
    const { source, kernel, firstPullSeconds, resyncSeconds, checkSeconds } = this.#options;
    kernel.onEvent((event) => this.#onKernelEvent(event));
    source.start({
      hinted: (ids) => this.#puller.hint(ids),
      connected: () => this.#onConnect(),
      answers: (method, args) => this.#requests.handle(method, args, null),
    });
    void this.#learnCapabilities();
    this.#timers.after(firstPullSeconds * 1000, () => this.#puller.fallBackToDisk());
    this.#timers.everyAbout(resyncSeconds * 1000, () => this.#resync());
    this.#timers.everyAbout(checkSeconds * 1000 * CHECK_SHARE, () => void this.#syncs.check());
    this.#timers.everyAbout(this.#heartbeatSeconds * 1000, () => this.#tellOfItself());
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
        const { netns, change, expectation, leftOut = 0 } = event;
        const router = this.#desired.inNetns(netns);
        if (router) this.#expectations.onChange({ routerId: router.id, change, expectation, leftOut });
        return;
      }
      case 'link':
        if (event.up) void this.#learnCapabilities();
        else this.#onKernelAway(event.reason);
        return;
      default:
        this.#options.logger.error({ event }, 'an event that this agent does not know');
    }
  }

  /** After the kernel process came (back): what it can do, and everything anew. */
  async #learnCapabilities(): Promise<void> {
    try {
      const capabilities = await this.#options.kernel.capabilities();
      this.#link.came();
      this.#syncs.onKernel(capabilities);
      this.#kernelRetry.succeeded();
    } catch (error) {
      this.#options.logger.debug({ err: error }, 'the kernel process does not answer yet');
      if (!this.#link.isUp) this.#timers.after(this.#kernelRetry.failed(), () => void this.#learnCapabilities());
      return;
    }
    await this.#syncs.markLeftovers();
    void this.#heartbeat();
  }

  #onKernelAway(reason: string): void {
    this.#link.went(reason);
    this.#syncs.onKernelAway(reason);
    void this.#heartbeat();
  }

  /** @throws PinholeError `unreachable` before the kernel process has answered for the first time */
  #known(): Known {
    const { capabilities } = this.#syncs;
    const { installation } = this.#desired;
    if (capabilities) return { capabilities, now: this.#options.clock.now(), installation };
    throw new PinholeError('unreachable', 'the kernel process of this host has not answered yet');
  }

  /** @throws PinholeError `not-held` */
  #confirm(id: string): Held {
    const { hold } = this.#puller;
    if (!hold || !this.#puller.confirm(id)) {
      const what = hold ? `Removal ${id} is not held, but ${hold.id}: ${hold.reason}.` : 'Nothing is held.';
      throw new PinholeError('not-held', what);
    }
    this.#options.logger.warn({ id }, 'an operator confirms a removal, through the server');
    return hold;
  }

  #onRouterGone(id: string): void {
    this.#reporter.forget(id);
    this.#expiries.forget(id);
  }

  async #onPulledAll({ isFirst, isNew }: { isFirst: boolean; isNew: boolean }): Promise<void> {
    if (isFirst) await this.#syncs.markLeftovers();
    if (!isNew) return;
    this.#hasReportedAll = false;
    this.#reporter.resendAll();
  }

  /** What events and hints should have told us, should one be lost. Costs a look where nothing changed. */
  #resync(): void {
    this.#syncs.markAll();
    this.#puller.pullAll();
  }

  get #boundSeconds(): number {
    return BOUND_INTERVALS * this.#options.checkSeconds;
  }

  /** A server that misses one heartbeat still has a verification that counts. */
  get #heartbeatSeconds(): number {
    const { reportSeconds, checkSeconds } = this.#options;
    return Math.min(reportSeconds, checkSeconds / 2);
  }

  #tellOfItself(): void {
    this.#reporter.age();
    void this.#heartbeat();
  }

  async #heartbeat(): Promise<void> {
    const { host, version, clock } = this.#options;
    const { state: kernelProcess } = this.#link;
    const kernel = this.#syncs.capabilities;
    const configurations = {
      host,
      version,
      kernel,
      kernelProcess,
      source: this.#desired.origin.from,
      held: this.#puller.hold,
      ...this.counts,
    };
    const [at, oldest] = [clock.now().toISOString(), this.#oldestVerification()];
    const verification = { at, verifiedAt: oldest && timeOf(oldest, clock), boundSeconds: this.#boundSeconds, kernel: kernelProcess };
    const interval = Math.ceil(this.#heartbeatSeconds);
    await this.#reporter.heartbeat({ startedAt: this.#startedAt, interval, configurations, verification });
  }

  /**
   * What a heartbeat may say of all routers at once. Nothing, until the server has a report of each from this agent: it may have older
   * ones, by an agent before this one, that say otherwise.
   */
  #oldestVerification(): Moment | null {
    if (!this.#hasReportedAll) {
      const served = [...this.#desired.netnsNames()].flatMap((netns) => this.#desired.inNetns(netns) ?? []);
      this.#hasReportedAll = this.#desired.origin.from === 'server' && served.every(({ id }) => this.#reporter.isHeld(id));
    }
    return this.#hasReportedAll ? this.#reporter.oldestVerification() : null;
  }

  #verificationAge(): number {
    const oldest = this.#reporter.oldestVerification();
    return oldest ? (this.#options.clock.monotonic() - oldest.monotonic) / 1000 : 0;
  }
}
