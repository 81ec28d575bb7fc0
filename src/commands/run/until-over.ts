import type { Config } from '../../config/config.ts';
import { ERROR_CODES } from '../../model/errors.ts';
import { systemChance } from '../../ports/chance.ts';
import { systemClock } from '../../ports/clock.ts';
import { onHangup, untilSignal } from '../../processes/until-signal.ts';
import type { Accounts } from '../../supervisor/accounts.ts';
import type { Program } from '../../supervisor/programs.ts';
import { supervise } from '../../supervisor/supervisor.ts';

/** How long what a failed start left open may keep the process from ending. */
const LINGER_MS = 1_000;

/**
 * Supervises programs until it is stopped, or until one of them refuses its configuration: then the exit status is 2. SIGHUP is
 * passed on to the server.
 */
export async function superviseUntilOver(programs: readonly Program[], config: Config, accounts: Accounts, env = {}): Promise<void> {
  const supervised = supervise(
    programs,
    { accounts, env: { ...process.env, PINHOLE_RUN_DIR: config.runDir, ...env } },
    { clock: systemClock, chance: systemChance },
  );
  onHangup(() => supervised.reload());
  const over = supervised.refused.then(() => {
    process.exitCode = ERROR_CODES['invalid-input'].exit;
  });
  await untilSignal({ over, close: () => supervised.stop() });
}

/** Waits for a start. If it fails, the process ends even if the start left connections open. @throws what the start throws */
export async function started<T>(start: Promise<T>): Promise<T> {
  try {
    return await start;
  } catch (error) {
    setTimeout(() => process.exit(), LINGER_MS).unref();
    throw error;
  }
}
