/**
 * The largest of the numbers and `least`. `Math.max(...numbers)` puts each on the stack, and ends with an exception at some 120,000.
 */
export function largest(numbers: Iterable<number>, least: number): number {
  let most = least;
  for (const number of numbers) if (number > most) most = number;
  return most;
}

/** The smallest of the numbers; Infinity for none. */
export function smallest(numbers: Iterable<number>): number {
  let least = Number.POSITIVE_INFINITY;
  for (const number of numbers) if (number < least) least = number;
  return least;
}
