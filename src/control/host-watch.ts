import { Timers } from '../ports/timers.ts';
import type { Context } from './context.ts';
import { hostEvent, logTurn, silenceOf } from './host-turns.ts';
import { isAlive } from './presence.ts';

/** Silence is noticed that much later at most. */
const EVERY_MS = 2_000;

/**
 * Notices agents that have fallen silent, and tells of each once, however many servers look. The next heartbeat takes it back
 * (`Status.saveHeartbeat`).
 */
export class HostWatch {
  readonly #context: Context;
  readonly #timers: Timers;
  #counts = { alive: 0, silent: 0 };

  constructor(context: Context) {
    this.#context = context;
    this.#timers = new Timers(context);
  }

  /** Numbers of hosts at the last look. */
  get counts(): { readonly alive: number; readonly silent: number } {
    return this.#counts;
  }

  /** Starts looking at intervals. */
  start(): void {
    this.#timers.everyAbout(EVERY_MS, () => {
      this.look().catch((error) => this.#context.logger.warn({ err: error }, 'whether hosts are silent is not known: tried again'));
    });
  }

  /** Stops. A look under way is completed. */
  close(): void {
    this.#timers.close();
  }

  /** Looks at every host now. @throws PinholeError of the store */
  async look(): Promise<void> {
    const { store, clock, logger } = this.#context;
    const now = clock.now();
    const agents = await store.read.agents();
    const silent = agents.filter((agent) => !isAlive(agent, now));
    this.#counts = { alive: agents.length - silent.length, silent: silent.length };
    for (const agent of silent.filter(({ silentSince }) => silentSince === null)) {
      const turn = silenceOf(agent);
      const isFirst = await store.write(async (tx) => {
        if (!(await tx.markSilent(agent))) return false;
        tx.appendEvent(hostEvent(turn, now.toISOString()));
        return true;
      });
      if (isFirst) logTurn(logger, turn);
    }
  }
}
