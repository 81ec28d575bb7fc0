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

/** A registry with the default metrics of a Node process. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: EVENT_LOOP_SAMPLE_MS });
  const registers = [registry];
  return {
    registry,
    counter: (name, help, labels = []) => new Counter({ name, help, labelNames: [...labels], registers }),
    gauge: (name, help, labels = []) => new Gauge({ name, help, labelNames: [...labels], registers }),
    histogram: (name, help, { labels = [], buckets }) => new Histogram({ name, help, labelNames: [...labels], buckets, registers }),
  };
}

/** Registers a gauge whose value another object keeps; `read` is called at each scrape. */
export function observe(metrics: Metrics, { name, help }: { name: string; help: string }, read: () => number): void {
  const gauge = metrics.gauge(name, help);
  Object.assign(gauge, { collect: () => gauge.set(read()) });
}

/** Name and help of the counter of refused bus messages, which server and agent have. */
export const REFUSED_MESSAGES = { name: 'pinhole_bus_refused_messages', help: 'Messages of the bus that were refused since the start' };

export const HOSTS_ALIVE = { name: 'pinhole_hosts_alive', help: 'Hosts whose agents send heartbeats' };
export const HOSTS_SILENT = {
  name: 'pinhole_hosts_silent',
  help: 'Hosts whose agents missed three heartbeats: is the agent running, and does it reach the bus?',
};

/** Upper bounds in seconds, from the time of a local call to a delay that a person notices. */
export const LATENCY_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
