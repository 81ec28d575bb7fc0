import type { FastifyPluginAsync } from 'fastify';
import { APPLIED, MANIFEST_PLAN } from '../../contract/applied.ts';
import { BULK, type Bulk } from '../../contract/bulk.ts';
import { MANIFEST, MAX_MANIFEST_BYTES, type Manifest } from '../../contract/manifest.ts';
import { BULK_QUERY, type BulkQuery, MANIFEST_QUERY, type ManifestQuery } from '../../contract/query.ts';
import { schemaOf } from '../contract.ts';
import type { Services } from '../services.ts';

interface ManifestBody {
  Body: Manifest;
  Querystring: ManifestQuery;
}

/** Routes of changes to many routers, below `/v1`. The policy is asked for each single change. */
export function manifestRoutes({ manifests }: Services): FastifyPluginAsync {
  return async (app) => {
    const schema = { tags: ['manifests'], querystring: schemaOf(MANIFEST_QUERY), body: schemaOf(MANIFEST) };
    const common = { bodyLimit: MAX_MANIFEST_BYTES, config: { policy: 'authenticated' as const } };
    app.post<ManifestBody>(
      '/apply',
      {
        schema: {
          ...schema,
          response: { 200: schemaOf(APPLIED) },
        },
        ...common,
      },
      async ({ principal, body, query }) => APPLIED.write(await manifests.apply(principal, { manifest: body, ...query })),
    );
    app.post<ManifestBody>(
      '/plan',
      {
        schema: { ...schema, response: { 200: schemaOf(MANIFEST_PLAN) } },
        ...common,
      },
      async ({ principal, body, query }) => MANIFEST_PLAN.write(await manifests.plan(principal, { manifest: body, ...query })),
    );
    app.post<{ Body: Bulk; Querystring: BulkQuery }>(
      '/bulk',
      {
        schema: {
          tags: ['manifests'],
          querystring: schemaOf(BULK_QUERY),
          body: schemaOf(BULK),
          response: { 200: schemaOf(APPLIED) },
        },
        config: { policy: 'authenticated' },
      },
      async ({ principal, body, query }) => APPLIED.write(await manifests.bulk(principal, query.selector, body)),
    );
  };
}
