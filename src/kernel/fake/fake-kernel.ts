import type { Capabilities } from '../../contract/agent.ts';
import type { Expectation } from '../../contract/expectation.ts';
import { HOST_NETNS, type Netns } from '../../contract/netns.ts';
import { networkContains, parseNetwork } from '../../model/address.ts';
import { capabilityKey, FAMILIES, KERNEL_HELPERS } from '../../model/catalogue.ts';
import { attempt, KernelRefused, PinholeError, type Result } from '../../model/errors.ts';
import type { Table } from '../../model/table.ts';
import { NONE_WATCHED, type Watched } from '../../model/watched.ts';
import type {
  AllRules,
  AttachSelector,
  Kernel,
  KernelEvent,
  LiveChange,
  NamespaceInfo,
  NetworkTexts,
  Observation,
  ObserveRequest,
  Reach,
  StripSelector,
  TableChange,
  Version,
} from '../interface.ts';

const ENOENT = 2;
const EEXIST = 17;

/** A live connection of the fake: to a port, with the helper that it got. Addresses are IPv4 unless a test gives others. */
export interface FakeConnection {
  readonly protocol: 'tcp' | 'udp';
  readonly port: number;
  readonly source?: string;
  readonly destination?: string;
  type: string | null;
}

interface FakeNamespace {
  readonly cookie: string;
  generation: number;
  table: Table | null;
  foreign: string[];
  watched: boolean;
  lockedByOther: boolean;
  readonly connections: FakeConnection[];
}

const NO_NETWORK: NetworkTexts = {
  addresses: '',
  rules4: '',
  rules6: '',
  routes4: '',
  routes6: '',
  neighbours: '',
  listening: '',
  filtered: '',
  expectations: '',
};

/**
 * A kernel in memory that obeys the real one's rules: whole transactions, ENOENT for a helper that it does not have,
 * references that must hold, generations that count commits, cookies that are never used again, and events of others'
 * commits only. Beyond the interface it lets a test be the others, and counts what it is asked.
 */
export class FakeKernel implements Kernel {
  readonly counts = { observe: 0, reads: 0, applies: 0 };
  /** The namespaces whose expectations are told. */
  watched: Watched = NONE_WATCHED;
  /** Called before each change is applied; may throw, or change the namespace as others would. */
  beforeApply: (change: TableChange) => void = () => undefined;
  readonly #namespaces = new Map<Netns, FakeNamespace>();
  readonly #listeners: ((event: KernelEvent) => void)[] = [];
  readonly #allowed: (netns: Netns) => boolean;
  readonly #capabilities: Capabilities;
  #nextCookie = 1;

  constructor(options: { allowed?: (netns: Netns) => boolean; helpers?: readonly string[] } = {}) {
    this.#allowed = options.allowed ?? (() => true);
    const all = KERNEL_HELPERS.flatMap(({ type, protocol, families }) =>
      FAMILIES.filter((family) => families.includes(family)).map((family) => capabilityKey(type, protocol, family)),
    );
    this.#capabilities = { kernelRelease: 'fake', helpers: options.helpers ?? all, missingNat: [], conntrackEvents: true };
    this.addNamespace(HOST_NETNS);
  }

  async capabilities(): Promise<Capabilities> {
    return this.#capabilities;
  }

