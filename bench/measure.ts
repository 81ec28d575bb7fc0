import { performance } from 'node:perf_hooks';

export interface Summary {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export function summarise(samples: readonly number[]): Summary {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (share: number) => round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN);
  return { count: sorted.length, p50: at(0.5), p99: at(0.99), max: round(sorted.at(-1) ?? Number.NaN) };
}

/** The middle one of the sorted samples. */
export function median(samples: readonly number[]): number {
  return summarise(samples).p50;
}

export function round(value: number): number {
  return Number(value.toPrecision(4));
}

/** The duration of `work` in ms. */
export async function milliseconds(work: () => unknown): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** One section of the report: what was measured, its target, and whether it was reached (null: there is none to reach). */
export interface Result {
  readonly what: string;
  readonly target: string;
  readonly ok: boolean | null;
  readonly figures: Readonly<Record<string, number | string>>;
}

/** Configuration of a measured server, as YAML: without rate limits, since one token sends all requests. */
export const UNLIMITED = 'limits:\n  requests_per_second: 0\n  failures_per_second: 0\n';
