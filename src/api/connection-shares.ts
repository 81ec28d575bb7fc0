/** How many connections there may be, and how addresses share them. */
export interface ConnectionLimits {
  readonly total: number;
  /** Of the total, those that only clients on this host get. */
  readonly reserved: number;
  /** The most that one address gets. */
  readonly perAddress: number;
}

interface Connection {
  readonly address: string;
  readonly isLocal: boolean;
  /** Requests that are worked on. */
  busy: number;
  /** Whether a client has signed in on it. */
  isKnown: boolean;
}

/**
 * Decides which connection gives way when there are too many. One that waits for a request gives way to a new one: first one without a
 * client that signed in, the oldest first, of the address that has most. A connection with a request under way stays.
 */
export class ConnectionShares<C> {
  readonly #limits: ConnectionLimits;
  readonly #connections = new Map<C, Connection>();
  /** By address, oldest first. */
  readonly #byAddress = new Map<string, Set<C>>();
  #remote = 0;

  constructor(limits: ConnectionLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#connections.size;
  }

  /** Counts a new connection. @returns the connection to close, which is counted no more: another one, or the new one; null for none */
  add(connection: C, { address, isLocal }: Pick<Connection, 'address' | 'isLocal'>): C | null {
    const { total, reserved, perAddress } = this.#limits;
    const own = this.#byAddress.get(address) ?? new Set();
    const isFull = this.size >= total || (!isLocal && this.#remote >= total - reserved);
    let leaves: C | null = null;
    if (own.size >= perAddress) leaves = this.#idle(own) ?? connection;
    else if (isFull) leaves = this.#idleOfMost(isLocal) ?? connection;
    if (leaves === connection) return connection;
    if (leaves !== null) this.remove(leaves);
    this.#connections.set(connection, { address, isLocal, busy: 0, isKnown: false });
    this.#byAddress.set(address, (this.#byAddress.get(address) ?? new Set()).add(connection));
    if (!isLocal) this.#remote++;
    return leaves;
  }

  /** The connection is gone. */
  remove(connection: C): void {
    const entry = this.#connections.get(connection);
    if (!entry) return;
    this.#connections.delete(connection);
    const own = this.#byAddress.get(entry.address);
    own?.delete(connection);
    if (own?.size === 0) this.#byAddress.delete(entry.address);
    if (!entry.isLocal) this.#remote--;
  }

  /** A request has begun on the connection. */
  begin(connection: C): void {
    const entry = this.#connections.get(connection);
    if (entry) entry.busy++;
  }

  /** A request has ended on the connection. */
  end(connection: C): void {
    const entry = this.#connections.get(connection);
    if (entry && entry.busy > 0) entry.busy--;
  }

  /** A client has signed in on the connection. */
  signedIn(connection: C): void {
    const entry = this.#connections.get(connection);
    if (entry) entry.isKnown = true;
  }

  /** The oldest that is idle, one without a client that signed in before the others. */
  #idle(connections: ReadonlySet<C>): C | null {
    let known: C | null = null;
    for (const connection of connections) {
      const entry = this.#connections.get(connection);
      if (!entry || entry.busy > 0) continue;
      if (!entry.isKnown) return connection;
      known ??= connection;
    }
    return known;
  }

  /** @param isLocal whether the new connection may take a place of the reserve: if not, it takes no place of a client on this host */
  #idleOfMost(isLocal: boolean): C | null {
    let known: C | null = null;
    for (const own of [...this.#byAddress.values()].sort((a, b) => b.size - a.size)) {
      const [first] = own;
      if (!isLocal && this.#connections.get(first as C)?.isLocal) continue;
      const idle = this.#idle(own);
      if (idle !== null && !this.#connections.get(idle)?.isKnown) return idle;
      known ??= idle;
    }
    return known;
  }
}
