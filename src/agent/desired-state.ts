import type { DesiredRouter } from '../contract/desired-router.ts';
import type { Netns } from '../contract/netns.ts';
import type { History } from './source.ts';

/** Where the desired state comes from: nowhere yet, the disk, or the server (also while it cannot be reached). */
export type Origin =
  | { readonly from: 'none' }
  | { readonly from: 'disk' /** When it was saved, RFC 3339. */; readonly savedAt: string }
  | { readonly from: 'server' };

/**
 * What this host should have, by router and by namespace. Two routers that claim one namespace (a server's mistake) are
 * told apart by the lower id: the other is served when that one goes.
 */
export class DesiredState {
  origin: Origin = { from: 'none' };
  /** Which database it is of, and which state of that one: of the state file, until a server has told. */
  history: History = { installation: null, epoch: '', position: null };
  /** Why the server's newest answer is held; null if it is not. */
  held: string | null = null;
  /** Routers whose newest description cannot be read, by id, and why: what was live of them stays. */
  readonly unreadable = new Map<string, string>();
  readonly #routers = new Map<string, DesiredRouter>();
  readonly #byNetns = new Map<Netns, Set<string>>();
  readonly #withHelpers = new Set<Netns>();

  get size(): number {
    return this.#routers.size;
  }

  routers(): IterableIterator<DesiredRouter> {
    return this.#routers.values();
  }

  netnsNames(): IterableIterator<Netns> {
    return this.#byNetns.keys();
  }

  inNetns(netns: Netns): DesiredRouter | null {
    const ids = this.#byNetns.get(netns);
    if (!ids || ids.size === 0) return null;
    const [id] = ids.size === 1 ? ids : [...ids].sort();
    return this.#routers.get(id as string) ?? null;
  }

  /** The installation that it is of; null before a server has told it. */
  get installation(): string | null {
    return this.history.installation;
  }

  /** Whether a router with helpers was desired there at some time since the namespace came. */
  hadHelpers(netns: Netns): boolean {
    return this.#withHelpers.has(netns);
  }

  /** A router with helpers is, or was, desired there. */
  noteHelpers(netns: Netns): void {
    this.#withHelpers.add(netns);
  }

  /** The namespace went, and with it what stood there. */
  forgetNetns(netns: Netns): void {
    this.#withHelpers.delete(netns);
  }

  /** The router behind an id; undefined when it is not this host's. */
  get(id: string): DesiredRouter | undefined {
    return this.#routers.get(id);
  }

  /** @returns the namespaces concerned: of the router as it was and as it is */
  set(router: DesiredRouter): Netns[] {
    const before = this.#detach(router.id);
    this.#routers.set(router.id, router);
    const ids = this.#byNetns.get(router.netns) ?? new Set();
    this.#byNetns.set(router.netns, ids.add(router.id));
    if (router.helpers.length > 0) this.noteHelpers(router.netns);
    return before === null || before === router.netns ? [router.netns] : [before, router.netns];
  }

  delete(id: string): Netns[] {
    const netns = this.#detach(id);
    return netns === null ? [] : [netns];
  }

  /** Makes the state what a full pull says. @returns the namespaces where anything changed */
  replace(routers: readonly DesiredRouter[]): Set<Netns> {
    const touched = new Set<Netns>();
    const kept = new Set(routers.map(({ id }) => id as string));
    for (const id of [...this.#routers.keys()]) if (!kept.has(id)) for (const netns of this.delete(id)) touched.add(netns);
    for (const router of routers) {
      const before = this.#routers.get(router.id);
      if (before && sameRouter(before, router)) continue;
      for (const netns of this.set(router)) touched.add(netns);
    }
    return touched;
  }

  #detach(id: string): Netns | null {
    const before = this.#routers.get(id);
    if (!before) return null;
    this.#routers.delete(id);
    const ids = this.#byNetns.get(before.netns);
    ids?.delete(id);
    if (ids?.size === 0) this.#byNetns.delete(before.netns);
    return before.netns;
  }
}

/** All fields are compared: a revision may stay the same in a database that was restored. */
function sameRouter(a: DesiredRouter, b: DesiredRouter): boolean {
  return a.revision === b.revision && JSON.stringify(a) === JSON.stringify(b);
}
