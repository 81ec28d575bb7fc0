import { systemClock } from '../ports/clock.ts';
import { sdNotify } from '../telemetry/sd-notify.ts';
import type { IsWell } from '../telemetry/watchdog.ts';
import { giveLifeSigns } from './life-signs.ts';

/** A process's work. */
export interface Running {
  /** Whether the process makes progress. The watchdog of systemd or the supervisor is fed only if it does. Default: always. */
  readonly isWell?: IsWell;
  /** Resolves if the work ends by itself. Default: it does not. */
  readonly over?: Promise<void>;
  /** Ends the work. The process exits when it resolves. */
  close(): Promise<void>;
}

/** Calls `reload` at each SIGHUP. */
export function onHangup(reload: () => void): void {
  process.on('SIGHUP', reload);
}

/**
 * Runs until SIGTERM or SIGINT, or until the work is over, then closes; a second signal ends the process at once. Notifies systemd, if
 * systemd started the process with `Type=notify`. Resolves when closed.
 */
export async function untilSignal({ isWell = () => true, over, close }: Running): Promise<void> {
  const notify = await sdNotify(process.env, (reason) => process.stderr.write(`systemd cannot be notified: ${reason}\n`), systemClock);
  notify.ready(isWell);
  const lifeSigns = giveLifeSigns(process.env, systemClock, isWell);
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve());
    void over?.then(resolve);
  });
  notify.stopping();
  try {
    await close();
  } finally {
    notify.close();
    lifeSigns.cancel();
  }
}
