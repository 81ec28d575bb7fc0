import { Socket } from 'node:net';
import type { Clock, Timer } from '../ports/clock.ts';
import { feedWatchdog, type IsWell } from '../telemetry/watchdog.ts';

/** The supervisor's pipe, as it is numbered in the processes that it starts. */
const PIPE_FD = 3;

/**
 * Gives the supervisor signs of life, if a supervisor started this process: one byte each, on a pipe. Without a supervisor, nothing
 * happens.
 * @param env `PINHOLE_LIFE_SIGN_MS`: milliseconds of silence after which the supervisor kills this process
 */
export function giveLifeSigns(env: NodeJS.ProcessEnv, clock: Clock, isWell: IsWell): Timer {
  const periodMs = Number(env['PINHOLE_LIFE_SIGN_MS'] ?? 0);
  if (!(periodMs > 0)) return { cancel: () => undefined };
  const pipe = new Socket({ fd: PIPE_FD, readable: false, writable: true });
  pipe.on('error', () => pipe.destroy());
  // A supervisor that does not read is stopped itself: signs that it has not read yet are enough.
  return feedWatchdog(clock, periodMs, isWell, () => pipe.writableLength === 0 && pipe.write('.'));
}
