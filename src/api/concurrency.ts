import type { FastifyInstance } from 'fastify';
import { PinholeError } from '../model/errors.ts';

/**
 * Limits the number of requests that are worked on at the same time. A request beyond the limit is refused at once, before any of
 * it is read, with `overloaded` and `Retry-After: 1`; the others are still answered in good time.
 * @param max number of requests, at least 1
 */
export function boundConcurrency(app: FastifyInstance, max: number): void {
  let running = 0;
  const counted = new WeakSet<object>();
  app.addHook('onRequest', async (request, reply) => {
    if (running >= max)
      throw new PinholeError('overloaded', `The server is working on ${max} requests, its maximum. Try again later.`, {
        details: { retryAfter: 1 },
      });
    running++;
    counted.add(request.raw);
    reply.raw.once('close', () => {
      if (counted.delete(request.raw)) running--;
    });
  });
  /** A stream that stays open is not work. Followers have limits of their own. */
  app.decorate('stopCounting', (request: { raw: object }) => {
    if (counted.delete(request.raw)) running--;
  });
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Takes a request out of the count before its answer ends. */
    stopCounting(request: { raw: object }): void;
  }
}
