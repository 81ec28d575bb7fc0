import type { Capabilities } from '../contract/agent.ts';
import type { DesiredRouter } from '../contract/desired-router.ts';
import type { Netns } from '../contract/netns.ts';
import type { Kernel } from '../kernel/interface.ts';
import { errorToData } from '../model/errors.ts';
import { isStamp } from '../model/table.ts';
import type { PlannedFamily, PlannedStatus } from '../plan/render.ts';
import type { Timer } from '../ports/clock.ts';
import type { Ports } from '../ports/ports.ts';
import type { DesiredState } from './desired-state.ts';
import { whyLeftAlone } from './ownership.ts';
import type { Reporter } from './reporter.ts';
import { Syncer, type SyncOutcome } from './syncer.ts';
import { unasked } from './unasked.ts';
import { momentOf } from './verification.ts';
import { WorkQueue } from './work-queue.ts';

export interface SyncLoopOptions extends Ports {
  readonly kernel: Kernel;
  readonly desired: DesiredState;
  readonly reporter: Reporter;
  /** Leave helpers on live connections when they are removed. */
  readonly keepLive: boolean;
}

const SYNC_BATCH = 64;
/** Namespaces that are looked at together, which takes the kernel some milliseconds where nothing changed. */
const CHECK_BATCH = 256;
/** While the kernel works on one batch the next is planned. */
const SYNC_WORKERS = 2;
/** A batch of syncs that takes longer than this hangs. */
const STUCK_MS = 60_000;

interface Item {
  readonly netns: Netns;
  readonly desired: DesiredRouter | null;
}

/**
 * Syncs the namespaces that are marked, in batches, and reports what became of each. It works once there is a desired state and the
 * kernel process has said what it can do.
 */
export class SyncLoop {
  readonly #options: SyncLoopOptions;
  readonly #syncer: Syncer;
  readonly #queue: WorkQueue<Netns>;
  /** Wake namespaces that are fought over when their pause is over. */
  readonly #pauses = new Map<Netns, Timer>();
  #capabilities: Capabilities | null = null;
  /** Why the kernel process cannot be asked, as the end of a sentence; null while it can. */
  #away: string | null = null;
  #checking = false;
  #workers = 0;
  #lastProgress = 0;
  #closed = false;
  /** Milliseconds that syncs took, together. */
  #syncMs = 0;

  constructor(options: SyncLoopOptions) {
    this.#options = options;
    this.#syncer = new Syncer(options);
    this.#queue = new WorkQueue(() => void this.#run(), options);
  }

