import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** A registry of one process's own: nothing is registered by importing. */
export interface Metrics {
  readonly registry: Registry;
  counter(name: string, help: string, labels?: readonly string[]): Counter<string>;
  gauge(name: string, help: string, labels?: readonly string[]): Gauge<string>;
  histogram(name: string, help: string, options: { labels?: readonly string[]; buckets: number[] }): Histogram<string>;
}

/** Each sample wakes the process: at the default of 10 ms an idle one would use most of a percent of a core for it. */
const EVENT_LOOP_SAMPLE_MS = 1_000;

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

/** A number that is kept elsewhere, read when somebody asks. */
export function observe(metrics: Metrics, { name, help }: { name: string; help: string }, read: () => number): void {
  const gauge = metrics.gauge(name, help);
  Object.assign(gauge, { collect: () => gauge.set(read()) });
}

export const REFUSED_MESSAGES = { name: 'pinhole_bus_refused_messages', help: 'Messages of the bus that were not taken since the start' };

/** Seconds, from what a local call takes to what a person notices. */
export const LATENCY_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
