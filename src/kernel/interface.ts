import type { Capabilities } from '../contract/agent.ts';
import type { Expectation } from '../contract/expectation.ts';
import type { Netns } from '../contract/netns.ts';
import type { Family, Protocol } from '../model/catalogue.ts';
import type { Result } from '../model/errors.ts';
import type { Table } from '../model/table.ts';
import type { Watched } from '../model/watched.ts';

/**
 * A namespace's identity, never used again while the host is up, and its nftables generation (`NFTA_GEN_ID`). The identity is the kernel's
 * cookie (SO_NETNS_COOKIE), or what the namespace's file says where a kernel has no cookies.
 */
export interface Version {
  readonly cookie: string;
  readonly generation: number;
}

export interface Observed extends Version {
  /** Our table as it stands, or null. */
  readonly table: Table | null;
  /** Parts of our table that are not of Pinhole's making. Empty unless another program wrote into it. */
  readonly foreign: readonly string[];
}

export interface ObserveRequest {
  readonly netns: Netns;
  /** The version of the last verified read: when it still holds, the answer is `unchanged` and nothing is read. */
  readonly known: Version | null;
}

export type Observation = { readonly unchanged: true } | ({ readonly unchanged: false } & Observed);

/** Connections by family and addresses of their first packet. A network is a CIDR; null: any. */
export interface Reach {
  readonly families: readonly Family[];
  readonly source: string | null;
  readonly destination: string | null;
}

interface HelperSelector {
  readonly protocol: Protocol;
  readonly port: number;
  readonly type: string;
}

/**
 * Live connections that lose their helper, and their expectations with it: those to `port` whose helper is `type`, except those that
 * are in one of these reaches.
 */
export interface StripSelector extends HelperSelector {
  readonly except: readonly Reach[];
}

/** Live connections that get a helper: those in this reach to `port` that have none. */
export interface AttachSelector extends HelperSelector, Reach {}

export type LiveChange =
  | { readonly action: 'strip'; readonly selectors: readonly StripSelector[] }
  | { readonly action: 'attach'; readonly selectors: readonly AttachSelector[] };

/** What `ip` and `ss` print about a namespace; empty where they print nothing. */
export interface NetworkTexts {
  /** `ip -j -d address show`. */
  readonly addresses: string;
  /** `ip -4 -j rule show` and `ip -6 -j rule show`. */
  readonly rules4: string;
  readonly rules6: string;
  /** `ip -4 -j route show table all` and `ip -6 -j route show table all`. */
  readonly routes4: string;
  readonly routes6: string;
  /** `ip -j neighbour show`. */
  readonly neighbours: string;
  /** `ss -Hlntu`. */
  readonly listening: string;
  /** Interfaces with filters of `tc`, one a line. */
  readonly filtered: string;
  /** Number of expectations there are. */
  readonly expectations: string;
}

/** The rules of every program in a namespace, as `nft` and `iptables-save` print them, and settings that decide how they work. */
export interface AllRules {
  /** `nft -j list ruleset`. */
  readonly nft: string;
  /** `nft -a list ruleset`: the same for people, with the handles that `nft` names the rules by. */
  readonly listing: string;
  /** `iptables-save`, where some of the rules carry matches that nft cannot show; null: none does, or there is no such program. */
  readonly iptables: string | null;
  readonly ip6tables: string | null;
  /** What iptables-legacy and ip6tables-legacy save, one after the other; empty: no rules. null: there are, and they cannot be read. */
  readonly legacy: string | null;
  readonly network: NetworkTexts;
  /** Values by the names that sysctl has for them; only those that this kernel has. */
  readonly settings: Readonly<Record<string, string>>;
}

export interface TableChange {
  readonly netns: Netns;
  /** Replaces our table as a whole; null removes it. */
  readonly table: Table | null;
  /**
   * Comment of the table that the caller saw there and that this change replaces; null if it saw none. A change for which that does not
   * hold any more changes nothing: what another installation has put there meanwhile stays.
   */
  readonly replaces: string | null;
}

export interface NamespaceInfo {
  readonly netns: Netns;
  /** Comment of the `inet pinhole` table there; null where there is none. */
  readonly comment: string | null;
}

export type KernelEvent =
  /** A namespace that may be served came, went, or was replaced by another under the same name. */
  | { readonly event: 'namespace'; readonly netns: Netns; readonly present: boolean }
  /** Another program changed our table there. */
  | { readonly event: 'touched'; readonly netns: Netns; readonly by: string }
  /** Events were lost (socket buffer overrun): anything there may have changed. */
  | { readonly event: 'lost'; readonly netns: Netns }
  | {
      readonly event: 'expectation';
      readonly netns: Netns;
      readonly change: 'new' | 'gone';
      readonly expectation: Expectation;
      /** Number of such events there that were left out since the last one, because there were too many; absent: none. */
      readonly leftOut?: number;
    }
  /** The kernel process answers (again). What was known of it before does not hold any more. */
  | { readonly event: 'link'; readonly up: true }
  /** The kernel process does not answer (any more); `reason` says what it does instead: `does not answer`. */
  | { readonly event: 'link'; readonly up: false; readonly reason: string };

/**
 * What Pinhole asks of a kernel. Implemented by `linux/` (the real one), `remote.ts` (the real one in its own process) and
 * `fake/` (the same rules in memory); one contract suite runs on all three. Batches answer item by item, in order: one
 * item's failure is its own.
 *
 * Errors of an item: `netns-not-found`, `netns-denied`, `netns-locked` (another writer holds it), `table-changed` (it does not stand
 * there as the caller saw it), `kernel-refused` (with errno), `invalid-message`. A failed change has changed nothing.
 */
export interface Kernel {
  /** What this kernel can assign, probed in a throw-away namespace; it may take a second the first time. */
  capabilities(): Promise<Capabilities>;
  /** The namespaces that are here and that configuration lets us serve. */
  namespaces(): Promise<NamespaceInfo[]>;
  /** Reads, and from then on watches, each namespace. */
  observe(requests: readonly ObserveRequest[]): Promise<Result<Observation>[]>;
  /** One transaction a namespace: all of a change or nothing. */
  apply(changes: readonly TableChange[]): Promise<Result<Version>[]>;
  /**
   * Takes helpers off live connections, or gives them one. Apart from {@link apply}: the kernel walks its whole connection
   * table, some 10 ms, and no sync shall wait for that.
   * @returns how many connections were changed
   */
  changeLive(netns: Netns, change: LiveChange): Promise<number>;
  /** The live expectations there, in no order. @throws PinholeError `netns-not-found`, `netns-denied` */
  expectations(netns: Netns): Promise<Expectation[]>;
  /** From now on, `expectation` events come from these of the served namespaces only, also from ones that are served later. */
  watchExpectations(netnses: Watched): Promise<void>;
  /** The rules of every program. For explicit reviews and the doctor only. */
  allRules(netns: Netns): Promise<AllRules>;
  /** Adds a listener; listeners are called in the order in which they were added, and must not throw. */
  onEvent(listener: (event: KernelEvent) => void): void;
  /** Gives up sockets and watches. Tables stay as they are. */
  close(): Promise<void>;
}
