import type { ChildProcess } from 'node:child_process';
import type { Clock } from '../ports/clock.ts';
import { Silence } from '../ports/silence.ts';
import type { Program } from './programs.ts';

/** A process that starts on a slow machine, or migrates a database, gives no sign of life yet. systemd waits as long by default. */
const START_MS = 90_000;

/** What the child reads of its watch: see `processes/life-signs.ts`. */
export function watchVariables({ silentMs }: Program): NodeJS.ProcessEnv {
  return { PINHOLE_LIFE_SIGN_MS: String(silentMs) };
}

/**
 * Kills a child that was silent for too long: one that is stopped, or hangs in a loop, cannot say so itself. The watch ends with the
 * child.
 * @param child its fourth stream is the pipe on which it gives signs of life
 */
export function watchChild(child: ChildProcess, { name, silentMs }: Program, clock: Clock): void {
  const pipe = child.stdio[3];
  const kill = (afterMs: number) => () => {
    process.stderr.write(`${name} has given no sign of life for ${afterMs / 1000} s; killing it\n`);
    child.kill('SIGKILL');
  };
  const starting = new Silence(clock, { afterMs: START_MS, silent: kill(START_MS) });
  const running = new Silence(clock, { afterMs: silentMs, silent: kill(silentMs) });
  let isRunning = false;
  starting.start();
  pipe?.on('data', () => {
    if (!isRunning) {
      starting.stop();
      running.start();
    }
    isRunning = true;
    running.heard();
  });
  pipe?.on('error', () => undefined);
  child.once('exit', () => {
    starting.stop();
    running.stop();
    pipe?.destroy();
  });
}
