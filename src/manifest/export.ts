import {
  type Declared,
  type DeclaredHelper,
  MANIFEST,
  type Manifest,
  type ManifestHelper,
  type ManifestRouter,
} from '../contract/manifest.ts';
import type { Protocol } from '../model/catalogue.ts';
import { grouped } from '../model/grouped.ts';

/**
 * The declared state in the JSON form of a manifest, which YAML prints. Fields that are null, false or empty are left out, and a
 * router's id too, unless its name is empty or not unique.
 */
export function toManifest(declared: readonly Declared[]): object {
  const byName = grouped(declared, ({ router }) => [router.name]);
  const routers = declared.map((item): ManifestRouter => routerOf(item, (byName.get(item.router.name) ?? []).length > 1));
  return compact({ routers });
}

/** The JSON form of a manifest without the fields that are null, false or empty. It reads back to the same manifest. */
export function compact(manifest: Manifest): object {
  return withoutNothing(MANIFEST.write(manifest)) as object;
}

function routerOf({ router, helpers }: Declared, isAmbiguous: boolean): ManifestRouter {
  const { id, name, description, netns, host, projectId, confinement, labels } = router;
  return {
    id: isAmbiguous || name === '' ? id : null,
    name,
    description: description === '' ? null : description,
    netns,
    host,
    project: projectId === '' ? null : projectId,
    confinement: confinement ?? false,
    labels: Object.keys(labels).length === 0 ? null : labels,
    helpers: helpers.map(helperOf),
  };
}

function helperOf({ helper, protocol, port, scope, expiresAt }: DeclaredHelper): ManifestHelper {
  return { helper, protocol: protocol as Protocol, port, scope, expiresAt, ttl: null };
}

/**
 * In a manifest, null, false, an empty text and an empty object mean the same as a missing field; but a label may be empty, and a router
 * that is not confined says so.
 */
function withoutNothing(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNothing);
  if (typeof value !== 'object' || value === null) return value;
  const isWhole = (name: string) => name === 'labels' || name === 'confine';
  const kept = Object.entries(value).filter(([name, inner]) => inner !== null && (isWhole(name) || !isNothing(inner)));
  return Object.fromEntries(kept.map(([name, inner]) => [name, isWhole(name) ? inner : withoutNothing(inner)]));
}

function isNothing(value: unknown): boolean {
  if (Array.isArray(value)) return false;
  return value === false || value === '' || (typeof value === 'object' && value !== null && Object.keys(value).length === 0);
}
