import type { Capabilities } from '../contract/agent.ts';
import type { DesiredRouter } from '../contract/desired-router.ts';
import { type Netns, showNetns } from '../contract/netns.ts';
import type { Kernel, Observation, TableChange, Version } from '../kernel/interface.ts';
import { capabilityKey, KERNEL_HELPERS } from '../model/catalogue.ts';
import type { ErrorData, Result } from '../model/errors.ts';
import { STAMP_PREFIX } from '../model/table.ts';
import { diff, revoked } from '../plan/diff.ts';
import { contentDigest, type Plan, render } from '../plan/render.ts';
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import { PendingStrips } from './pending-strips.ts';

export interface SyncerOptions {
  readonly kernel: Kernel;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Leave helpers on live connections when they are removed. */
  readonly keepLive: boolean;
}

export type SyncOutcome =
  /** Observed equals desired; `wrote` says whether that took a write. */
  | { readonly outcome: 'synced'; readonly plan: Plan; readonly wrote: boolean }
  /** Nothing can be done until something else happens (the namespace is not here). */
  | { readonly outcome: 'waiting'; readonly plan: Plan; readonly reason: string }
  /** To be tried again. */
  | { readonly outcome: 'failed'; readonly plan: Plan; readonly reason: string };

/** What we know of a namespace since its last verified read or write. */
interface NamespaceRecord {
  verified: (Version & { readonly digest: string }) | null;
  /** Objects that the kernel refused although the probe had them: left out, so that the other helpers work. */
  readonly refused: Set<string>;
  drifts: number;
  /** When drift was repaired, and until when it is left alone: {@link Clock.monotonic}. */
  repairs: number[];
  pausedUntil: number;
}

/** After so many repairs in this time another program is taken to write the table too; the agent then leaves it alone for a while. */
const FIGHT = { repairs: 20, withinMs: 5_000, pauseMs: 30_000 } as const;

/** Makes namespaces' observed tables equal desired ones, several at a time. One that fails fails alone. */
export class Syncer {
  readonly #options: SyncerOptions;
  readonly #records = new Map<Netns, NamespaceRecord>();
  readonly #strips: PendingStrips;
  readonly #counts = { unchanged: 0, verified: 0, writes: 0, drifts: 0, failures: 0 };

  constructor(options: SyncerOptions) {
    this.#options = options;
    this.#strips = new PendingStrips(options.kernel, options.logger);
  }

