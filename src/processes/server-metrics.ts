import type { Bus } from '../bus/interface.ts';
import type { Meters } from '../control/context.ts';
import type { EventFeed } from '../control/events.ts';
import type { HostWatch } from '../control/host-watch.ts';
import type { Clock } from '../ports/clock.ts';
import type { Store, Totals } from '../store/interface.ts';
import { DELAY_BUCKETS, type Metrics, observe, observeEach, observeTogether, REFUSED_MESSAGES } from '../telemetry/metrics.ts';

/** What a server's metrics read at each scrape. */
export interface ServerParts {
  readonly store: Store;
  readonly bus: Bus;
  readonly hostWatch: HostWatch;
  readonly events: EventFeed;
  readonly clock: Clock;
}

/** Registers what use cases count. @returns where they say it */
export function meters(metrics: Metrics): Meters {
  const applied = metrics.histogram(
    'pinhole_change_applied_seconds',
    'Time from the commit of a change to the report that it is in the kernel',
    {
      buckets: DELAY_BUCKETS,
    },
  );
  return { appliedAfter: (seconds) => applied.observe(seconds) };
}

/** Registers the metrics of a server, apart from those of HTTP. */
export function registerServerMetrics(metrics: Metrics, parts: ServerParts): void {
  const { store, bus, hostWatch, events } = parts;
  observe(metrics, REFUSED_MESSAGES, () => bus.refused);
  const hosts = 'Hosts by state. A silent one missed three heartbeats: is its agent running, and does it reach the bus?';
  observeEach(metrics, { name: 'pinhole_hosts', help: hosts, label: 'state' }, () => ({ ...hostWatch.counts }));
  observe(metrics, { name: 'pinhole_event_streams', help: 'Clients that follow events now' }, () => events.followers);
  observe(metrics, { name: 'pinhole_store_commits_total', help: 'Commits of this server', kind: 'counter' }, () => store.commits.count);
  const units = { name: 'pinhole_store_committed_changes_total', help: 'Changes in those commits: by commits, the size of a batch' };
  observe(metrics, { ...units, kind: 'counter' }, () => store.commits.units);
  const refuses = '1 while the database refuses changes: is its disk full, or its connection lost?';
  observe(metrics, { name: 'pinhole_store_refuses_changes', help: refuses }, () => (store.refusesWrites() ? 1 : 0));
  registerTotals(metrics, parts);
}

/** One reading of the database answers all of them; none while it does not answer. */
function registerTotals(metrics: Metrics, { store, clock }: ServerParts): void {
  const hints = 'Hints to agents that are not sent: is the bus there? Agents find changes later without them';
  const ageOf = ({ oldestHint }: Totals) => (oldestHint === null ? 0 : Math.max(0, clock.now().getTime() - Date.parse(oldestHint)) / 1_000);
  observeTogether<Totals>(
    metrics,
    [
      [{ name: 'pinhole_routers', help: 'Routers that are declared' }, ({ routers }) => routers],
      [{ name: 'pinhole_helpers', help: 'Helpers that are declared' }, ({ helpers }) => helpers],
      [{ name: 'pinhole_outbox_hints', help: hints }, (totals) => totals.hints],
      [{ name: 'pinhole_outbox_oldest_seconds', help: 'Age of the oldest of them; 0 for none' }, ageOf],
    ],
    () => store.read.totals().catch(() => null),
  );
}