  async namespaces(): Promise<NamespaceInfo[]> {
    return [...this.#namespaces]
      .filter(([netns]) => this.#allowed(netns))
      .map(([netns, { table }]) => ({ netns, comment: table?.comment ?? null }));
  }

  async observe(requests: readonly ObserveRequest[]): Promise<Result<Observation>[]> {
    return requests.map(({ netns, known }) =>
      attempt((): Observation => {
        this.counts.observe++;
        const namespace = this.#get(netns);
        namespace.watched = true;
        const { cookie, generation, table, foreign } = namespace;
        if (known && known.cookie === cookie && known.generation === generation) return { unchanged: true };
        this.counts.reads++;
        return { unchanged: false, cookie, generation, table, foreign: [...foreign] };
      }),
    );
  }

  async apply(changes: readonly TableChange[]): Promise<Result<Version>[]> {
    return changes.map((change) => attempt(() => this.#applyOne(change)));
  }

  async changeLive(netns: Netns, change: LiveChange): Promise<number> {
    const { connections } = this.#get(netns);
    return change.action === 'strip' ? strip(connections, change.selectors) : attach(connections, change.selectors);
  }

  async expectations(netns: Netns): Promise<Expectation[]> {
    this.#get(netns);
    return [];
  }

  async watchExpectations(netnses: Watched): Promise<void> {
    this.watched = netnses;
  }

  async allRules(netns: Netns): Promise<AllRules> {
    this.#get(netns);
    return {
      nft: JSON.stringify({ nftables: [] }),
      listing: '',
      iptables: null,
      ip6tables: null,
      legacy: '',
      network: NO_NETWORK,
      settings: {},
    };
  }

  onEvent(listener: (event: KernelEvent) => void): void {
    this.#listeners.push(listener);
  }

  async close(): Promise<void> {
    this.#listeners.length = 0;
  }

  addNamespace(netns: Netns): void {
    this.#namespaces.set(netns, {
      cookie: String(this.#nextCookie++),
      generation: 1,
      table: null,
      foreign: [],
      watched: false,
      lockedByOther: false,
      connections: [],
    });
    if (netns !== HOST_NETNS) this.emit({ event: 'namespace', netns, present: true });
  }

  removeNamespace(netns: Netns): void {
    this.#namespaces.delete(netns);
    this.emit({ event: 'namespace', netns, present: false });
  }

  /** Another program commits: changes our table (`edit` returns the new one) or, returning it as it is, only their own. */
  meddle(netns: Netns, edit: (table: Table | null) => Table | null, foreign: string[] = []): void {
    const namespace = this.#get(netns);
    const before = namespace.table;
    namespace.table = edit(before);
    namespace.foreign = foreign;
    namespace.generation++;
    if (namespace.watched && (namespace.table !== before || foreign.length > 0)) this.emit({ event: 'touched', netns, by: 'nft' });
  }

  /** The same, while the event gets lost. */
  meddleUnseen(netns: Netns, edit: (table: Table | null) => Table | null): void {
    const namespace = this.#get(netns);
    namespace.table = edit(namespace.table);
    namespace.generation++;
  }

  lockByOther(netns: Netns, locked: boolean): void {
    this.#get(netns).lockedByOther = locked;
  }

  table(netns: Netns): Table | null {
    return this.#get(netns).table;
  }

  connections(netns: Netns): FakeConnection[] {
    return this.#get(netns).connections;
  }

  emit(event: KernelEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  #applyOne(change: TableChange): Version {
    this.counts.applies++;
    const namespace = this.#get(change.netns);
    if (namespace.lockedByOther)
      throw new PinholeError('netns-locked', `another Pinhole writes to network namespace ${change.netns}; one writer a namespace`);
    namespace.watched = true;
    this.beforeApply(change);
    if ((namespace.table?.comment ?? null) !== change.replaces)
      throw new PinholeError('table-changed', `table inet pinhole in ${change.netns} is not the one that was to be replaced`);
    if (change.table) checkTable(change.table, new Set(this.#capabilities.helpers));
    namespace.table = change.table;
    namespace.foreign = [];
    namespace.generation++;
    return { cookie: namespace.cookie, generation: namespace.generation };
  }

  #get(netns: Netns): FakeNamespace {
    if (!this.#allowed(netns))
      throw new PinholeError('netns-denied', `configuration does not let Pinhole serve network namespace ${netns}`);
    const namespace = this.#namespaces.get(netns);
    if (!namespace) throw new PinholeError('netns-not-found', `network namespace ${netns} is not here`);
    return namespace;
  }
}

function strip(connections: FakeConnection[], selectors: readonly StripSelector[]): number {
  const hit = connections.filter((connection) =>
    selectors.some(
      ({ protocol, port, type, except }) =>
        connection.protocol === protocol &&
        connection.port === port &&
        connection.type === type &&
        !except.some((reach) => isReached(connection, reach)),
    ),
  );
  for (const connection of hit) connection.type = null;
  return hit.length;
}

function attach(connections: FakeConnection[], selectors: readonly AttachSelector[]): number {
  let count = 0;
  for (const connection of connections) {
    const found = selectors.find(
      (selector) => connection.protocol === selector.protocol && connection.port === selector.port && isReached(connection, selector),
    );
    if (connection.type !== null || !found) continue;
    connection.type = found.type;
    count++;
  }
  return count;
}

function isReached({ source = '192.0.2.1', destination = '198.51.100.1' }: FakeConnection, reach: Reach): boolean {
  const within = (address: string, network: string | null) =>
    network === null || networkContains(parseNetwork(network, 'network'), parseNetwork(address, 'address'));
  return (
    reach.families.includes(parseNetwork(source, 'source').family) && within(source, reach.source) && within(destination, reach.destination)
  );
}

/** The checks that nf_tables makes of a batch, as far as our tables can fail them. */
function checkTable(table: Table, helpers: ReadonlySet<string>): void {
  const refuse = (errno: number, what: string, object?: string) =>
    new KernelRefused(errno, `${what}: ${errno === ENOENT ? 'ENOENT' : 'EEXIST'}`, object);
  for (const { name, type, protocol, family } of table.objects) {
    const wanted = family === 'inet' ? FAMILIES : [family === 'ip' ? ('ipv4' as const) : ('ipv6' as const)];
    // l3proto inet is accepted where the kernel has the helper for IPv4 or IPv6.
    if (!wanted.some((one) => helpers.has(capabilityKey(type, protocol, one)))) {
      throw refuse(ENOENT, `ct helper ${name} (type "${type}" protocol ${protocol} l3proto ${family})`, name);
    }
  }
  const objects = new Set(table.objects.map(({ name }) => name));
  const chains = new Set(table.chains.map(({ name }) => name));
  for (const chain of table.chains) {
    for (const { action } of chain.rules) {
      const names =
        action.kind === 'set-helper' ? [action.object] : action.kind === 'map-helper' ? action.entries.map(([, name]) => name) : [];
      const targets =
        action.kind === 'jump' ? [action.chain] : action.kind === 'jump-by-helper' ? action.entries.map(([, name]) => name) : [];
      if (names.some((name) => !objects.has(name)) || targets.some((name) => !chains.has(name)))
        throw refuse(ENOENT, `rule in chain ${chain.name}`);
      if (action.kind === 'map-helper' && new Set(action.entries.map(([port]) => port)).size < action.entries.length) {
        throw refuse(EEXIST, `rule in chain ${chain.name}`);
      }
    }
  }
}
