/**
 * How many values a law is tried on: 1,000, and 100,000 in the soak (`PINHOLE_SOAK=1`).
 * @param share of that, for a law whose single trial is itself large
 */
export function runs(share = 1): { numRuns: number } {
  const all = process.env['PINHOLE_SOAK'] === undefined ? 1_000 : 100_000;
  return { numRuns: Math.ceil(all * share) };
}
