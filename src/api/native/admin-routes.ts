import type { FastifyPluginAsync } from 'fastify';
import { AUDIT_CHAIN, AUDIT_ENTRY } from '../../contract/audit.ts';
import { documented, list } from '../../contract/compounds.ts';
import { AUDIT_QUERY, type AuditQuery, PROJECT_PARAMS, TOKEN_PARAMS } from '../../contract/query.ts';
import { QUOTA, QUOTA_UPDATE, type QuotaChange } from '../../contract/quota.ts';
import { record } from '../../contract/record.ts';
import { NEW_TOKEN, TOKEN, TOKEN_CREATE, type TokenInput } from '../../contract/token.ts';
import { auditFilter } from '../../control/audit.ts';
import { schemaOf } from '../contract.ts';
import type { Services } from '../services.ts';

const MAX_AUDIT_PAGE = 1_000;
const MANY = 1_000_000;

const TOKEN_LIST = record({ tokens: list(TOKEN, MANY) });
const AUDIT_LIST = record({ entries: list(AUDIT_ENTRY, MAX_AUDIT_PAGE) });
const CHAIN_LIST = record({ own: documented(AUDIT_CHAIN.fields.chain, "the answering server's chain"), chains: list(AUDIT_CHAIN, MANY) });

interface One {
  Params: { id: string };
}

/** Routes of tokens, quotas and the audit, below `/v1`. */
export function adminRoutes({ tokens, quotas, audit }: Services): FastifyPluginAsync {
  return async (app) => {
    app.get(
      '/tokens',
      { schema: { tags: ['tokens'], response: { 200: schemaOf(TOKEN_LIST) } }, config: { policy: 'get_token' } },
      async ({ principal }) => TOKEN_LIST.write({ tokens: await tokens.list(principal) }),
    );
    app.post<{ Body: TokenInput }>(
      '/tokens',
      {
        schema: { tags: ['tokens'], body: schemaOf(TOKEN_CREATE), response: { 201: schemaOf(NEW_TOKEN) } },
        config: { policy: 'create_token' },
      },
      async (request, reply) => {
        const { token, text } = await tokens.create(request.principal, request.body);
        return reply.code(201).send(NEW_TOKEN.write({ ...token, token: text }));
      },
    );
    app.delete<One>(
      '/tokens/:id',
      { schema: { tags: ['tokens'], params: schemaOf(TOKEN_PARAMS) }, config: { policy: 'delete_token' } },
      async (request, reply) => {
        await tokens.revoke(request.principal, request.params.id);
        return reply.code(204).send();
      },
    );
    const quota = { tags: ['quotas'], params: schemaOf(PROJECT_PARAMS), response: { 200: schemaOf(QUOTA) } };
    app.get<One>('/quotas/:id', { schema: quota, config: { policy: 'get_quota' } }, async ({ principal, params }) =>
      QUOTA.write(await quotas.get(principal, params.id)),
    );
    app.put<One & { Body: QuotaChange }>(
      '/quotas/:id',
      { schema: { ...quota, body: schemaOf(QUOTA_UPDATE) }, config: { policy: 'update_quota' } },
      async ({ principal, params, body }) => QUOTA.write(await quotas.set(principal, params.id, body)),
    );
    app.get<{ Querystring: AuditQuery }>(
      '/audit',
      {
        schema: { tags: ['audit'], querystring: schemaOf(AUDIT_QUERY), response: { 200: schemaOf(AUDIT_LIST) } },
        config: { policy: 'get_audit' },
      },
      async ({ principal, query }) => AUDIT_LIST.write({ entries: await audit.list(principal, auditFilter(query, MAX_AUDIT_PAGE)) }),
    );
    app.get(
      '/audit/chains',
      {
        schema: {
          tags: ['audit'],
          response: { 200: schemaOf(CHAIN_LIST) },
        },
        config: { policy: 'get_audit' },
      },
      async ({ principal }) => CHAIN_LIST.write(await audit.chains(principal)),
    );
  };
}
