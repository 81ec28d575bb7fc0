import type { Confinement } from '../contract/confinement.ts';
import type { ConntrackHelper } from '../contract/helper.ts';
import type { Manifest, ManifestHelper, ManifestRouter } from '../contract/manifest.ts';
import type { Router } from '../contract/router.ts';
import { formatScope } from '../contract/scope.ts';
import { InvalidInput } from '../model/errors.ts';
import { grouped } from '../model/grouped.ts';

/** A router that is declared now, with its helpers. */
export interface Declared {
  readonly router: Router;
  readonly helpers: readonly DeclaredHelper[];
}

/** The fields of a declared helper that a plan compares. */
export type DeclaredHelper = Pick<ConntrackHelper, 'id' | 'protocol' | 'port' | 'helper' | 'scope' | 'expiresAt'>;

/** One request to the API, as data. `router` is the router's name, or its id if the name is empty: people see it. */
export type Step =
  | { readonly step: 'create-router'; readonly router: string; readonly fields: ManifestRouter }
  | {
      readonly step: 'update-router';
      readonly router: string;
      readonly id: string;
      readonly fields: ManifestRouter;
      readonly changes: readonly string[];
    }
  | { readonly step: 'delete-router'; readonly router: string; readonly id: string }
  | { readonly step: 'create-helper'; readonly router: string; readonly routerId: string | null; readonly helper: ManifestHelper }
  | {
      readonly step: 'update-helper';
      readonly router: string;
      readonly routerId: string;
      readonly id: string;
      readonly helper: ManifestHelper;
    }
  | {
      readonly step: 'delete-helper';
      readonly router: string;
      readonly routerId: string;
      readonly id: string;
      readonly helper: DeclaredHelper;
    };

/** How {@link planSteps} plans. */
export interface PlanOptions {
  /** Whether routers and helpers that the manifest does not name are removed. */
  readonly prune: boolean;
  /** Helpers that expired before this time are not created. */
  readonly now: Date;
}

/**
 * The steps, in the order in which they must happen, that make the declared state equal to a manifest. Idempotent: once they are
 * done, there are no steps left. Routers and helpers that the manifest does not name stay, unless `prune` is set.
 * @throws InvalidInput for a name that several declared routers have, or an id that none has
 */
export function planSteps(manifest: Manifest, declared: readonly Declared[], options: PlanOptions): Step[] {
  const find = finder(declared);
  const named = new Set<Declared>();
  const steps = manifest.routers.flatMap((wanted) => {
    const found = find(wanted);
    if (found) named.add(found);
    return found ? changeSteps(wanted, found, options) : creationSteps(wanted, options);
  });
  if (!options.prune) return steps;
  const gone = declared.filter((item) => !named.has(item));
  // Deletions come first: a router that the file renames needs the namespace of the old one, and only one router may have it.
  return [...gone.map(({ router }): Step => ({ step: 'delete-router', router: calledBy(router), id: router.id })), ...steps];
}

function finder(declared: readonly Declared[]): (wanted: ManifestRouter) => Declared | undefined {
  const byName = grouped(declared, ({ router }) => [router.name]);
  const byId = new Map<string, Declared>(declared.map((item) => [item.router.id, item]));
  return ({ id, name }) => {
    if (id !== null) {
      const found = byId.get(id);
      if (!found) throw new InvalidInput('id', `No router has the id ${id}: leave the id out to make a router with the name '${name}'.`);
      return found;
    }
    const same = byName.get(name) ?? [];
    if (same.length > 1)
      throw new InvalidInput('name', `${same.length} routers are named '${name}': give the id of one, as 'pinhole export' does.`);
    return same[0];
  };
}

function creationSteps(wanted: ManifestRouter, { now }: PlanOptions): Step[] {
  const missing = [...byKey(wanted.helpers).values()].filter((helper) => !isOver(helper, now));
  return [
    { step: 'create-router', router: wanted.name, fields: wanted },
    ...missing.map((helper): Step => ({ step: 'create-helper', router: wanted.name, routerId: null, helper })),
  ];
}

function changeSteps(wanted: ManifestRouter, found: Declared, { prune, now }: PlanOptions): Step[] {
  const router = calledBy({ id: found.router.id, name: wanted.name });
  const routerId = found.router.id;
  const changes = routerChanges(wanted, found.router);
  const steps: Step[] = changes.length > 0 ? [{ step: 'update-router', router, id: routerId, fields: wanted, changes }] : [];
  const want = byKey(wanted.helpers);
  for (const helper of found.helpers) {
    const known = want.get(helperKey(helper));
    want.delete(helperKey(helper));
    if (!known && prune) steps.push({ step: 'delete-helper', router, routerId, id: helper.id, helper });
    if (known && known.expiresAt !== null && known.expiresAt !== helper.expiresAt && !isOver(known, now))
      steps.push({ step: 'update-helper', router, routerId, id: helper.id, helper: known });
  }
  const missing = [...want.values()].filter((helper) => !isOver(helper, now));
  return [...steps, ...missing.map((helper): Step => ({ step: 'create-helper', router, routerId, helper }))];
}

/** Names of the router's fields that differ from the manifest. */
function routerChanges(wanted: ManifestRouter, found: Router): string[] {
  const changes: string[] = [];
  if (wanted.name !== found.name) changes.push('name');
  if (wanted.description !== null && wanted.description !== found.description) changes.push('description');
  if (wanted.netns !== found.netns) changes.push('netns');
  if (wanted.host !== null && wanted.host !== found.host) changes.push('host');
  if (wanted.project !== null && wanted.project !== found.projectId) changes.push('project');
  if (!sameConfinement(wanted.confinement, found.confinement)) changes.push('confine');
  return changes;
}

function sameConfinement(a: Confinement | null, b: Confinement | null): boolean {
  const text = (one: Confinement | null) => one && JSON.stringify([one.blockedPorts, one.ratePerSecond]);
  return text(a) === text(b);
}

function isOver({ expiresAt }: ManifestHelper, now: Date): boolean {
  return expiresAt !== null && Date.parse(expiresAt) <= now.getTime();
}

/** Helpers by {@link helperKey}. If a manifest names a helper twice, the last one counts. */
function byKey(helpers: readonly ManifestHelper[]): Map<string, ManifestHelper> {
  return new Map(helpers.map((helper) => [helperKey(helper), helper]));
}

/** Two helpers are the same if these are equal: the parts of Neutron's unique key, and the scope. */
function helperKey({ helper, protocol, port, scope }: Pick<DeclaredHelper, 'helper' | 'protocol' | 'port' | 'scope'>): string {
  return JSON.stringify([protocol, port, helper, formatScope(scope)]);
}

function calledBy({ id, name }: { readonly id: string; readonly name: string }): string {
  return name === '' ? id : name;
}
