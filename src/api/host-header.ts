import type { FastifyInstance } from 'fastify';
import { Denied } from '../model/errors.ts';

/**
 * Refuses requests that are addressed to another host. Where no client signs in, a web page could otherwise reach the API through the
 * browser of a user of this machine: its own name may resolve to a loopback address (DNS rebinding), and the browser then takes the API for the
 * page's own server.
 * @param names host names without a port, in lower case
 */
export function requireHost(app: FastifyInstance, names: ReadonlySet<string>): void {
  app.addHook('onRequest', async (request) => {
    const { host = '' } = request.headers;
    const name = host.toLowerCase().replace(/:\d*$/, '');
    if (!names.has(name))
      throw new Denied(`Without identity, this API answers requests to ${[...names].join(', ')} only, not to '${host.slice(0, 255)}'.`);
  });
}
