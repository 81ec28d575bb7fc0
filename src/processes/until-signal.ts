import { systemClock } from '../ports/clock.ts';
import { sdNotify } from '../telemetry/sd-notify.ts';

export interface Running {
  /** Whether the process does its work; a watchdog of systemd is told only then. Default: always. */
  readonly isWell?: () => boolean;
  close(): Promise<void>;
}

/** Calls `reload` at each SIGHUP. */
export function onHangup(reload: () => void): void {
  process.on('SIGHUP', reload);
}

/** Runs until SIGTERM or SIGINT, then closes; a second signal ends at once. Tells systemd, if it waits to be told. */
export async function untilSignal({ isWell = () => true, close }: Running): Promise<void> {
  const notify = await sdNotify(process.env, (reason) => process.stderr.write(`systemd cannot be told: ${reason}\n`), systemClock);
  notify.ready(isWell);
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve());
  });
  notify.stopping();
  try {
    await close();
  } finally {
    notify.close();
  }
}
