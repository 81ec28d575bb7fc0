import type { Held } from '../contract/agent.ts';
import { type DesiredRouter, type Refused, routersDigest } from '../contract/desired-router.ts';
import type { Netns } from '../contract/netns.ts';
import type { Timer } from '../ports/clock.ts';
import type { Ports } from '../ports/ports.ts';
import { type Backoff, Retry } from '../ports/retry.ts';
import type { DesiredState } from './desired-state.ts';
import { judge } from './interlock.ts';
import type { FullPull, History, PulledRouters, Source } from './source.ts';
import { loadState, type SavedState, StateSaver, takeConfirmation } from './state-file.ts';
import { WorkQueue } from './work-queue.ts';

export interface PullerOptions extends Ports {
  readonly source: Source;
  /** What is pulled is written here, by the puller alone. */
  readonly desired: DesiredState;
  readonly statePath: string;
  readonly maxStateAgeSeconds: number;
  /** A full pull that would remove more of the live helpers is held, if it is of another or an older database. */
  readonly holdRemovalsPercent: number;
}

/** What follows from what was pulled. */
export interface PullListener {
  /** Something in the namespace may be desired otherwise than before. */
  changed(netns: Netns): void;
  /** The router was pulled, as it is now. */
  declared(router: DesiredRouter): void;
  /** The router is not this host's any more. */
  gone(routerId: string): void;
  /** The router is this host's, its description cannot be read, and nothing was known of it before. */
  refused(routerId: string, reason: string): void;
  /**
   * A full pull succeeded. The puller waits for what this returns.
   * @param isFirst the first one since the start of this agent
   * @param isNew false where the server found that nothing had changed
   */
  pulledAll(pull: { readonly isFirst: boolean; readonly isNew: boolean }): Promise<void>;
}

const PULL_BATCH = 500;
/** A longer queue of hints costs more than a full pull. */
const MAX_QUEUED_PULLS = 10_000;
/** A held pull is asked for again that soon after a hint: what an operator declares anew may lift it. */
const HELD_MS = 1_000;
const RETRY: Backoff = { firstMs: 50, maxMs: 5_000 };

/** Keeps the desired state: asks the server for all of it, then for what hints name, one question at a time. */
export class Puller {
  readonly #options: PullerOptions;
  readonly #listener: PullListener;
  readonly #queue: WorkQueue<string>;
  readonly #saver: StateSaver;
  readonly #retry: Retry;
  #wantsAll: 'no' | 'what changed' | 'everything' = 'no';
  /** Set while a full pull that failed waits for its next attempt. */
  #held: Timer | null = null;
  /** Undefined before it was read. */
  #memory: SavedState | null | undefined;
  #hold: Held | null = null;
  #confirmed: string | null = null;
  /** Looks for an operator's confirmation while a pull is held. */
  #confirmations: Timer | null = null;
  #pulling = false;
  #pulls = 0;
  #pullMs = 0;
  #closed = false;

  constructor(options: PullerOptions, listener: PullListener) {
    const { statePath, desired, clock, chance } = options;
    this.#options = options;
    this.#listener = listener;
    this.#queue = new WorkQueue(() => void this.#run(), options);
    this.#retry = new Retry(RETRY, chance);
    const state = () => ({ savedAt: clock.now().toISOString(), ...desired.history, routers: [...desired.routers()] });
    this.#saver = new StateSaver(statePath, state, options);
  }

