import { performance } from 'node:perf_hooks';
import type { Capabilities } from '../contract/agent.ts';
import { type DesiredRouter, type Refused, routersDigest } from '../contract/desired-router.ts';
import { MAX_EXPECTATIONS } from '../contract/expectation.ts';
import type { Netns } from '../contract/netns.ts';
import type { FamilyStatus, HelperStatus } from '../contract/status.ts';
import type { Kernel, KernelEvent } from '../kernel/interface.ts';
import { errorToData, NotFound, PinholeError } from '../model/errors.ts';
import { STAMP_PREFIX } from '../model/table.ts';
import type { Logger } from '../ports/logger.ts';
import { Answers } from '../wire/message.ts';
import { LIST_EXPECTATIONS, PLAN, REAPPLY, WATCH_EXPECTATIONS } from '../wire/messages.ts';
import { DesiredState } from './desired-state.ts';
import { ExpectationWatch } from './expectation-watch.ts';
import { ExpiryTimers } from './expiry-timers.ts';
import { LiveRequests } from './live-requests.ts';
import { localStatus } from './local-status.ts';
import { Reporter } from './reporter.ts';
import type { FullPull, Source } from './source.ts';
import { loadState, StateSaver } from './state-file.ts';
import { Syncer, type SyncOutcome } from './syncer.ts';
import { type Backoff, backoffDelay, DEFAULT_BACKOFF, WorkQueue } from './work-queue.ts';

export interface AgentOptions {
  readonly host: string;
  readonly version: string;
  readonly kernel: Kernel;
  readonly source: Source;
  readonly logger: Logger;
  readonly statePath: string;
  readonly resyncSeconds: number;
  readonly reportSeconds: number;
  /** How long a start waits for its first full pull before it applies the state saved on disk. */
  readonly firstPullSeconds: number;
  readonly maxStateAgeSeconds: number;
  readonly keepLive: boolean;
  readonly now?: () => Date;
  readonly backoff?: Backoff;
}

const SYNC_BATCH = 64;
/** While the kernel works on one batch the next is planned. */
const SYNC_WORKERS = 2;
const PULL_BATCH = 500;
/** A longer queue of hints costs more than a full pull. */
const MAX_QUEUED_PULLS = 10_000;
const RETRY_MS = 1_000;
/** A batch of syncs that takes longer than this hangs. */
const STUCK_MS = 60_000;
const PULL_BACKOFF: Backoff = { firstMs: 50, maxMs: 5_000 };

/**
 * The loop of one host. Everything that happens only marks what it concerns: a hint marks a router to be pulled, a pull, a
 * kernel event or a timer marks a namespace to be synced. The sync looks at desired and observed state and does what is left.
 *
 *   hint ─▶ pulls ─▶ bulk_pull ─▶ desired state ─┐
 *   connect, timer ─▶ full pull ─────▲           ├─▶ syncs ─▶ observe · diff · apply ─▶ report
 *   namespace, drift, expiry, kernel back ───────┘
 *
 * INVARIANT: nothing is written to a kernel before the first full pull, or, when that times out, the saved state.
 */
export class Agent {
  readonly #options: AgentOptions;
  readonly #now: () => Date;
  readonly #desired = new DesiredState();
  readonly #syncer: Syncer;
  readonly #reporter: Reporter;
  readonly #live: LiveRequests;
  readonly #pulls: WorkQueue<string>;
  readonly #syncs: WorkQueue<Netns>;
  readonly #expiries: ExpiryTimers;
  readonly #expectations: ExpectationWatch;
  readonly #saver: StateSaver;
  readonly #startedAt: string;
  readonly #timers = new Set<NodeJS.Timeout>();
  /** Routers whose newest description cannot be read, and why: what was live of them stays. */
  readonly #unreadable = new Map<string, string>();
  #capabilities: Capabilities | null = null;
  #epoch = '';
  /** Where the desired state comes from: nowhere yet, the disk, or the server. */
  #source: 'none' | 'disk' | 'server' = 'none';
  #savedAt = '';
  #wantsFullPull: 'no' | 'what changed' | 'everything' = 'no';
  #pulling = false;
  #pullCount = 0;
  #pullMs = 0;
  /** Full ones, in a row. */
  #failedPulls = 0;
  #syncWorkers = 0;
  #lastProgress = 0;
  #closed = false;

