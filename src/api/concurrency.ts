import type { FastifyInstance } from 'fastify';
import { PinholeError } from '../model/errors.ts';

/**
 * Bounds how many requests are worked on at a time: those beyond are told to come again at once, before anything of them is
 * read, so that the others are still answered in good time.
 */
export function boundConcurrency(app: FastifyInstance, max: number): void {
  let running = 0;
  const counted = new WeakSet<object>();
  app.addHook('onRequest', async (request, reply) => {
    if (running >= max)
      throw new PinholeError('overloaded', `${max} requests are being worked on; come again.`, { details: { retryAfter: 1 } });
    running++;
    counted.add(request.raw);
    reply.raw.once('close', () => {
      if (counted.delete(request.raw)) running--;
    });
  });
  /** A stream that goes on is no work: it has followers' bounds of its own. */
  app.decorate('stopCounting', (request: { raw: object }) => {
    if (counted.delete(request.raw)) running--;
  });
}

declare module 'fastify' {
  interface FastifyInstance {
    stopCounting(request: { raw: object }): void;
  }
}
