import type { FastifyInstance } from 'fastify';
import { pageOf } from './page.ts';

/** The page has no script and no style, and no other page may frame it. */
const CONTENT_POLICY = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/** Routes of the API's description, for programs and for people. It says nothing about what is declared, so that they need no token. */
export function documentRoutes(app: FastifyInstance): void {
  const open = { config: { policy: 'open' as const } };
  app.get('/openapi.json', open, async () => app.swagger());
  // The document does not change while the server runs, and the page needs no token.
  let page: string | null = null;
  const made = () => {
    const { paths, info } = app.swagger();
    return pageOf({ paths, info });
  };
  app.get('/console/api', open, async (_request, reply) => {
    page ??= made();
    reply.type('text/html; charset=utf-8').header('content-security-policy', CONTENT_POLICY);
    return reply.header('x-content-type-options', 'nosniff').header('referrer-policy', 'no-referrer').send(page);
  });
}
