import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import type { FastifyPluginAsync, FastifyRequest } from 'fastify';
import { EVENT } from '../../contract/event.ts';
import { EXPECTATION_EVENT } from '../../contract/expectation.ts';
import { EVENT_POSITION, EVENT_QUERY } from '../../contract/query.ts';
import { read } from '../../contract/shape.ts';
import type { Identity } from '../../control/identity/interface.ts';
import { errorToData } from '../../model/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import { authenticate } from '../access.ts';
import { schemaOf } from '../contract.ts';
import type { Services } from '../services.ts';

/** A watcher that does not read is cut off. */
const MAX_STREAM_BACKLOG = 1024 * 1024;
/** Proxies close what is silent; a client notices by this that the server is gone. */
const HEARTBEAT_MS = 15_000;

/** Answers that go on. */
export function streamRoutes({ expectations, events }: Services, identity: Identity, clock: Clock): FastifyPluginAsync {
  return async (app) => {
    app.get(
      '/expectations',
      {
        schema: { tags: ['status'], description: 'Follows live expectations: one JSON object a line.' },
        config: { policy: 'get_router_expectations' },
      },
      async (request, reply) => {
        const stream = openStream(request);
        // One after the other, each asked for anew: a token that is revoked sees nothing more.
        let sent: Promise<unknown> = Promise.resolve();
        const stop = await expectations.watch(request.principal, (event) => {
          if (stream.writableLength > MAX_STREAM_BACKLOG) stream.destroy();
          sent = sent
            .then(() => authenticate(identity, request))
            .then(() => stream.write(`${JSON.stringify(EXPECTATION_EVENT.write(event))}\n`))
            .catch(() => stream.destroy());
        });
        stream.on('close', stop);
        stream.write('\n');
        app.stopCounting(request);
        return reply.type('application/x-ndjson').send(stream);
      },
    );
    app.get<{ Querystring: { after?: string } }>(
      '/events',
      {
        schema: {
          tags: ['status'],
          querystring: schemaOf(EVENT_QUERY),
          description: 'Server-sent events: changes, status, drift. Resumes after `Last-Event-ID` or `after`; without either begins now.',
        },
        config: { policy: 'get_event' },
      },
      async (request, reply) => {
        const from = await events.start(resumeAfter(request, request.query.after));
        const stream = openStream(request);
        const stopped = new AbortController();
        const heartbeat = clock.every(HEARTBEAT_MS, () => stream.write(':\n\n'));
        stream.on('close', () => {
          heartbeat.cancel();
          stopped.abort();
        });
        stream.write(`retry: 1000\nid: ${from}\n\n`);
        app.stopCounting(request);
        void events
          .follow(from, {
            signal: stopped.signal,
            authenticate: () => authenticate(identity, request),
            send: async (list) => {
              const text = list
                .map((event) => `id: ${event.seq}\nevent: ${event.kind}\ndata: ${JSON.stringify(EVENT.write(event))}\n\n`)
                .join('');
              if (!stream.write(text)) await once(stream, 'drain', { signal: stopped.signal });
            },
          })
          .catch((error) => {
            if (!stopped.signal.aborted) stream.write(`event: error\ndata: ${JSON.stringify(errorToData(error))}\n\n`);
          })
          .finally(() => stream.end());
        return reply.type('text/event-stream').header('cache-control', 'no-store').send(stream);
      },
    );
  };
}

/** Ends with the client's connection. */
function openStream(request: FastifyRequest): PassThrough {
  const stream = new PassThrough();
  request.raw.on('close', () => stream.destroy());
  return stream;
}

function resumeAfter(request: FastifyRequest, after: string | undefined): number | null {
  const text = request.headers['last-event-id'] ?? after;
  if (text === undefined || text === '') return null;
  return Number(read(EVENT_POSITION, text, 'after', 'input'));
}
