import type { Clock, Timer } from '../ports/clock.ts';
import { MAX_KEPT } from './channel.ts';
import type { DataPair } from './data-port.ts';
import type { Endpoint } from './endpoint.ts';
import { MAX_TRIALS, TRIAL_ID, tokenOf } from './trial-id.ts';
import type { Probed } from './trials.ts';

/** What a reflector gives to all of its clients together, and to each. */
export interface Limits {
  /** Sessions at one time: of all clients, and of one address. */
  readonly sessions: number;
  readonly sessionsPerAddress: number;
  /** Milliseconds after which a session ends. */
  readonly sessionMs: number;
  /** Sessions that one address may begin in a minute. */
  readonly beginsPerMinute: number;
  /** Control connections at one time: of all clients, and of one address. */
  readonly controls: number;
  readonly controlsPerAddress: number;
  /** Milliseconds after which a connection that names no trial is closed. */
  readonly strangerMs: number;
  /** Connections and datagrams to the client that one trial may ask for. */
  readonly reaches: number;
  /** Pairs of data ports at one time: of all clients, and of one session. */
  readonly pairs: number;
  readonly pairsPerSession: number;
}

export const DEFAULT_LIMITS: Limits = {
  sessions: 64,
  sessionsPerAddress: 8,
  sessionMs: 120_000,
  beginsPerMinute: 30,
  controls: 512,
  controlsPerAddress: 64,
  strangerMs: 5_000,
  reaches: 8,
  pairs: 128,
  pairsPerSession: 16,
};

const MINUTE_MS = 60_000;
/** Addresses whose sessions of the last minute are counted; one more has to wait. */
const MAX_COUNTED = 4096;

/** What a reflector has seen of one trial. Texts have one character a byte, and are kept up to {@link MAX_KEPT}. */
export class TrialRecord {
  readonly id: string;
  /** The protocol at whose port the trial arrived. */
  helper: Probed | null = null;
  received = '';
  sent = '';
  /** The control connection, as it was seen here. */
  from: Endpoint | null = null;
  at: Endpoint | null = null;
  /** Where the received text wants the announced connection. */
  announced: Endpoint | null = null;
  /** Where a datagram came from that announced nothing. */
  quiet: Endpoint | null = null;
  pair: DataPair | null = null;
  reaches = 0;

  constructor(id: string) {
    this.id = id;
  }

  keepReceived(text: string): void {
    this.received = (this.received + text).slice(0, MAX_KEPT);
  }

  keepSent(text: string): void {
    this.sent = (this.sent + text).slice(0, MAX_KEPT);
  }

  close(): void {
    this.pair?.announced.close();
    this.pair?.quiet.close();
    this.pair = null;
  }
}

/** One client's visit. */
export class Session {
  readonly token: string;
  /** The client's address on the channel, which a TCP handshake has verified; null: the client is on this host. */
  readonly address: string | null;
  readonly #trials = new Map<string, TrialRecord>();

  constructor(token: string, address: string | null) {
    this.token = token;
    this.address = address;
  }

  /** The record of a trial of this session, a new one if need be. @returns null: the name is not one of this session's */
  trial(id: string): TrialRecord | null {
    const number = Number(id.slice(this.token.length + 1));
    if (!TRIAL_ID.test(id) || tokenOf(id) !== this.token || number < 1 || number > MAX_TRIALS) return null;
    const found = this.#trials.get(id) ?? new TrialRecord(id);
    this.#trials.set(id, found);
    return found;
  }

  /** Pairs of data ports that are open. */
  get pairs(): number {
    return [...this.#trials.values()].filter(({ pair }) => pair !== null).length;
  }

  close(): void {
    for (const trial of this.#trials.values()) trial.close();
  }
}

/** All sessions, within the {@link Limits}. */
export class Sessions {
  readonly #clock: Clock;
  readonly #limits: Limits;
  readonly #sessions = new Map<string, { session: Session; timer: Timer }>();
  /** When each address began sessions in the last minute. */
  readonly #begins = new Map<string, number[]>();

  constructor(clock: Clock, limits: Limits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /**
   * Begins a session.
   * @param token 16 hex digits that no stranger can guess
   * @param onEnd runs when the session ends by itself
   * @returns a text: why there is none
   */
  begin(token: string, address: string | null, onEnd: () => void): Session | string {
    const own = [...this.#sessions.values()].filter(({ session }) => session.address === address).length;
    if (this.#sessions.size >= this.#limits.sessions) return 'the reflector has too many clients; try again in a minute';
    if (own >= this.#limits.sessionsPerAddress) return 'this address has too many sessions here; try again in a minute';
    if (!this.#mayBegin(address ?? '')) return 'this address has begun too many sessions; try again in a minute';
    const session = new Session(token, address);
    const late = () => {
      this.end(session);
      onEnd();
    };
    this.#sessions.set(token, { session, timer: this.#clock.after(this.#limits.sessionMs, late) });
    return session;
  }

  /** The session that a trial belongs to; null: none, or it has ended. */
  find(trial: string): Session | null {
    return this.#sessions.get(tokenOf(trial))?.session ?? null;
  }

  /** Whether a session may open one more pair of data ports. */
  mayOpenPair(session: Session): boolean {
    const all = [...this.#sessions.values()].reduce((sum, one) => sum + one.session.pairs, 0);
    return all < this.#limits.pairs && session.pairs < this.#limits.pairsPerSession;
  }

  /** Ends a session. Does nothing if it has ended. */
  end(session: Session): void {
    this.#sessions.get(session.token)?.timer.cancel();
    this.#sessions.delete(session.token);
    session.close();
  }

  /** Ends all sessions. */
  close(): void {
    for (const { session } of [...this.#sessions.values()]) this.end(session);
  }

  /** Counts a beginning. The memory of addresses is as short as the minute, and bounded by the number of them that were let in. */
  #mayBegin(address: string): boolean {
    const since = this.#clock.monotonic() - MINUTE_MS;
    for (const [one, times] of this.#begins) {
      const recent = times.filter((time) => time > since);
      if (recent.length > 0) this.#begins.set(one, recent);
      else this.#begins.delete(one);
    }
    const times = this.#begins.get(address) ?? [];
    if (times.length >= this.#limits.beginsPerMinute || this.#begins.size >= MAX_COUNTED) return false;
    this.#begins.set(address, [...times, this.#clock.monotonic()]);
    return true;
  }
}
