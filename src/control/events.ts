import type { StoredEvent } from '../contract/event.ts';
import { PinholeError } from '../model/errors.ts';
import type { Context } from './context.ts';
import { Places } from './places.ts';
import { type Policy, routerTarget } from './policy/policy.ts';
import { ownerOf, type Principal } from './principal.ts';

const PAGE = 500;
/** Places of followers of events on one server. */
const PLACES = { total: 200, reserved: 20, perOwner: 40 } as const;
/** Notifications can be lost. A follower therefore looks for new events at least this often. */
const SWEEP_MS = 2_000;

/** One client that follows events. */
export interface Follower {
  /**
   * Returns the client's principal. Called before each page, so that a token that has expired or was revoked ends the stream.
   * @throws PinholeError
   */
  authenticate(): Promise<Principal>;
  /** Sends a page and resolves when the client can take more. */
  send(events: readonly StoredEvent[]): Promise<void>;
  /** Aborted when the client has gone. */
  readonly signal: AbortSignal;
}

/** Sends events in the order of their numbers. Each follower reads at its own pace, and sees the events of projects that it may see. */
export class EventFeed {
  readonly #context: Context;
  readonly #waiting = new Set<() => void>();
  readonly #places = new Places(PLACES);

  constructor(context: Context) {
    this.#context = context;
    context.store.onEvents(() => this.#wakeAll());
  }

  /** How many follow now. */
  get followers(): number {
    return this.#places.taken;
  }

  /**
   * Takes a place for a follower.
   * @returns `from`: the number of the event after which to follow: `after`, or the newest for null; `leave` gives the place back
   * @throws PinholeError `events-gone` if retention has removed events after `after`, or the number is of another database;
   * `overloaded` for too many followers
   */
  async start(principal: Principal, after: number | null): Promise<{ readonly from: number; readonly leave: () => void }> {
    const isAdmin = this.#context.policy().allows(principal, 'admin_only', {});
    const leave = this.#places.take({ owner: ownerOf(principal), isAdmin });
    try {
      return { from: await this.#first(after), leave };
    } catch (error) {
      leave();
      throw error;
    }
  }

  async #first(after: number | null): Promise<number> {
    const { oldest, newest } = await this.#context.store.read.eventRange();
    if (after === null) return newest;
    if (after > newest) throw gone(`There is no event ${after} in this database. The newest is ${newest}.`);
    if (after < oldest - 1) throw gone(`Events up to ${oldest - 1} have been removed. Read the state again, then follow from ${newest}.`);
    return after;
  }

  /** Sends existing and new events until the follower's signal is aborted. @throws the error of its `authenticate` */
  async follow(from: number, follower: Follower): Promise<void> {
    for (let at = from; !follower.signal.aborted; ) {
      // The wait starts before the read, so that it does not miss events that are committed in between.
      const woken = this.#nextWake(follower.signal);
      const principal = await follower.authenticate();
      const events = await this.#context.store.read.events(at, PAGE);
      const policy = this.#context.policy();
      const visible = events.filter((event) => maySee(policy, principal, event));
      if (visible.length > 0) await follower.send(visible);
      at = events.at(-1)?.seq ?? at;
      if (events.length < PAGE) await woken;
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

/** Events of hosts are for those who may see hosts; the others for readers of the router's project. */
function maySee(policy: Policy, principal: Principal, { kind, projectId }: StoredEvent): boolean {
  return kind === 'host' ? policy.allows(principal, 'get_agent', {}) : policy.allows(principal, 'get_event', routerTarget({ projectId }));
}
