import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** A process's own registry of Prometheus metrics. Importing this file registers nothing. Each name may be registered once. */
export interface Metrics {
  readonly registry: Registry;
  /** Registers a number that only rises. */
  counter(name: string, help: string, labels?: readonly string[]): Counter<string>;
  /** Registers a number that rises and falls. */
  gauge(name: string, help: string, labels?: readonly string[]): Gauge<string>;
  /** Registers a distribution; `buckets` are upper bounds, in the metric's unit. */
  histogram(name: string, help: string, options: { labels?: readonly string[]; buckets: number[] }): Histogram<string>;
}

/** Each sample wakes the process. At the default of 10 ms, that alone would use almost one percent of a core. */
const EVENT_LOOP_SAMPLE_MS = 1_000;

/** Gauges of prom-client whose names end in `_total`, which Prometheus keeps for counters; each has a twin with labels by kind. */
const MISNAMED = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total'];

/**
 * A registry with the default metrics of a Node process, and what it is.
 * @param process `server` or `agent`
 */
export function createMetrics({ process, version }: { readonly process: string; readonly version: string }): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: EVENT_LOOP_SAMPLE_MS });
  for (const name of MISNAMED) registry.removeSingleMetric(name);
  const registers = [registry];
  const build = { name: 'pinhole_build_info', help: 'Always 1; its labels say which version of which process this is' };
  new Gauge({ ...build, labelNames: ['process', 'version'], registers }).set({ process, version }, 1);
  return {
    registry,
    counter: (name, help, labels = []) => new Counter({ name, help, labelNames: [...labels], registers }),
    gauge: (name, help, labels = []) => new Gauge({ name, help, labelNames: [...labels], registers }),
    histogram: (name, help, { labels = [], buckets }) => new Histogram({ name, help, labelNames: [...labels], buckets, registers }),
  };
}

/** A metric whose values another object keeps. */
export interface Observed {
  readonly name: string;
  /** What it counts, and what to do where it is not as it should be. */
  readonly help: string;
  /** A counter only rises, and its name ends in `_total`. Default: a gauge. */
  readonly kind?: 'counter' | 'gauge';
}

/** Registers a metric without labels; `read` is called at each scrape. */
export function observe(metrics: Metrics, observed: Observed, read: () => number): void {
  observeTogether(metrics, [[observed, (value: number) => value]], read);
}

/**
 * Registers metrics without labels that one reading feeds: a scrape calls `read` once for all of them. While it gives null, what they count
 * is not known, and they are left out: a number of before would be a wrong one.
 * @param members each metric, and its part of what was read
 */
export function observeTogether<T>(
  { registry }: Metrics,
  members: readonly (readonly [Observed, (values: T) => number])[],
  read: () => T | null | Promise<T | null>,
): void {
  let reading: Promise<T | null> | null = null;
  const shared = () => {
    reading ??= Promise.resolve(read()).finally(() => {
      reading = null;
    });
    return reading;
  };
  for (const [{ name, help, kind = 'gauge' }, part] of members) {
    const collect = async () => {
      const values = await shared();
      metric.reset();
      if (values === null) metric.remove();
      else metric.inc(part(values));
    };
    const options = { name, help, registers: [registry], collect };
    const metric: Gauge | Counter = kind === 'gauge' ? new Gauge(options) : new Counter(options);
  }
}

/** As {@link observe}, with a value for each value of one label. Tenants must not choose its values. */
export function observeEach(
  { registry }: Metrics,
  { name, help, kind = 'gauge', label }: Observed & { readonly label: string },
  read: () => Readonly<Record<string, number>>,
): void {
  const collect = () => {
    metric.reset();
    for (const [value, count] of Object.entries(read())) metric.inc({ [label]: value }, count);
  };
  const options = { name, help, labelNames: [label], registers: [registry], collect };
  const metric: Gauge<string> | Counter<string> = kind === 'gauge' ? new Gauge(options) : new Counter(options);
}

/** The counter of refused bus messages, which server and agent have. */
export const REFUSED_MESSAGES: Observed = {
  name: 'pinhole_bus_refused_messages_total',
  help: 'Messages of the bus that were refused: the log gives each reason once',
  kind: 'counter',
};

/** Upper bounds in seconds, from the time of a local call to a delay that a person notices. */
export const LATENCY_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** Upper bounds in seconds, from a change that its host hears of at once to one that waits for a host that is away. */
export const DELAY_BUCKETS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800];
