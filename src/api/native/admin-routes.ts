import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyPluginAsync } from 'fastify';
import { parseAuditFilter } from '../../control/audit.ts';
import type { Services } from '../services.ts';
import { auditBody, chainBody, quotaBody, tokenBody } from './bodies.ts';
import * as schema from './schemas.ts';

const MAX_AUDIT_PAGE = 1_000;

/** Tokens, quotas, audit. */
export function adminRoutes({ tokens, quotas, audit }: Services): FastifyPluginAsync {
  return async (plain) => {
    const app = plain.withTypeProvider<TypeBoxTypeProvider>();
    app.get('/tokens', { schema: { tags: ['tokens'] }, config: { policy: 'get_token' } }, async (request) => ({
      tokens: (await tokens.list(request.principal)).map(tokenBody),
    }));
    app.post(
      '/tokens',
      { schema: { tags: ['tokens'], body: schema.TokenCreate }, config: { policy: 'create_token' } },
      async (request, reply) => {
        const { role, project_id = null, description = '', expires_at = null } = request.body;
        const { token, text } = await tokens.create(request.principal, { role, projectId: project_id, description, expiresAt: expires_at });
        return reply.code(201).send({ ...tokenBody(token), token: text });
      },
    );
    app.delete(
      '/tokens/:id',
      { schema: { tags: ['tokens'], params: schema.TokenParams }, config: { policy: 'delete_token' } },
      async (request, reply) => {
        await tokens.revoke(request.principal, request.params.id);
        return reply.code(204).send();
      },
    );
    app.get(
      '/quotas/:id',
      { schema: { tags: ['quotas'], params: schema.ProjectParams }, config: { policy: 'get_quota' } },
      async (request) => quotaBody(await quotas.get(request.principal, request.params.id)),
    );
    app.put(
      '/quotas/:id',
      { schema: { tags: ['quotas'], params: schema.ProjectParams, body: schema.QuotaUpdate }, config: { policy: 'update_quota' } },
      async (request) => {
        const { routers, helpers } = request.body;
        return quotaBody(await quotas.set(request.principal, request.params.id, { routers, helpers }));
      },
    );
    app.get(
      '/audit',
      { schema: { tags: ['audit'], querystring: schema.AuditQuery }, config: { policy: 'get_audit' } },
      async (request) => ({
        entries: (await audit.list(request.principal, parseAuditFilter(request.query, MAX_AUDIT_PAGE))).map(auditBody),
      }),
    );
    app.get(
      '/audit/chains',
      { schema: { tags: ['audit'], description: "Begin, end and signed head of each server's chain." }, config: { policy: 'get_audit' } },
      async (request) => {
        const { own, chains } = await audit.chains(request.principal);
        return { own, chains: chains.map(chainBody) };
      },
    );
  };
}
