import type { ChangedField } from '../contract/applied.ts';
import type { Confinement } from '../contract/confinement.ts';
import type { DeclaredFields } from '../contract/helper.ts';
import { sameLabels } from '../contract/labels.ts';
import type { Declared, DeclaredHelper, Manifest, ManifestHelper, ManifestRouter } from '../contract/manifest.ts';
import type { RouterId } from '../contract/primitives.ts';
import type { Router } from '../contract/router.ts';
import { formatScope } from '../contract/scope.ts';
import { InvalidInput } from '../model/errors.ts';
import { grouped } from '../model/grouped.ts';

/** Names of fields and indices of items that lead to the part of a manifest that a step comes from; empty for a deletion. */
export type Path = readonly (string | number)[];

interface Place {
  readonly path: Path;
  /** The router's name, or its id if the name is empty: people see it. */
  readonly router: string;
}

/** One change, as data. */
export type Step =
  | (Place & { readonly step: 'create-router'; readonly fields: ManifestRouter })
  | (Place & {
      readonly step: 'update-router';
      readonly id: RouterId;
      readonly fields: ManifestRouter;
      readonly changes: readonly ChangedField[];
    })
  | (Place & { readonly step: 'delete-router'; readonly id: RouterId })
  /** `routerId` is null for a router that an earlier step creates; it then has the index `path[1]` in the manifest. */
  | (Place & { readonly step: 'create-helper'; readonly routerId: RouterId | null; readonly helper: DeclaredFields })
  | (Place & {
      readonly step: 'update-helper';
      readonly routerId: RouterId;
      readonly before: DeclaredHelper;
      readonly helper: DeclaredFields;
      readonly changes: readonly ChangedField[];
    })
  | (Place & { readonly step: 'delete-helper'; readonly routerId: RouterId; readonly helper: DeclaredHelper });

/** How {@link planSteps} plans. */
export interface PlanOptions {
  /** Whether routers and helpers that the manifest does not name are removed. */
  readonly prune: boolean;
  /** Helpers that expired before this time are not created. */
  readonly now: Date;
}

/**
 * Returns the steps that make the declared state equal to a manifest. Idempotent: once they are done, there are no steps left.
 * Routers and helpers that the manifest does not name stay, unless `prune` is set. A helper that differs from a declared one of the
 * same router only in scope or time is changed and not replaced; with `prune`, also one that differs in its port.
 * @throws InvalidInput for a name that several declared routers have, or an id that none has
 */
export function planSteps(manifest: Manifest, declared: readonly Declared[], options: PlanOptions): Step[] {
  const find = finder(declared);
  const named = new Set<Declared>();
  const steps = manifest.routers.flatMap((wanted, index) => {
    const path = ['routers', index];
    const found = find(wanted, path);
    if (found) named.add(found);
    return found ? changeSteps({ wanted, path }, found, options) : creationSteps({ wanted, path }, options);
  });
  if (!options.prune) return steps;
  const gone = declared.filter((item) => !named.has(item));
  return [...gone.map(({ router }): Step => ({ step: 'delete-router', path: [], router: calledBy(router), id: router.id })), ...steps];
}

function finder(declared: readonly Declared[]): (wanted: ManifestRouter, path: Path) => Declared | undefined {
  const byName = grouped(declared, ({ router }) => [router.name]);
  const byId = new Map<string, Declared>(declared.map((item) => [item.router.id, item]));
  return ({ id, name }, [list, index]) => {
    const at = (field: string) => `${list}[${index}].${field}`;
    if (id !== null) {
      const found = byId.get(id);
      if (!found)
        throw new InvalidInput(at('id'), `No router has the id ${id}: leave the id out to make a router with the name '${name}'.`);
      return found;
    }
    const same = byName.get(name) ?? [];
    if (same.length > 1)
      throw new InvalidInput(at('name'), `${same.length} routers are named '${name}': give the id of one, as 'pinhole export' does.`);
    return same[0];
  };
}

interface Wanted {
  readonly wanted: ManifestRouter;
  readonly path: Path;
}

function creationSteps({ wanted, path }: Wanted, { now }: PlanOptions): Step[] {
  const router = wanted.name;
  const missing = lastOfEach(wanted.helpers).filter(({ helper }) => !isOver(helper, now));
  return [
    { step: 'create-router', path, router, fields: wanted },
    ...missing.map(
      ({ helper, index }): Step => ({
        step: 'create-helper',
        path: [...path, 'helpers', index],
        router,
        routerId: null,
        helper: newFields(helper, now),
      }),
    ),
  ];
}

function changeSteps({ wanted, path }: Wanted, found: Declared, options: PlanOptions): Step[] {
  const { id: routerId } = found.router;
  const router = calledBy({ id: routerId, name: wanted.name });
  const changes = routerChanges(wanted, found.router);
  const { pairs, missing, gone } = matched(lastOfEach(wanted.helpers), found.helpers, options);
  const at = (index: number) => ({ path: [...path, 'helpers', index], router, routerId });
  return [
    ...(changes.length > 0 ? [{ step: 'update-router', path, router, id: routerId, fields: wanted, changes } as const] : []),
    ...(options.prune ? gone.map((helper): Step => ({ step: 'delete-helper', path: [], router, routerId, helper })) : []),
    ...pairs.flatMap(({ helper: one, index, before }): Step[] => {
      const helper = changedFields(one, before, options.now);
      const differing = helperChanges(helper, before);
      return differing.length > 0 ? [{ step: 'update-helper', ...at(index), before, helper, changes: differing }] : [];
    }),
    ...missing.map(({ helper, index }): Step => ({ step: 'create-helper', ...at(index), helper: newFields(helper, options.now) })),
  ];
}