  /** Counted since the start. */
  get counts() {
    return { ...this.#counts, stripped: this.#strips.stripped };
  }

  drifts(netns: Netns): number {
    return this.#records.get(netns)?.drifts ?? 0;
  }

  /** Milliseconds until a namespace that is fought over is looked at again; 0 when it is not. */
  pause(netns: Netns): number {
    return Math.max(0, (this.#records.get(netns)?.pausedUntil ?? 0) - this.#options.clock.monotonic());
  }

  /** What the kernel refused it may have by now: the next sync tries it again. */
  retryRefused(netns: Netns): void {
    this.#records.get(netns)?.refused.clear();
  }

  forget(netns: Netns): void {
    this.#records.delete(netns);
    this.#strips.forget(netns);
  }

  /** @param desired null: the namespace should have no table of ours */
  async sync(items: readonly { netns: Netns; desired: DesiredRouter | null }[], capabilities: Capabilities): Promise<SyncOutcome[]> {
    const now = this.#options.clock.now();
    const jobs = items.map(({ netns, desired }) => this.#job(netns, desired, { capabilities, now }));
    const observations = await this.#options.kernel.observe(
      jobs.map(({ netns, record, digest }) => ({ netns, known: record.verified?.digest === digest ? versionOf(record.verified) : null })),
    );
    const changes: { job: Job; change: TableChange }[] = [];
    const outcomes = jobs.map((job, index) => {
      const decision = this.#decide(job, observations[index] as Result<Observation>);
      if ('outcome' in decision) return decision;
      changes.push({ job, change: decision });
      return null;
    });
    const applied = changes.length > 0 ? await this.#options.kernel.apply(changes.map(({ change }) => change)) : [];
    const written = new Map(changes.map(({ job }, index) => [job, this.#afterApply(job, applied[index] as (typeof applied)[number])]));
    return outcomes.map((outcome, index) => outcome ?? (written.get(jobs[index] as Job) as SyncOutcome));
  }

  #job(netns: Netns, desired: DesiredRouter | null, with_: { capabilities: Capabilities; now: Date }): Job {
    const record = this.#records.get(netns) ?? { verified: null, refused: new Set(), drifts: 0, repairs: [], pausedUntil: 0 };
    this.#records.set(netns, record);
    const plan = desired ? render(desired, without(with_.capabilities, record.refused), with_.now) : NOTHING;
    return { netns, record, plan, digest: plan.table ? contentDigest(plan.table) : '' };
  }

  #decide(job: Job, observation: Result<Observation>): SyncOutcome | TableChange {
    const { netns, record, plan, digest } = job;
    if (!observation.ok) return this.#afterError(job, observation.error);
    const observed = observation.value;
    if (observed.unchanged) {
      this.#counts.unchanged++;
      return { outcome: 'synced', plan, wrote: false };
    }
    const isOurs = observed.table === null || plan.table !== null || observed.table.comment.startsWith(STAMP_PREFIX);
    const changes = isOurs ? diff(plan.table, observed.table) : [];
    const expected = record.verified;
    if (changes.length === 0 && (observed.foreign.length === 0 || !isOurs)) {
      this.#counts.verified++;
      record.verified = { cookie: observed.cookie, generation: observed.generation, digest };
      this.#strips.run(netns, plan.table);
      return { outcome: 'synced', plan, wrote: false };
    }
    const drifted = expected !== null && expected.digest === digest && expected.cookie === observed.cookie;
    if (drifted && this.#isFight(netns, record)) {
      return {
        outcome: 'waiting',
        plan,
        reason: 'another program keeps changing table inet pinhole here; the agent leaves it alone for a while',
      };
    }
    if (drifted)
      this.#options.logger.warn(
        { netns, changes: changes.slice(0, 5), foreign: observed.foreign.slice(0, 5) },
        'drift: repairing the table',
      );
    record.verified = null;
    if (!this.#options.keepLive) this.#strips.add(netns, revoked(plan.table, observed.table));
    return { netns, table: plan.table };
  }

  #isFight(netns: Netns, record: NamespaceRecord): boolean {
    const now = this.#options.clock.monotonic();
    if (record.pausedUntil > now) return true;
    record.drifts++;
    this.#counts.drifts++;
    record.repairs = [...record.repairs.filter((at) => now - at < FIGHT.withinMs), now];
    if (record.repairs.length < FIGHT.repairs) return false;
    record.pausedUntil = now + FIGHT.pauseMs;
    this.#options.logger.error({ netns }, 'the table was changed by others too often; pausing repairs');
    return true;
  }

  #afterApply(job: Job, result: Result<Version>): SyncOutcome {
    const { netns, record, plan, digest } = job;
    if (!result.ok) return this.#afterError(job, result.error);
    const { cookie, generation } = result.value;
    this.#counts.writes++;
    record.verified = { cookie, generation, digest };
    this.#strips.run(netns, plan.table);
    return { outcome: 'synced', plan, wrote: true };
  }

  #afterError({ netns, record, plan }: Job, error: ErrorData): SyncOutcome {
    record.verified = null;
    if (error.code === 'netns-not-found') return { outcome: 'waiting', plan, reason: `network namespace ${showNetns(netns)} is not here` };
    if (error.code === 'netns-denied') return { outcome: 'waiting', plan, reason: error.message };
    this.#counts.failures++;
    const object = KERNEL_HELPERS.find(({ object }) => error.details.field === object)?.object;
    if (object) record.refused.add(object);
    return { outcome: 'failed', plan, reason: error.message };
  }
}

interface Job {
  readonly netns: Netns;
  readonly record: NamespaceRecord;
  readonly plan: Plan;
  readonly digest: string;
}

function versionOf({ cookie, generation }: Version): Version {
  return { cookie, generation };
}

const NOTHING: Plan = { table: null, statuses: [] };

function without(capabilities: Capabilities, refused: ReadonlySet<string>): Capabilities {
  if (refused.size === 0) return capabilities;
  const gone = new Set(
    KERNEL_HELPERS.filter(({ object }) => refused.has(object)).flatMap(({ type, protocol }) => [
      capabilityKey(type, protocol, 'ipv4'),
      capabilityKey(type, protocol, 'ipv6'),
    ]),
  );
  return { ...capabilities, helpers: capabilities.helpers.filter((key) => !gone.has(key)) };
}