  /** Since the start: questions asked, and seconds that their answers took together. */
  get counts() {
    return { pulls: this.#pulls, pullSeconds: this.#pullMs / 1000 };
  }

  /** Routers that are to be pulled. */
  get queued(): number {
    return this.#queue.size;
  }

  /** Nothing is to be pulled, and nothing is under way. */
  get isIdle(): boolean {
    return !this.#isWanted() && !this.#pulling && this.#queue.size === 0;
  }

  /** The pull that waits for an operator; null if none does. */
  get hold(): Held | null {
    return this.#hold;
  }

  /** An operator lets the held pull through. @returns false if another one is held, or none */
  confirm(id: string): boolean {
    if (this.#hold?.id !== id) return false;
    this.#confirmed = id;
    this.pullAll();
    return true;
  }

  /** Something of these routers changed; null: of too many to say. */
  hint(ids: readonly string[] | null): void {
    if (ids === null || this.#queue.size + ids.length > MAX_QUEUED_PULLS) {
      this.#options.logger.warn({ queued: this.#queue.size }, 'too many hints: pulling everything instead');
      this.pullAll();
      return;
    }
    for (const id of ids) this.#queue.mark(id);
    if (this.#hold && ids.length > 0) this.#held ??= this.#options.clock.after(HELD_MS, () => this.pullAll());
  }

  /** Pulls everything, at once. @param comparing whether the server may find that nothing changed since the last full pull */
  pullAll({ comparing } = { comparing: false }): void {
    this.#want(comparing);
    this.#held?.cancel();
    this.#held = null;
    void this.#run();
  }

  /** Applies the state saved on disk, where nothing was pulled yet. */
  fallBackToDisk(): void {
    const { desired, logger, clock, maxStateAgeSeconds } = this.#options;
    if (desired.origin.from !== 'none') return;
    const saved = this.#remember();
    if (!saved || this.#closed) return;
    const { savedAt, routers } = saved;
    const age = (clock.now().getTime() - Date.parse(savedAt)) / 1000;
    if (!(age <= maxStateAgeSeconds)) {
      logger.warn({ savedAt }, 'the saved state is too old to be applied');
      return;
    }
    logger.warn({ savedAt, routers: routers.length }, 'no server: applying the saved state');
    desired.origin = { from: 'disk', savedAt };
    for (const netns of this.#take({ routers, refused: [] })) this.#listener.changed(netns);
  }

  /** Pulls nothing more, and saves what is not saved yet. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#held?.cancel();
    this.#confirmations?.cancel();
    this.#queue.close();
    await this.#saver.close();
  }

  async #run(): Promise<void> {
    if (this.#pulling || this.#closed) return;
    this.#pulling = true;
    try {
      while (!this.#closed) {
        if (this.#isWanted() && !this.#held) await this.#pullAll();
        else if (!this.#hold && this.#options.desired.origin.from === 'server' && this.#queue.readySize > 0)
          await this.#pullSome(this.#queue.take(PULL_BATCH));
        else return;
      }
    } finally {
      this.#pulling = false;
    }
  }

  async #pullAll(): Promise<void> {
    const { source, desired, logger, clock } = this.#options;
    const comparing = this.#wantsAll === 'what changed';
    this.#wantsAll = 'no';
    try {
      const isKnown = comparing && desired.origin.from !== 'none';
      const known = isKnown ? { epoch: desired.history.epoch, digest: routersDigest([...desired.routers()]) } : null;
      const pulled = await this.#timed(() => source.pullAll(known));
      this.#retry.succeeded();
      await this.#onPulledAll(pulled);
    } catch (error) {
      logger.warn({ err: error }, 'pulling everything failed; tried again');
      const wait = this.#retry.failed();
      // A pull that was asked for meanwhile, as after a reconnect, does not wait for this one's turn.
      if (!this.#isWanted() && !this.#closed) this.#held = clock.after(wait, () => this.pullAll({ comparing: true }));
      this.#want(comparing);
    }
  }

  #isWanted(): boolean {
    return this.#wantsAll !== 'no';
  }

  /** Once everything is wanted, it is until it was pulled. */
  #want(comparing: boolean): void {
    this.#wantsAll = this.#wantsAll === 'everything' || !comparing ? 'everything' : 'what changed';
  }

  async #onPulledAll({ history, pulled }: FullPull): Promise<void> {
    const { desired } = this.#options;
    const isFirst = desired.origin.from !== 'server';
    const saved = this.#remember();
    const hold = pulled && this.#judge(history, pulled, saved);
    if (pulled && hold) return this.#keep(hold, pulled);
    const wasHeld = this.#hold !== null;
    this.#release();
    const before = desired.installation;
    desired.origin = { from: 'server' };
    this.#setHistory(history);
    const touched = pulled ? this.#take(pulled) : new Set<Netns>();
    // Whose tables are whose is another question for another installation.
    const isOther = before !== desired.installation;
    for (const netns of isFirst || isOther || wasHeld ? desired.netnsNames() : []) touched.add(netns);
    for (const netns of touched) this.#listener.changed(netns);
    if (touched.size > 0 || isFirst || isOther) this.#saver.saveSoon();
    await this.#listener.pulledAll({ isFirst, isNew: pulled !== null });
  }

  async #pullSome(ids: readonly string[]): Promise<void> {
    const { source, logger } = this.#options;
    try {
      const pulled = await this.#timed(() => source.pull(ids));
      if (pulled.epoch !== this.#options.desired.history.epoch) {
        logger.warn({ epoch: pulled.epoch }, 'the server has another database than before: pulling everything instead');
        for (const id of ids) this.#queue.failed(id);
        this.#want(false);
        return;
      }
      this.#noteProgress(pulled.position);
      const found = this.#found(ids, pulled);
      for (const id of ids) {
        for (const netns of this.#takeOne(id, found.get(id))) this.#listener.changed(netns);
        this.#queue.done(id);
      }
      this.#saver.saveSoon();
    } catch (error) {
      logger.warn({ err: error, routers: ids.length }, 'pulling routers failed; tried again');
      for (const id of ids) this.#queue.failed(id);
    }
  }

  #judge(history: History, pulled: PulledRouters, saved: SavedState | null): Held | null {
    const { desired, clock, holdRemovalsPercent } = this.#options;
    const routers = desired.origin.from === 'none' ? (saved?.routers ?? []) : [...desired.routers()];
    const limits = { percent: holdRemovalsPercent, now: clock.now(), confirmed: this.#confirmed };
    return judge({ history: desired.history, routers }, { history, ...pulled }, limits);
  }

  /** The pull is held: everything stays as it is, and says why. */
  async #keep(hold: Held, pulled: PulledRouters): Promise<void> {
    const { desired, logger, clock } = this.#options;
    if (this.#hold?.id !== hold.id) logger.error({ ...hold }, 'a pull is held: nothing is removed');
    this.#hold = hold;
    desired.held = hold.reason;
    this.fallBackToDisk();
    this.#confirmations ??= clock.every(HELD_MS, () => this.#lookForConfirmation());
    for (const { id } of pulled.routers) if (!desired.get(id)) this.#listener.refused(id, hold.reason);
    for (const netns of desired.netnsNames()) this.#listener.changed(netns);
  }

  #release(): void {
    if (this.#hold) this.#options.logger.warn({ id: this.#hold.id }, 'the pull is not held any more');
    this.#hold = null;
    this.#confirmed = null;
    this.#options.desired.held = null;
    this.#confirmations?.cancel();
    this.#confirmations = null;
  }

  /** Only root and the agent's user can write beside the state file. */
  #lookForConfirmation(): void {
    const id = takeConfirmation(this.#options.statePath);
    if (id === null) return;
    const found = this.confirm(id);
    this.#options.logger.warn({ id, found }, 'an operator confirms a removal');
  }

  /** Reads what an agent before this one saved, once: where it had helpers, tables may be of that agent's making. */
  #remember(): SavedState | null {
    if (this.#memory !== undefined) return this.#memory;
    const { desired, statePath, logger } = this.#options;
    this.#memory = loadState(statePath, logger);
    if (!this.#memory) return null;
    const { savedAt: _, routers, ...history } = this.#memory;
    desired.history = history;
    for (const { netns, helpers } of routers) if (helpers.length > 0) desired.noteHelpers(netns);
    return this.#memory;
  }

  /** A server of the version before does not tell its installation: it stays the one that was told before. */
  #setHistory(history: History): void {
    const { desired, logger } = this.#options;
    const { installation, epoch } = desired.history;
    const told = { ...history, installation: history.installation ?? installation };
    if (installation !== null && told.installation !== installation)
      logger.error(
        { before: installation, now: told.installation },
        'the server is of another installation than before: tables of the one before are left alone',
      );
    else if (epoch && told.epoch !== epoch) logger.warn({ epoch: told.epoch }, 'the server has another database than before');
    desired.history = told;
  }

  /** What was pulled after a hint is of a later state than the last full pull: a copy of the database of between is an older one. */
  #noteProgress(position: number | null): void {
    const { desired } = this.#options;
    if (position !== null && position > (desired.history.position ?? 0)) desired.history = { ...desired.history, position };
  }

  /** @returns the namespaces where anything changed */
  #take({ routers, refused }: PulledRouters): Set<Netns> {
    const { desired } = this.#options;
    desired.unreadable.clear();
    const kept = refused.flatMap((one) => this.#refuse(one) ?? []);
    const all = [...routers, ...kept];
    const gone = new Set([...desired.routers()].map(({ id }) => id as string));
    for (const { id } of all) gone.delete(id);
    const touched = desired.replace(all);
    for (const id of gone) this.#listener.gone(id);
    for (const router of routers) this.#listener.declared(router);
    for (const { netns } of kept) touched.add(netns);
    return touched;
  }

  /** The description of a router cannot be read: the router stays as it was, and its status says why. @returns it as it was */
  #refuse({ id, reason }: Refused): DesiredRouter | undefined {
    const { desired, logger } = this.#options;
    logger.error({ routerId: id, reason }, 'the description of a router cannot be read; the other routers are served');
    if (id === '') return undefined;
    const why = `what the server says of this router cannot be read: ${reason}`;
    desired.unreadable.set(id, why);
    const router = desired.get(id);
    if (!router) this.#listener.refused(id, why);
    return router;
  }

  /** Of the routers that were asked for, those that are this host's: as they are, or as they were if they cannot be read. */
  #found(ids: readonly string[], { routers, refused }: PulledRouters): Map<string, DesiredRouter> {
    for (const id of ids) this.#options.desired.unreadable.delete(id);
    const kept = refused.flatMap((one) => this.#refuse(one) ?? []);
    return new Map([...routers, ...kept].map((router) => [router.id, router]));
  }

  /** @returns the namespaces where anything changed */
  #takeOne(id: string, router: DesiredRouter | undefined): Netns[] {
    const { desired } = this.#options;
    if (!router) {
      if (!desired.unreadable.has(id)) this.#listener.gone(id);
      return desired.delete(id);
    }
    this.#listener.declared(router);
    return desired.set(router);
  }

  async #timed<T>(pull: () => Promise<T>): Promise<T> {
    const { clock } = this.#options;
    const start = clock.monotonic();
    try {
      return await pull();
    } finally {
      this.#pulls++;
      this.#pullMs += clock.monotonic() - start;
    }
  }
}
