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
import { Collected } from '../collected.ts';
import { schemaOf } from '../contract.ts';
import type { Services } from '../services.ts';

/** Bytes that may wait for a client that does not read. Beyond it the stream is closed. */
const MAX_STREAM_BACKLOG = 1024 * 1024;
/** Proxies close silent connections. A client also notices by missing heartbeats that the server is gone. */
const HEARTBEAT_MS = 15_000;

/** Routes whose answers stay open: live expectations and events. */
export function streamRoutes({ expectations, events }: Services, identity: Identity, clock: Clock): FastifyPluginAsync {
  return async (app) => {
    app.get(
      '/expectations',
      {
        schema: { tags: ['status'] },
        config: { policy: 'get_router_expectations' },
      },
      async (request, reply) => {
        const stream = openStream(request);
        const collected = new Collected<string>(clock, async (lines) => {
          if (stream.writableLength > MAX_STREAM_BACKLOG) stream.destroy();
          // A revoked token sees nothing more.
          await authenticate(identity, request).then(
            () => stream.write(lines.join('')),
            () => stream.destroy(),
          );
        });
        const stop = await expectations.watch(request.principal, (event) =>
          collected.add(`${JSON.stringify(EXPECTATION_EVENT.write(event))}\n`),
        );
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
        },
        config: { policy: 'get_event' },
      },
      async (request, reply) => {
        const { from, leave } = await events.start(request.principal, resumeAfter(request, request.query.after));
        const stream = openStream(request).on('close', leave);
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

/** Returns a stream that is destroyed when the client's connection closes. */
function openStream(request: FastifyRequest): PassThrough {
  const stream = new PassThrough();
  request.raw.on('close', () => stream.destroy());
  return stream;
}

/** Returns the number of the last event that the client has seen; null if it starts now. @throws InvalidInput */
function resumeAfter(request: FastifyRequest, after: string | undefined): number | null {
  const text = request.headers['last-event-id'] ?? after;
  if (text === undefined || text === '') return null;
  return Number(read(EVENT_POSITION, text, 'after', 'input'));
}