  constructor(options: AgentOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => new Date());
    this.#startedAt = this.#now().toISOString();
    this.#syncer = new Syncer({ kernel: options.kernel, logger: options.logger, now: this.#now, keepLive: options.keepLive });
    this.#reporter = new Reporter(options.source, options.logger);
    this.#live = new LiveRequests(options.kernel);
    this.#expectations = new ExpectationWatch(
      options.kernel,
      (topic, change) => options.source.tellExpectation(topic, change),
      options.logger,
    );
    this.#expiries = new ExpiryTimers(this.#now, (netns) => this.#markSync(netns));
    this.#saver = new StateSaver(options.statePath, options.logger, () => ({
      savedAt: this.#now().toISOString(),
      epoch: this.#epoch,
      routers: [...this.#desired.routers()],
    }));
    const backoff = options.backoff ?? DEFAULT_BACKOFF;
    this.#pulls = new WorkQueue(() => void this.#runPulls(), backoff);
    this.#syncs = new WorkQueue(() => void this.#runSyncs(), backoff);
  }

  /** Counters since the start, for metrics and tests. */
  get counts() {
    const { routers, queued } = { routers: this.#desired.size, queued: this.#syncs.size + this.#pulls.size };
    return { ...this.#syncer.counts, routers, queued, pulls: this.#pullCount, pullSeconds: this.#pullMs / 1000 };
  }

  /** Has a desired state, and nothing waits. */
  get isSettled(): boolean {
    return this.#source !== 'none' && this.#wantsFullPull === 'no' && !this.#pulling && this.#syncs.size === 0 && this.#pulls.size === 0;
  }

  get isReady(): boolean {
    return this.#source !== 'none' && this.#capabilities !== null;
  }

  /** Whether syncs go on: where one is under way, the last of them took or ended one not long ago. */
  get isWell(): boolean {
    return this.#syncWorkers === 0 || Date.now() - this.#lastProgress < STUCK_MS;
  }

  /** Of every router of this host. `source`: where the desired state comes from, `server` also while it cannot be reached. */
  status() {
    const { host, version } = this.#options;
    const reports = new Map(this.#reporter.reports().map((report) => [report.routerId, report]));
    const routers = [...this.#desired.routers()].map((router) => localStatus(host, router, reports.get(router.id) ?? null));
    return { host, version, source: this.#source, settled: this.isSettled, routers };
  }

  start(): void {
    const { source, kernel } = this.#options;
    const answers = this.#answers();
    kernel.onEvent((event) => this.#onKernelEvent(event));
    source.start({
      hinted: (ids) => this.#onHint(ids),
      connected: () => this.#onConnect(),
      answers: (method, args) => answers.handle(method, args, null),
    });
    void this.#learnCapabilities();
    this.#after(this.#options.firstPullSeconds * 1000, () => void this.#fallBackToDisk());
    this.#every(this.#options.resyncSeconds * 1000, () => this.#resync());
    this.#every(this.#options.reportSeconds * 1000, () => void this.#heartbeat());
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#expiries.close();
    this.#expectations.close();
    this.#pulls.close();
    this.#syncs.close();
    this.#reporter.close();
    await this.#saver.close();
  }

  #onConnect(): void {
    this.#options.logger.info({}, 'connected to the server');
    this.#requestFullPull({ comparing: true });
    void this.#heartbeat();
  }

  #onHint(ids: readonly string[] | null): void {
    if (ids === null || this.#pulls.size + ids.length > MAX_QUEUED_PULLS) {
      this.#options.logger.warn({ queued: this.#pulls.size }, 'too many hints: pulling everything instead');
      this.#requestFullPull();
      return;
    }
    for (const id of ids) this.#pulls.mark(id);
  }

  /** What servers may ask of this host. */
  #answers(): Answers<null> {
    return new Answers<null>('an agent')
      .on(LIST_EXPECTATIONS, async ({ routerId }) => {
        const router = this.#desired.get(routerId);
        if (!router) throw new NotFound('router', routerId);
        return (await this.#options.kernel.expectations(router.netns)).slice(0, MAX_EXPECTATIONS);
      })
      .on(WATCH_EXPECTATIONS, async ({ topic, seconds }) => {
        await this.#expectations.watch(topic, seconds);
        return null;
      })
      .on(PLAN, ({ router }) => this.#live.plan(router, this.#known()))
      .on(REAPPLY, ({ router, helperId }) => this.#live.reapply(router, helperId, this.#known()));
  }

  /** @throws PinholeError `unreachable` before the kernel process has answered for the first time */
  #known(): { capabilities: Capabilities; now: Date } {
    if (this.#capabilities) return { capabilities: this.#capabilities, now: this.#now() };
    throw new PinholeError('unreachable', 'the kernel process of this host has not answered yet');
  }

  #onKernelEvent(event: KernelEvent): void {
    switch (event.event) {
      case 'namespace':
        if (!event.present) this.#syncer.forget(event.netns);
        for (const id of this.#options.source.onNamespace(event.netns, event.present)) this.#pulls.mark(id);
        this.#markServed(event.netns);
        return;
      case 'touched':
      case 'lost':
        this.#markServed(event.netns);
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

  /** After the kernel process came (back): what it can do, and everything anew, for events were missed. */
  async #learnCapabilities(): Promise<void> {
    try {
      this.#capabilities = await this.#options.kernel.capabilities();
    } catch (error) {
      this.#options.logger.debug({ err: error }, 'the kernel process does not answer yet');
      if (!this.#capabilities) this.#after(RETRY_MS, () => void this.#learnCapabilities());
      return;
    }
    for (const netns of this.#desired.netnsNames()) this.#markSync(netns);
    void this.#runSyncs();
    await this.#markOrphans();
    void this.#heartbeat();
  }

  /** @param comparing whether the server may find that nothing changed since the last one */
  #requestFullPull({ comparing } = { comparing: false }): void {
    this.#wantsFullPull = this.#wantsFullPull === 'everything' || !comparing ? 'everything' : 'what changed';
    void this.#runPulls();
  }

  async #runPulls(): Promise<void> {
    if (this.#pulling || this.#closed) return;
    this.#pulling = true;
    try {
      while (!this.#closed) {
        if (this.#wantsFullPull !== 'no') await this.#pullAll();
        else if (this.#source === 'server' && this.#pulls.readySize > 0) await this.#pullSome(this.#pulls.take(PULL_BATCH));
        else return;
      }
    } finally {
      this.#pulling = false;
    }
  }

  async #pullAll(): Promise<void> {
    const comparing = this.#wantsFullPull === 'what changed' && this.#source !== 'none';
    this.#wantsFullPull = 'no';
    try {
      const known = comparing ? { epoch: this.#epoch, digest: routersDigest([...this.#desired.routers()]) } : null;
      const pulled = await this.#timed(() => this.#options.source.pullAll(known));
      const isFirst = this.#source !== 'server';
      this.#failedPulls = 0;
      this.#source = 'server';
      const touched = pulled ? this.#take(pulled) : new Set<Netns>();
      for (const netns of isFirst ? this.#desired.netnsNames() : []) touched.add(netns);
      for (const netns of touched) this.#markSync(netns);
      if (touched.size > 0 || isFirst) this.#saver.saveSoon();
      if (isFirst) await this.#markOrphans();
      if (pulled) this.#reporter.resendAll();
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'pulling everything failed; tried again');
      this.#after(backoffDelay(++this.#failedPulls, PULL_BACKOFF), () => this.#requestFullPull({ comparing }));
    }
  }

  async #timed<T>(pull: () => Promise<T>): Promise<T> {
    const start = performance.now();
    try {
      return await pull();
    } finally {
      this.#pullCount++;
      this.#pullMs += performance.now() - start;
    }
  }

  /** @returns the namespaces where anything changed */
  #take({ epoch, routers, refused }: FullPull): Set<Netns> {
    if (this.#epoch && epoch !== this.#epoch) this.#options.logger.warn({ epoch }, 'the server has another database than before');
    this.#epoch = epoch;
    this.#unreadable.clear();
    const kept = refused.flatMap((one) => this.#refuse(one) ?? []);
    const all = [...routers, ...kept];
    const removed = new Set([...this.#desired.routers()].map(({ id }) => id as string));
    for (const { id } of all) removed.delete(id);
    const touched = this.#desired.replace(all);
    for (const id of removed) this.#onRouterGone(id);
    for (const router of routers) this.#expiries.schedule(router);
    for (const { netns } of kept) touched.add(netns);
    return touched;
  }

  /** The description of a router cannot be read: the router stays as it was, and its status says why. @returns it as it was */
  #refuse({ id, reason }: Refused): DesiredRouter | undefined {
    this.#options.logger.error({ routerId: id, reason }, 'the description of a router cannot be read; the other routers are served');
    if (id === '') return undefined;
    const why = `what the server says of this router cannot be read: ${reason}`;
    this.#unreadable.set(id, why);
    const router = this.#desired.get(id);
    if (!router) this.#reporter.report({ routerId: id, revision: 0, reason: why, helpers: [], drifts: 0 });
    return router;
  }

  async #pullSome(ids: readonly string[]): Promise<void> {
    try {
      const { routers, refused } = await this.#timed(() => this.#options.source.pull(ids));
      const found = new Map(routers.map((router) => [router.id as string, router]));
      for (const id of ids) this.#unreadable.delete(id);
      for (const one of refused) {
        const router = this.#refuse(one);
        if (router) found.set(router.id, router);
      }
      for (const id of ids) {
        const router = found.get(id);
        const touched = router ? this.#desired.set(router) : this.#desired.delete(id);
        if (router) this.#expiries.schedule(router);
        else if (!this.#unreadable.has(id)) this.#onRouterGone(id);
        for (const netns of touched) this.#markSync(netns);
        this.#pulls.done(id);
      }
      this.#saver.saveSoon();
    } catch (error) {
      this.#options.logger.warn({ err: error, routers: ids.length }, 'pulling routers failed; tried again');
      for (const id of ids) this.#pulls.failed(id);
    }
  }

  #onRouterGone(id: string): void {
    this.#reporter.forget(id);
    this.#expiries.forget(id);
  }

  /** Namespaces that hold a table of ours and that no router has: leftovers of routers that went while we were away. */
  async #markOrphans(): Promise<void> {
    if (this.#source !== 'server' || !this.#capabilities) return;
    try {
      for (const { netns, comment } of await this.#options.kernel.namespaces()) {
        if (comment?.startsWith(STAMP_PREFIX) && !this.#desired.inNetns(netns)) this.#markSync(netns);
      }
    } catch (error) {
      this.#options.logger.debug({ err: error }, 'looking for leftover tables failed; tried again at the next connection');
    }
  }

  #markSync(netns: Netns): void {
    this.#syncs.mark(netns);
  }

  /** Namespaces that no router has are others': they are not even looked at. */
  #markServed(netns: Netns): void {
    if (this.#desired.inNetns(netns)) this.#markSync(netns);
  }

  async #runSyncs(): Promise<void> {
    if (this.#syncWorkers === SYNC_WORKERS) return;
    this.#syncWorkers++;
    this.#lastProgress = Date.now();
    // Marks of the same turn travel in one batch.
    await Promise.resolve();
    try {
      while (!this.#closed && this.#source !== 'none' && this.#capabilities && this.#syncs.readySize > 0) {
        await this.#syncBatch(this.#syncs.take(SYNC_BATCH), this.#capabilities);
      }
    } finally {
      this.#syncWorkers--;
    }
  }

  async #syncBatch(names: readonly Netns[], capabilities: Capabilities): Promise<void> {
    this.#lastProgress = Date.now();
    const items = names.map((netns) => ({ netns, desired: this.#desired.inNetns(netns) }));
    try {
      const outcomes = await this.#syncer.sync(items, capabilities);
      for (const [index, item] of items.entries()) this.#onOutcome(item, outcomes[index] as SyncOutcome);
    } catch (error) {
      this.#options.logger.warn({ reason: errorToData(error).message }, 'the kernel process cannot be asked; tried again');
      for (const netns of names) this.#syncs.failed(netns);
    }
  }

  #onOutcome({ netns, desired }: { netns: Netns; desired: DesiredRouter | null }, outcome: SyncOutcome): void {
    if (outcome.outcome === 'failed') {
      const times = this.#syncs.failed(netns);
      this.#options.logger.warn({ netns, times, reason: outcome.reason }, 'a sync failed; tried again');
    } else {
      this.#syncs.done(netns);
    }
    const pause = this.#syncer.pause(netns);
    if (pause > 0) this.#after(pause, () => this.#markSync(netns));
    if (!desired) {
      if (outcome.outcome === 'synced') this.#syncer.forget(netns);
      return;
    }
    const unreadable = this.#unreadable.get(desired.id);
    const reason = unreadable ?? (outcome.outcome === 'synced' ? '' : outcome.reason);
    this.#reporter.report({
      routerId: desired.id,
      revision: desired.revision,
      reason,
      helpers: outcome.plan.statuses.map((status) =>
        unreadable === undefined ? this.#reported(status, outcome, reason) : inError(status, reason),
      ),
      drifts: this.#syncer.drifts(netns),
    });
  }

  /** What a helper's planned status comes to, given how the sync went. Its own error is the better reason. */
  #reported(status: HelperStatus, { outcome }: SyncOutcome, reason: string): HelperStatus {
    const families = status.families.map((family): FamilyStatus => {
      if (family.status !== 'ACTIVE') return family;
      if (outcome !== 'synced') return { ...family, status: outcome === 'waiting' ? 'PENDING' : 'ERROR', reason };
      if (this.#source === 'disk')
        return { ...family, status: 'STALE', reason: `from the state saved at ${this.#savedAt}: the server cannot be reached` };
      return family;
    });
    return { helperId: status.helperId, families };
  }

  async #fallBackToDisk(): Promise<void> {
    if (this.#source !== 'none') return;
    const saved = await loadState(this.#options.statePath, this.#options.logger);
    if (!saved || this.#source !== 'none' || this.#closed) return;
    const age = (this.#now().getTime() - Date.parse(saved.savedAt)) / 1000;
    if (!(age <= this.#options.maxStateAgeSeconds)) {
      this.#options.logger.warn({ savedAt: saved.savedAt }, 'the saved state is too old to be applied');
      return;
    }
    this.#options.logger.warn({ savedAt: saved.savedAt, routers: saved.routers.length }, 'no server: applying the saved state');
    this.#source = 'disk';
    this.#epoch = saved.epoch;
    this.#savedAt = saved.savedAt;
    this.#desired.replace(saved.routers);
    for (const router of saved.routers) this.#expiries.schedule(router);
    for (const netns of this.#desired.netnsNames()) this.#markSync(netns);
  }

  /** What events and hints should have told us, should one be lost. Costs a look where nothing changed. */
  #resync(): void {
    for (const netns of this.#desired.netnsNames()) {
      this.#syncer.retryRefused(netns);
      this.#markSync(netns);
    }
    this.#requestFullPull();
  }

  async #heartbeat(): Promise<void> {
    const { host, version, reportSeconds } = this.#options;
    const configurations = { version, kernel: this.#capabilities, source: this.#source, ...this.counts };
    await this.#reporter.heartbeat({ startedAt: this.#startedAt, interval: reportSeconds, configurations: { host, ...configurations } });
  }

  #after(wait: number, work: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      work();
    }, wait);
    this.#timers.add(timer);
  }

  /** Every so often, with a quarter of jitter, so that many agents do not do it at once. */
  #every(period: number, work: () => void): void {
    const again = () => {
      work();
      if (!this.#closed) this.#after(period * (0.75 + Math.random() / 2), again);
    };
    this.#after(period * (0.75 + Math.random() / 2), again);
  }
}

function inError({ helperId, families }: HelperStatus, reason: string): HelperStatus {
  return { helperId, families: families.map(({ family }) => ({ family, status: 'ERROR', reason })) };
}