/** A helper of the manifest, with its index in the router's list. */
interface Numbered {
  readonly helper: ManifestHelper;
  readonly index: number;
}

interface Matched {
  /** Helpers of the manifest, each with the declared helper that it is. */
  readonly pairs: readonly (Numbered & { readonly before: DeclaredHelper })[];
  /** Helpers of the manifest that are to be created. */
  readonly missing: readonly Numbered[];
  /** Declared helpers that the manifest does not name. */
  readonly gone: readonly DeclaredHelper[];
}

type Key = (helper: Pick<DeclaredHelper, 'helper' | 'protocol' | 'port' | 'scope'>) => string;

/** Equal for the same helper: the parts of Neutron's unique key, and the scope. */
export const EXACT: Key = ({ helper, protocol, port, scope }) => JSON.stringify([helper, protocol, port, formatScope(scope)]);
const OTHER_SCOPE: Key = ({ helper, protocol, port }) => JSON.stringify([helper, protocol, port]);
/**
 * A helper on another port is another helper, which stays beside the new one. Where it would be pruned, it is changed instead, so that
 * it keeps its id.
 */
const OTHER_PORT: readonly Key[] = [
  ({ helper, protocol, scope }) => JSON.stringify([helper, protocol, formatScope(scope)]),
  ({ helper, protocol }) => JSON.stringify([helper, protocol]),
];

/**
 * Pairs helpers of a manifest with declared ones: first those that are equal, then those that differ in the scope, and so on. The
 * changes of all pairs can be made in any order, because no declared helper has what another one is changed to: it would be equal.
 */
function matched(wanted: readonly Numbered[], declared: readonly DeclaredHelper[], { prune, now }: PlanOptions): Matched {
  const pairs: (Numbered & { before: DeclaredHelper })[] = [];
  let [missing, gone] = [wanted, declared];
  for (const key of prune ? [EXACT, OTHER_SCOPE, ...OTHER_PORT] : [EXACT, OTHER_SCOPE]) {
    const free = new Map([...grouped(gone, (one) => [key(one)])].map(([text, group]) => [text, [...group]]));
    missing = missing.filter((one) => {
      const before = free.get(key(one.helper))?.shift();
      if (before) pairs.push({ ...one, before });
      return !before;
    });
    gone = [...free.values()].flat();
    // A helper whose time is over is not made again out of another one.
    missing = missing.filter(({ helper }) => !isOver(helper, now));
  }
  return { pairs: pairs.sort((a, b) => a.index - b.index), missing, gone };
}

/** Names of the router's fields that differ from the manifest. */
function routerChanges(wanted: ManifestRouter, found: Router): ChangedField[] {
  const changes: ChangedField[] = [];
  if (wanted.name !== found.name) changes.push('name');
  if (wanted.description !== null && wanted.description !== found.description) changes.push('description');
  if (wanted.netns !== found.netns) changes.push('netns');
  if (wanted.host !== null && wanted.host !== found.host) changes.push('host');
  if (wanted.project !== null && wanted.project !== found.projectId) changes.push('project');
  if (wanted.confinement !== null && !sameConfinement(wanted.confinement || null, found.confinement)) changes.push('confine');
  if (wanted.labels !== null && !sameLabels(wanted.labels, found.labels)) changes.push('labels');
  return changes;
}

function sameConfinement(a: Confinement | null, b: Confinement | null): boolean {
  const text = (one: Confinement | null) => one && JSON.stringify([one.blockedPorts, one.ratePerSecond]);
  return text(a) === text(b);
}

/** Returns the names of the helper's fields that differ. */
export function helperChanges(after: DeclaredFields, before: DeclaredHelper): ChangedField[] {
  const changes: ChangedField[] = [];
  if (after.port !== before.port) changes.push('port');
  if (formatScope(after.scope) !== formatScope(before.scope)) changes.push('scope');
  if (after.expiresAt !== before.expiresAt) changes.push('expires_at');
  return changes;
}

/** The declared fields of a helper that is to be created. */
function newFields(wanted: ManifestHelper, now: Date): DeclaredFields {
  const { helper, protocol, port, scope, expiresAt } = wanted;
  return { helper, protocol, port, scope, expiresAt: expiresAt ?? ttlEnd(wanted, now) };
}

/**
 * The declared fields of a helper that exists. A manifest without a time leaves the end as it is, and one whose time is over too. A
 * time to live shortens what is left and never prolongs it, so that the same file applied again changes nothing.
 */
function changedFields(wanted: ManifestHelper, before: DeclaredHelper, now: Date): DeclaredFields {
  const latest = ttlEnd(wanted, now);
  const kept = latest !== null && (before.expiresAt === null || before.expiresAt > latest) ? latest : before.expiresAt;
  return { ...newFields(wanted, now), expiresAt: wanted.expiresAt === null || isOver(wanted, now) ? kept : wanted.expiresAt };
}

function ttlEnd({ ttl }: ManifestHelper, now: Date): string | null {
  return ttl === null ? null : new Date(now.getTime() + ttl * 1000).toISOString();
}

function isOver({ expiresAt }: ManifestHelper, now: Date): boolean {
  return expiresAt !== null && Date.parse(expiresAt) <= now.getTime();
}

/** The helpers of a router. If a manifest names a helper twice, the last one counts. */
function lastOfEach(helpers: readonly ManifestHelper[]): Numbered[] {
  return [...new Map(helpers.map((helper, index) => [EXACT(helper), { helper, index }])).values()];
}

/** Returns the router's name, or its id if the name is empty. */
export function calledBy({ id, name }: { readonly id: string; readonly name: string }): string {
  return name === '' ? id : name;
}
