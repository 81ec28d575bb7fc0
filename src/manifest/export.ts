import { MANIFEST, type ManifestHelper, type ManifestRouter } from '../contract/manifest.ts';
import type { Protocol } from '../model/catalogue.ts';
import { grouped } from '../model/grouped.ts';
import type { Declared, DeclaredHelper } from './steps.ts';

/**
 * The declared state in the JSON form of a manifest, which YAML prints. Fields that are null, false or empty are left out, and a
 * router's id too, unless its name is empty or not unique.
 */
export function toManifest(declared: readonly Declared[]): object {
  const byName = grouped(declared, ({ router }) => [router.name]);
  const routers = declared.map((item): ManifestRouter => routerOf(item, (byName.get(item.router.name) ?? []).length > 1));
  return withoutNothing(MANIFEST.write({ routers })) as object;
}

function routerOf({ router, helpers }: Declared, isAmbiguous: boolean): ManifestRouter {
  const { id, name, description, netns, host, projectId, confinement } = router;
  return {
    id: isAmbiguous || name === '' ? id : null,
    name,
    description: description === '' ? null : description,
    netns,
    host,
    project: projectId === '' ? null : projectId,
    confinement,
    helpers: helpers.map(helperOf),
  };
}

function helperOf({ helper, protocol, port, scope, expiresAt }: DeclaredHelper): ManifestHelper {
  return { helper, protocol: protocol as Protocol, port, scope, expiresAt };
}

/** In a manifest, null, false and an empty text mean the same as a missing field. */
function withoutNothing(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNothing);
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(([, inner]) => inner !== null && inner !== false && inner !== '');
  return Object.fromEntries(kept.map(([name, inner]) => [name, withoutNothing(inner)]));
}
