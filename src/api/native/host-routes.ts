import type { FastifyPluginAsync } from 'fastify';
import { HELD } from '../../contract/agent.ts';
import { list } from '../../contract/compounds.ts';
import { HOST } from '../../contract/host.ts';
import { FORGET_QUERY, type ForgetQuery, HOST_PARAMS } from '../../contract/query.ts';
import { record } from '../../contract/record.ts';
import { schemaOf } from '../contract.ts';
import type { Services } from '../services.ts';

const MANY = 1_000_000;
const HOST_LIST = record({ hosts: list(HOST, MANY) });
const CONFIRMATION = record({ id: HELD.fields.id });

interface OneHost {
  Params: { host: string };
}

/** Routes of hosts, below `/v1`. */
export function hostRoutes({ hosts }: Services): FastifyPluginAsync {
  return async (app) => {
    const tags = ['hosts'];
    const one = { tags, params: schemaOf(HOST_PARAMS) };
    app.get(
      '/hosts',
      { schema: { tags, response: { 200: schemaOf(HOST_LIST) } }, config: { policy: 'get_agent' } },
      async ({ principal }) => HOST_LIST.write({ hosts: await hosts.list(principal) }),
    );
    app.get<OneHost>(
      '/hosts/:host',
      { schema: { ...one, response: { 200: schemaOf(HOST) } }, config: { policy: 'get_agent' } },
      async ({ principal, params }) => HOST.write(await hosts.get(principal, params.host)),
    );
    app.delete<OneHost & { Querystring: ForgetQuery }>(
      '/hosts/:host',
      { schema: { ...one, querystring: schemaOf(FORGET_QUERY) }, config: { policy: 'delete_agent' } },
      async ({ principal, params, query }, reply) => {
        await hosts.forget(principal, params.host, query.force);
        return reply.code(204).send();
      },
    );
    app.post<OneHost & { Body: { id: string } }>(
      '/hosts/:host/confirm',
      {
        schema: {
          ...one,
          body: schemaOf(CONFIRMATION),
          response: { 200: schemaOf(HELD) },
        },
        config: { policy: 'confirm_agent' },
      },
      async ({ principal, params, body }) => HELD.write(await hosts.confirm(principal, params.host, body.id)),
    );
  };
}
