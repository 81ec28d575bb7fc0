import { documented, list } from './compounds.ts';
import { asLine, HOST_NAME, TIME } from './primitives.ts';
import { record } from './record.ts';
import { oneOf, text } from './scalars.ts';
import type { Of } from './shape.ts';

const CHECK = text({ max: 256, what: 'the name of a check' });
/** Rules in it are cut to 200 characters each. */
const DETAIL = text({ max: 8_192, what: 'what a check found' });
/** A router has at most 2,000 helpers; those of one kind share their rows. */
const MAX_CHECKS = 10_000;

export const DIAGNOSIS = record({
  check: CHECK,
  result: documented(oneOf('ok', 'note', 'problem'), 'note: it is not known, or it is no fault by itself'),
  detail: DETAIL,
});
/** One check of why a helper may not work in a namespace, and its result. */
export type Diagnosis = Of<typeof DIAGNOSIS>;

export const DIAGNOSES = list(DIAGNOSIS, MAX_CHECKS);

/** Returns checks whose texts, which quote rules, are as the contract has them: without control characters, and cut. */
export function asDiagnoses(found: readonly Diagnosis[]): Diagnosis[] {
  return found
    .slice(0, MAX_CHECKS)
    .map(({ check, result, detail }) => ({ check: asLine(check, CHECK.max), result, detail: asLine(detail, DETAIL.max) }));
}

export const ROUTER_DIAGNOSIS = record({
  host: documented(HOST_NAME, 'the host whose agent looked'),
  at: documented(TIME, 'when it looked, by the clock of the server'),
  checks: documented(DIAGNOSES, 'problems first'),
});
/** What an agent found when it followed the connections of a router's helpers through its live rules, routes and settings. */
export type RouterDiagnosis = Of<typeof ROUTER_DIAGNOSIS>;
