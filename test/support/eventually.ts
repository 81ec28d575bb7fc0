import { setTimeout as sleep } from 'node:timers/promises';

/** Waits for something that will come to pass; fails when it has not in time. The bound is generous, the wait is not. */
export async function eventually(
  condition: () => boolean | Promise<boolean>,
  options: { what?: string; timeoutMs?: number } = {},
): Promise<void> {
  const { what = condition.toString(), timeoutMs = 10_000 } = options;
  const deadline = Date.now() + timeoutMs;
  for (let wait = 1; !(await condition()); wait = Math.min(wait * 2, 50)) {
    if (Date.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await sleep(wait);
  }
}
