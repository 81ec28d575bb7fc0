import { list } from '../../contract/compounds.ts';
import { record } from '../../contract/record.ts';
import { literal, text } from '../../contract/scalars.ts';
import type { Operation, Operations } from './operation.ts';

const WORD = text({ max: 4_096, what: 'a text' });
const OK = record({ status: literal('ok') }).schema();
const VERSION = record({ id: WORD, status: WORD, links: list(record({ rel: WORD, href: WORD }), 2) });

const health = (id: string, summary: string, description: string): Operation => ({
  id,
  summary,
  description,
  result: OK,
  answer: { status: 'ok' },
  tag: 'operation',
});

/** Operations that belong to neither dialect. */
export const SYSTEM_OPERATIONS: Operations = {
  'GET /': {
    id: 'listVersions',
    summary: "Lists versions of Neutron's API",
    description: 'Clients of OpenStack ask this before they have a token.',
    result: record({ versions: list(VERSION, 10) }).schema(),
    answer: { versions: [{ id: 'v2.0', status: 'CURRENT', links: [{ rel: 'self', href: 'http://127.0.0.1:9797/v2.0/' }] }] },
  },
  'GET /livez': health('getLiveness', 'Says that the process answers', 'Asks nothing else of the server.'),
  'GET /readyz': health('getReadiness', 'Says whether requests are served', 'Also asks whether the helpers of this host are looked after.'),
  'GET /healthcheck': health('getHealth', 'Says whether this server takes requests', 'The path that load balancers of OpenStack check.'),
  'GET /metrics': {
    id: 'getMetrics',
    summary: 'Shows metrics',
    description: 'Metrics of the server, in the text format of Prometheus.',
    media: 'text/plain',
    answer: '# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total 1.5\n',
    tag: 'operation',
  },
  'GET /openapi.json': {
    id: 'getDocument',
    summary: 'Describes the API',
    description: 'This document. It needs no token, and says nothing about what is declared.',
    result: { type: 'object', required: ['openapi'], properties: { openapi: { const: '3.1.0' } } },
    answer: { openapi: '3.1.0' },
    tag: 'operation',
  },
  'GET /console/api': {
    id: 'getDocumentPage',
    summary: 'Describes the API to people',
    description: 'This document as a page.',
    media: 'text/html',
    answer: '<!doctype html>',
    tag: 'operation',
  },
};
