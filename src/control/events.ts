import type { StoredEvent } from '../contract/event.ts';
import { PinholeError } from '../model/errors.ts';
import type { Context } from './context.ts';
import { routerTarget } from './policy/policy.ts';
import type { Principal } from './principal.ts';

const PAGE = 500;
const MAX_FOLLOWERS = 200;
/** Notifications may be lost; this finds what they were about. */
const SWEEP_MS = 2_000;

export interface Follower {
  /** Asked before each page: a token that ended since ends the stream. @throws PinholeError */
  authenticate(): Promise<Principal>;
  /** Resolves when more can be taken. */
  send(events: readonly StoredEvent[]): Promise<void>;
  readonly signal: AbortSignal;
}

/** Events in the order of their numbers, each follower at its own pace; each event is authorised for each. */
export class EventFeed {
  readonly #context: Context;
  readonly #waiting = new Set<() => void>();
  #followers = 0;

  constructor(context: Context) {
    this.#context = context;
    context.store.onEvents(() => this.#wakeAll());
  }

  /**
   * Where to follow from: after an event, or from now.
   * @throws PinholeError `events-gone` where retention removed what comes next; `overloaded` for too many followers
   */
  async start(after: number | null): Promise<number> {
    if (this.#followers >= MAX_FOLLOWERS) throw new PinholeError('overloaded', `At most ${MAX_FOLLOWERS} may follow events of one server.`);
    const { oldest, newest } = await this.#context.store.read.eventRange();
    if (after === null) return newest;
    if (after > newest) throw gone(`There is no event ${after} yet: the database is another than before. The newest is ${newest}.`);
    if (after < oldest - 1) throw gone(`Events up to ${oldest - 1} are kept no more. Read the state anew, then follow from ${newest}.`);
    return after;
  }

  /** Sends what is there and what comes, until the follower goes. @throws what its authentication throws */
  async follow(from: number, follower: Follower): Promise<void> {
    this.#followers++;
    try {
      for (let at = from; !follower.signal.aborted; ) {
        // Asked for before reading: what is committed in between is not missed.
        const woken = this.#nextWake(follower.signal);
        const principal = await follower.authenticate();
        const events = await this.#context.store.read.events(at, PAGE);
        const policy = this.#context.policy();
        const visible = events.filter(({ projectId }) => policy.allows(principal, 'get_event', routerTarget({ projectId })));
        if (visible.length > 0) await follower.send(visible);
        at = events.at(-1)?.seq ?? at;
        if (events.length < PAGE) await woken;
      }
    } finally {
      this.#followers--;
    }
  }

  #nextWake(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        timer.cancel();
        this.#waiting.delete(wake);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      const timer = this.#context.clock.after(SWEEP_MS, wake);
      this.#waiting.add(wake);
      signal.addEventListener('abort', wake);
    });
  }

  #wakeAll(): void {
    for (const wake of [...this.#waiting]) wake();
  }
}

function gone(message: string): PinholeError {
  return new PinholeError('events-gone', message);
}
