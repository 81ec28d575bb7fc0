/** What one subject may cost. */
export interface Limits {
  /** Steps for parsing and rules together; a step is a node, a token's share of parsing, or a rule's look at one of them. */
  readonly steps: number;
  /** Milliseconds of a clock that never goes back. It only serves the backstop. */
  readonly now: () => number;
}

/** On the machine that it was measured on, about a second (docs/decisions/0010-review.md). A step takes 20 to 100 ns there. */
const MAX_STEPS = 20_000_000;
/** Ten times what the steps take: past it something is wrong with the machine, or with the count. */
export const BACKSTOP_MS = 10_000;
/** Steps that writing a claim down is worth. */
const CLAIM = 200;
/** Steps between two looks at the clock: about a millisecond. */
const INTERVAL = 20_000;

/** Thrown when the steps are spent: by a rule's share, or by the subject. The same text gets there at the same step on any machine. */
export class OutOfSteps extends Error {
  override readonly message = 'not reviewed: it takes more steps than one subject may';
}

/** Thrown when the backstop fires. Nothing may be concluded from what was found until then, since a faster machine finds more. */
export class Aborted extends Error {
  override readonly message = `not reviewed, aborted: it took more than ${BACKSTOP_MS / 1000} seconds on this machine`;
}

/** Counts the work on one subject. The count, and so what is found, depends on the text alone. */
export class Budget {
  #left: number;
  /** Where {@link OutOfSteps} is thrown: what is left then is for others. */
  #floor = 0;
  /** What is left when the clock, or the floor, is looked at next. */
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

  /** Every loop that a text can make long calls this: once for each turn, or once with the number of turns. @throws OutOfSteps, Aborted */
  spend(steps = 1): void {
    this.#left -= steps;
    if (this.#left < this.#mark) this.#look();
  }

  /** Runs something with a quarter of the steps that are left, so that what comes after it has some too. @throws OutOfSteps, Aborted */
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

/** Runs rules one by one. @returns ids of those whose steps did not suffice; what they found until then holds. @throws Aborted */
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
