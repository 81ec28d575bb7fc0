import type { Capabilities } from '../contract/agent.ts';
import type { DesiredRouter } from '../contract/desired-router.ts';
import { type Netns, showNetns } from '../contract/netns.ts';
import type { Kernel, Observation, TableChange, Version } from '../kernel/interface.ts';
import { capabilityKey, KERNEL_HELPERS } from '../model/catalogue.ts';
import type { ErrorData, Result } from '../model/errors.ts';
import { installationOf } from '../model/table.ts';
import { diff, revoked } from '../plan/diff.ts';
import { contentDigest, type Plan, render } from '../plan/render.ts';
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import { type Ownership, whyLeftAlone } from './ownership.ts';
import { PendingStrips } from './pending-strips.ts';
import { type Moment, momentOf } from './verification.ts';

export interface SyncerOptions {
  readonly kernel: Kernel;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Leave helpers on live connections when they are removed. */
  readonly keepLive: boolean;
}

export type SyncOutcome =
  /** Observed equals desired, since `at` at the latest; `wrote` says whether that took a write. */
  | { readonly outcome: 'synced'; readonly plan: Plan; readonly wrote: boolean; readonly at: Moment }
  /** The table there is not this agent's to change: it is left alone until it goes. */
  | { readonly outcome: 'left alone'; readonly plan: Plan; readonly reason: string }
  /** Nothing can be done until something else happens (the namespace is not here). */
  | { readonly outcome: 'waiting'; readonly plan: Plan; readonly reason: string }
  /** To be tried again. */
  | { readonly outcome: 'failed'; readonly plan: Plan; readonly reason: string };

/** What we know of a namespace since its last verified read or write. */
interface NamespaceRecord {
  verified: (Version & { readonly digest: string }) | null;
  /** What the last sync made it equal to. */
  desired: DesiredRouter | null;
  /** Objects that the kernel refused although the probe had them: left out, so that the other helpers work. */
  readonly refused: Set<string>;
  /** Why the table there was left alone at the last look, which the log says once; null if it was not. */
  leftAlone: string | null;
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

  /** What the last sync of a namespace made it equal to; null: nothing. */
  synced(netns: Netns): DesiredRouter | null {
    return this.#records.get(netns)?.desired ?? null;
  }

  /**
   * Looks whether namespaces are as they were at their last verified read or write; others are left out, as syncs are due there anyway.
   * @returns those that are, and those that are not or could not be looked at
   */
  async check(names: readonly Netns[]): Promise<{ readonly held: Netns[]; readonly others: Netns[] }> {
    const asked = names.flatMap((netns) => {
      const verified = this.#records.get(netns)?.verified ?? null;
      return verified ? [{ netns, verified }] : [];
    });
    const answers = await this.#options.kernel.observe(asked.map(({ netns, verified }) => ({ netns, known: versionOf(verified) })));
    const [held, others]: [Netns[], Netns[]] = [[], []];
    for (const [index, { netns, verified }] of asked.entries()) {
      const answer = answers[index] as Result<Observation>;
      // A sync that came in between knows better.
      if (this.#records.get(netns)?.verified !== verified) continue;
      (answer.ok && answer.value.unchanged ? held : others).push(netns);
    }
    return { held, others };
  }

  /** What the kernel refused it may have by now: the next sync tries it again. */
  retryRefused(netns: Netns): void {
    this.#records.get(netns)?.refused.clear();
  }

  forget(netns: Netns): void {
    this.#records.delete(netns);
    this.#strips.forget(netns);
  }

  /** @param items `desired` is null where the namespace should have no table of ours */
  async sync(
    items: readonly { netns: Netns; desired: DesiredRouter | null }[],
    capabilities: Capabilities,
    ownership: Ownership,
  ): Promise<SyncOutcome[]> {
    const at = momentOf(this.#options.clock);
    const now = this.#options.clock.now();
    const jobs = items.map(({ netns, desired }) => this.#job(netns, desired, { capabilities, now, ownership, at }));
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

  #job(
    netns: Netns,
    desired: DesiredRouter | null,
    with_: { capabilities: Capabilities; now: Date; ownership: Ownership; at: Moment },
  ): Job {
    const record = this.#records.get(netns) ?? newRecord();
    this.#records.set(netns, record);
    const { capabilities, now, ownership, at } = with_;
    const { installation } = ownership;
    const plan = desired ? render(desired, without(capabilities, record.refused), now, installation) : NOTHING;
    // A stamp that names another owner than before is a table to be written.
    const digest = plan.table ? `${installation ?? ''} ${contentDigest(plan.table)}` : '';
    return { netns, desired, record, plan, ownership, digest, at };
  }

  #decide(job: Job, observation: Result<Observation>): SyncOutcome | TableChange {
    const { netns, record, plan, digest } = job;
    if (!observation.ok) return this.#afterError(job, observation.error);
    const observed = observation.value;
    if (observed.unchanged) {
      this.#counts.unchanged++;
      return synced(job, false);
    }
    const standing = observed.table;
    const reason = standing && whyLeftAlone({ netns, comment: standing.comment, isWanted: plan.table !== null }, job.ownership);
    if (reason !== null) return this.#leaveAlone(job, reason);
    record.leftAlone = null;
    const changes = diff(plan.table, standing);
    const isStamped = standing === null || plan.table === null || installationOf(standing.comment) === job.ownership.installation;
    const expected = record.verified;
    if (changes.length === 0 && observed.foreign.length === 0 && isStamped) {
      this.#counts.verified++;
      record.verified = { cookie: observed.cookie, generation: observed.generation, digest };
      this.#strips.run(netns, plan.table);
      return synced(job, false);
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
    if (!this.#options.keepLive) this.#strips.add(netns, revoked(plan.table, standing));
    return { netns, table: plan.table, replaces: standing?.comment ?? null };
  }

  #leaveAlone({ netns, record, plan }: Job, reason: string): SyncOutcome {
    if (record.leftAlone !== reason) this.#options.logger.warn({ netns, reason }, 'a table is left alone');
    record.leftAlone = reason;
    record.verified = null;
    return { outcome: 'left alone', plan, reason };
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
    return synced(job, true);
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
  readonly desired: DesiredRouter | null;
  readonly record: NamespaceRecord;
  readonly plan: Plan;
  readonly ownership: Ownership;
  /** Of owner and content of the planned table; empty for none. */
  readonly digest: string;
  /** When the sync began. */
  readonly at: Moment;
}

function newRecord(): NamespaceRecord {
  return { verified: null, desired: null, refused: new Set(), leftAlone: null, drifts: 0, repairs: [], pausedUntil: 0 };
}

function synced({ record, desired, plan, at }: Job, wrote: boolean): SyncOutcome {
  record.desired = desired;
  return { outcome: 'synced', plan, wrote, at };
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