  /** Counters since the start. */
  get counts() {
    return { ...this.#syncer.counts, syncSeconds: this.#syncMs / 1_000 };
  }

  /** Namespaces that are to be synced, or are being synced. */
  get queued(): number {
    return this.#queue.size;
  }

  /** What the kernel can do; null before it has answered for the first time. */
  get capabilities(): Capabilities | null {
    return this.#capabilities;
  }

  /** Whether syncs go on: where some are under way, the last of them began or ended less than a minute ago. */
  get isWell(): boolean {
    return this.#workers === 0 || this.#options.clock.monotonic() - this.#lastProgress < STUCK_MS;
  }

  /** The kernel process came, or came back: events were missed, so that every namespace is looked at. */
  onKernel(capabilities: Capabilities): void {
    this.#capabilities = capabilities;
    this.#away = null;
    for (const netns of this.#options.desired.netnsNames()) this.mark(netns);
    void this.#run();
  }

  /** The kernel process cannot be asked: what is declared from now on waits, and says so. @param reason the end of a sentence */
  onKernelAway(reason: string): void {
    this.#away = reason;
    for (const netns of this.#options.desired.netnsNames()) this.#reportUnasked(netns);
  }

  /** The namespace is to be synced, whether a router has it or had it. */
  mark(netns: Netns): void {
    this.#queue.mark(netns);
    if (this.#away !== null) this.#reportUnasked(netns);
  }

  /**
   * Verifies that every router has in the kernel what its last sync came to. That costs a look where nothing changed since; where
   * something did, the namespace is synced. One call waits for the one before.
   */
  async check(): Promise<void> {
    const { desired, reporter, clock, logger } = this.#options;
    if (this.#checking || this.#away !== null || !this.#capabilities) return;
    this.#checking = true;
    try {
      const names = [...desired.netnsNames()];
      for (let begin = 0; begin < names.length && !this.#closed; begin += CHECK_BATCH) {
        const at = momentOf(clock);
        const { held, others } = await this.#syncer.check(names.slice(begin, begin + CHECK_BATCH));
        for (const netns of held) reporter.verified(desired.inNetns(netns)?.id ?? '', at);
        for (const netns of others) this.mark(netns);
      }
    } catch (error) {
      logger.debug({ err: error }, 'the kernel process does not say whether rules hold; asked again');
    } finally {
      this.#checking = false;
    }
  }

  /** Marks a namespace where a router of this host has it: those of others are not even looked at. */
  markServed(netns: Netns): void {
    if (this.#options.desired.inNetns(netns)) this.mark(netns);
  }

  /** Marks every namespace, also for what the kernel refused before. */
  markAll(): void {
    for (const netns of this.#options.desired.netnsNames()) {
      this.#syncer.retryRefused(netns);
      this.mark(netns);
    }
  }

  /** Marks namespaces that hold a table of ours and that no router has: leftovers of routers that went while we were away. */
  async markLeftovers(): Promise<void> {
    const { desired, kernel, logger } = this.#options;
    if (desired.origin.from !== 'server' || !this.#capabilities) return;
    try {
      for (const { netns, comment } of await kernel.namespaces()) {
        if (comment === null || !isStamp(comment) || desired.inNetns(netns)) continue;
        const reason = whyLeftAlone({ netns, comment, isWanted: false }, desired);
        if (reason === null) this.mark(netns);
        else logger.info({ netns, reason }, 'a table is left alone');
      }
    } catch (error) {
      logger.debug({ err: error }, 'looking for leftover tables failed; tried again at the next connection');
    }
  }

  /** The namespace went: what was known of it holds no more. */
  forget(netns: Netns): void {
    this.#syncer.forget(netns);
    this.#options.desired.forgetNetns(netns);
  }

  /** Begins no batch any more. */
  close(): void {
    this.#closed = true;
    this.#queue.close();
    for (const timer of this.#pauses.values()) timer.cancel();
    this.#pauses.clear();
  }

  async #run(): Promise<void> {
    if (this.#workers === SYNC_WORKERS) return;
    this.#workers++;
    this.#progress();
    // Marks of the same turn travel in one batch.
    await Promise.resolve();
    try {
      while (this.#capabilities && this.#mayWork) await this.#syncBatch(this.#queue.take(SYNC_BATCH), this.#capabilities);
    } finally {
      this.#workers--;
    }
  }

  get #mayWork(): boolean {
    if (this.#closed || this.#away !== null) return false;
    return this.#options.desired.origin.from !== 'none' && this.#queue.readySize > 0;
  }

  #progress(): void {
    this.#lastProgress = this.#options.clock.monotonic();
  }

  async #syncBatch(names: readonly Netns[], capabilities: Capabilities): Promise<void> {
    this.#progress();
    const items = names.map((netns): Item => ({ netns, desired: this.#options.desired.inNetns(netns) }));
    try {
      const from = this.#options.clock.monotonic();
      const outcomes = await this.#syncer.sync(items, capabilities, this.#options.desired);
      this.#syncMs += this.#options.clock.monotonic() - from;
      for (const [index, item] of items.entries()) this.#onOutcome(item, outcomes[index] as SyncOutcome);
    } catch (error) {
      this.#options.logger.warn({ reason: errorToData(error).message }, 'the kernel process cannot be asked; tried again');
      for (const netns of names) this.#queue.failed(netns);
    }
  }

  #onOutcome({ netns, desired }: Item, outcome: SyncOutcome): void {
    if (outcome.outcome === 'failed') {
      const times = this.#queue.failed(netns);
      this.#options.logger.warn({ netns, times, reason: outcome.reason }, 'a sync failed; tried again');
    } else {
      this.#queue.done(netns);
    }
    this.#wakeAfterPause(netns);
    if (desired) this.#report(desired, outcome);
    else if (outcome.outcome === 'synced') this.#syncer.forget(netns);
  }

  #wakeAfterPause(netns: Netns): void {
    const pause = this.#syncer.pause(netns);
    if (pause === 0 || this.#pauses.has(netns)) return;
    const wake = () => {
      this.#pauses.delete(netns);
      this.mark(netns);
    };
    this.#pauses.set(netns, this.#options.clock.after(pause, wake));
  }

  #report({ id, revision, netns }: DesiredRouter, outcome: SyncOutcome): void {
    const unreadable = this.#options.desired.unreadable.get(id);
    const reason = unreadable ?? (outcome.outcome === 'synced' ? (this.#options.desired.held ?? '') : outcome.reason);
    const helpers = outcome.plan.statuses.map((status) =>
      unreadable === undefined ? this.#reported(status, outcome, reason) : inError(status, reason),
    );
    const verified = outcome.outcome === 'synced' ? outcome.at : null;
    this.#options.reporter.report({ routerId: id, revision, reason, helpers, drifts: this.#syncer.drifts(netns) }, verified);
  }

  /** What can be said of the router in a namespace while the kernel cannot be asked. */
  #reportUnasked(netns: Netns): void {
    const { desired, reporter } = this.#options;
    const router = desired.inNetns(netns);
    if (!router || desired.unreadable.has(router.id)) return;
    const reason = `the kernel process of this host ${this.#away}`;
    const before = { desired: this.#syncer.synced(netns), report: reporter.synced(router.id) };
    reporter.report(unasked(router, before, { reason, drifts: this.#syncer.drifts(netns) }));
  }

  /** What a helper's planned status comes to, given how the sync went. Its own error is the better reason. */
  #reported(status: PlannedStatus, { outcome }: SyncOutcome, reason: string): PlannedStatus {
    const { origin, held } = this.#options.desired;
    const families = status.families.map((family): PlannedFamily => {
      if (family.status !== 'ACTIVE') return family;
      if (outcome !== 'synced') return { ...family, status: outcome === 'waiting' ? 'PENDING' : 'ERROR', reason };
      if (origin.from === 'disk')
        return { ...family, status: 'STALE', reason: held ?? `from the state saved at ${origin.savedAt}: the server cannot be reached` };
      return family;
    });
    return { helperId: status.helperId, families };
  }
}

function inError({ helperId, families }: PlannedStatus, reason: string): PlannedStatus {
  return { helperId, families: families.map(({ family }) => ({ family, status: 'ERROR', reason })) };
}
