/** Bounds on the work for one subject. */
export interface Limits {
  /** Steps for parsing and rules together. A step is a node, a share of a token, or the visit of a rule to one of them. */
  readonly steps: number;
  /** Monotonic clock, in milliseconds. Only the backstop reads it. */
  readonly now: () => number;
}

/** About one second on the reference machine (docs/decisions/0010-review.md), where a step takes 20 to 100 ns. */
const MAX_STEPS = 20_000_000;
/** Ten times the time that the steps take. If it passes, the machine or the count is at fault. */
export const BACKSTOP_MS = 10_000;
/** Steps charged for each claim. */
const CLAIM = 200;
/** Steps between two readings of the clock: about a millisecond. */
const INTERVAL = 20_000;

/** Thrown when the steps of a rule or of the subject are spent. The same text reaches this at the same step on every machine. */
export class OutOfSteps extends Error {
  override readonly message = 'not reviewed: it needs more steps than the limit for one subject';
}

/** Thrown when the backstop fires. The findings so far are discarded, because a faster machine would find more. */
export class Aborted extends Error {
  override readonly message = `not reviewed, aborted: it took more than ${BACKSTOP_MS / 1000} seconds on this machine`;
}

/** Counts the work on one subject. The count, and so the findings, depend on the text alone. */
export class Budget {
  #left: number;
  /** {@link OutOfSteps} is thrown below this: the rest is reserved for later work. */
  #floor = 0;
  /** Below this, `spend` checks the clock and the floor. Checking on every step would cost too much. */
  #mark: number;
  readonly #deadline: number;
  readonly #now: () => number;

  constructor({ steps = MAX_STEPS, now = () => performance.now() }: Partial<Limits> = {}) {
    this.#left = steps;
    this.#now = now;
    this.#deadline = now() + BACKSTOP_MS;
    this.#mark = Math.max(0, steps - INTERVAL);
  }

  /** Steps that may still be spent. */
  get left(): number {
    return this.#left;
  }

  /**
   * Charges steps. Every loop whose length a text decides calls this: once a turn, or once with the number of turns.
   * @throws OutOfSteps, Aborted
   */
  spend(steps = 1): void {
    this.#left -= steps;
    if (this.#left < this.#mark) this.#look();
  }

  /**
   * Runs work that may spend a quarter of the steps that are left, so that later work has some too. Calls may nest.
   * @throws OutOfSteps, Aborted
   */
  share(work: () => void): void {
    const floor = this.#floor;
    this.#floor = floor + Math.max(0, this.#left - floor) * 0.75;
    this.#mark = Math.max(this.#mark, this.#floor);
    try {
      work();
    } finally {
      this.#floor = floor;
      this.#mark = Math.max(floor, this.#left - INTERVAL);
    }
  }

  #look(): void {
    if (this.#left < this.#floor) throw new OutOfSteps();
    if (this.#now() > this.#deadline) throw new Aborted();
    this.#mark = Math.max(this.#floor, this.#left - INTERVAL);
  }
}

/**
 * Runs rules one by one, each with its share of the budget.
 * @returns ids of rules that ran out of steps; their claims up to then are valid
 * @throws Aborted
 */
export function runRules<Rule extends { readonly id: string }, Claim>(
  rules: readonly Rule[],
  budget: Budget,
  { check, report }: { check: (rule: Rule, report: (claim: Claim) => void) => void; report: (rule: Rule, claim: Claim) => void },
): string[] {
  return rules.flatMap((rule) => {
    try {
      budget.share(() =>
        check(rule, (claim) => {
          budget.spend(CLAIM);
          report(rule, claim);
        }),
      );
      return [];
    } catch (error) {
      if (!(error instanceof OutOfSteps)) throw error;
      return [rule.id];
    }
  });
}
