/** Values that a law is tried on: in CI, in the soak, and in the fast loop of a developer. */
const VALUES = { soak: 100_000, ci: 1_000, fast: 200 } as const;

/**
 * How many values a law is tried on: 1,000 in CI (`CI=true`), 100,000 in the soak (`PINHOLE_SOAK=1`), otherwise 200.
 * @param share of that, for a law whose single trial is itself large
 */
export function runs(share = 1): { numRuns: number } {
  const { PINHOLE_SOAK: soak, CI: ci } = process.env;
  const all = soak !== undefined ? VALUES.soak : ci ? VALUES.ci : VALUES.fast;
  return { numRuns: Math.ceil(all * share) };
}
