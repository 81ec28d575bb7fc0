/** Thrown where a subject has had its time. */
export class OutOfTime extends Error {}

/** How long one subject may take: whoever reviews a thousand files waits for none of them. */
export class Budget {
  readonly #deadline: number;

  constructor(ms: number) {
    this.#deadline = performance.now() + ms;
  }

  /** For every step that may be one of very many. @throws OutOfTime */
  spend(): void {
    if (performance.now() > this.#deadline) throw new OutOfTime();
  }
}

/** Of the second that a subject may take, what is left for it after its text was read. */
export const REVIEW_MS = 900;

/** Runs rules one by one. @returns ids of those that time ran out for; what they found until then holds */
export function runRules<Rule extends { readonly id: string }>(rules: readonly Rule[], check: (rule: Rule) => void): string[] {
  return rules.flatMap((rule) => {
    try {
      check(rule);
      return [];
    } catch (error) {
      if (!(error instanceof OutOfTime)) throw error;
      return [rule.id];
    }
  });
}
