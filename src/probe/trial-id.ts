/**
 * The name of one trial, which all of its texts carry: the session's token, a dash and a number. A reflector talks only to a peer
 * that names a trial of a session, so that a stranger cannot make it send anything.
 */
const TRIAL = /[0-9a-f]{16}-\d{1,2}/;

/** The form of a session's token: 8 random bytes in hex. */
export const TOKEN = /^[0-9a-f]{16}$/;
/** A trial's name and nothing else. */
export const TRIAL_ID = new RegExp(`^${TRIAL.source}$`);
/** The highest number of a trial in one session. */
export const MAX_TRIALS = 64;

/** The name of a session's trial. @param number from 1 to {@link MAX_TRIALS} */
export function trialId(token: string, number: number): string {
  return `${token}-${number}`;
}

/** The first name of a trial in a text; null: there is none. */
export function findTrial(text: string): string | null {
  return TRIAL.exec(text)?.[0] ?? null;
}

/** The session's token in the name of a trial. */
export function tokenOf(trial: string): string {
  return trial.slice(0, trial.indexOf('-'));
}
