import { ANY_NUMBER, parseAnswer, readAnswer } from '../../client/answer.ts';
import { Client, type ClientFlags } from '../../client/client.ts';
import { allRouters } from '../../client/resources.ts';
import { AUDIT_ENTRY } from '../../contract/audit.ts';
import { list } from '../../contract/compounds.ts';
import { EVENT, type StoredEvent } from '../../contract/event.ts';
import { COUNT, HOST_NAME } from '../../contract/primitives.ts';
import { partial, record } from '../../contract/record.ts';
import { text } from '../../contract/scalars.ts';
import { FAMILY_STATUS, ROUTER_REPORT } from '../../contract/status.ts';
import { PinholeError } from '../../model/errors.ts';
import { paint, print } from '../../terminal/table.ts';

/** What is printed of an event's data, which differs from kind to kind. */
const DATA = partial({
  host: HOST_NAME,
  became: text({ max: 64, what: 'what a host became' }),
  action: AUDIT_ENTRY.fields.action,
  target: AUDIT_ENTRY.fields.target,
  reason: ROUTER_REPORT.fields.reason,
  repaired: COUNT,
  helpers: list(record({ families: list(FAMILY_STATUS, ANY_NUMBER) }), ANY_NUMBER),
});

const STYLES = { change: 'green', status: 'blue', drift: 'yellow', host: 'magenta' } as const;
const RETRY_MS = 1_000;

/**
 * Prints changes, status and drift as they happen, until interrupted. After a lost connection it resumes after the last event.
 * @throws PinholeError as {@link Client.lines}, and `unreachable` if no server answers before the first event
 */
export async function events(flags: ClientFlags & { after?: string }): Promise<void> {
  const client = new Client(flags);
  const names = new Map<string, string>((await allRouters(client)).map(({ value: { id, name } }) => [id, name || id]));
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  let after = flags.after;
  while (!stop.signal.aborted) {
    try {
      for await (const line of client.lines(`/v1/events${after === undefined ? '' : `?after=${after}`}`, stop.signal)) {
        if (line.startsWith('id: ')) after = line.slice(4);
        if (!line.startsWith('data: ')) continue;
        const text = line.slice(6);
        const json = parseAnswer(text);
        // An error that ends the stream is data too; it has no number.
        if (!isNumbered(json)) continue;
        const event = readAnswer(EVENT, json, { path: 'event' });
        print(flags.json ? `${text}\n` : `${describe(event, names)}\n`);
      }
    } catch (error) {
      // With the number of the last event, the next connection resumes where this one ended.
      if (!(error instanceof PinholeError && error.code === 'unreachable') || after === undefined) {
        if (stop.signal.aborted) return;
        throw error;
      }
    }
    if (!stop.signal.aborted) await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

function isNumbered(json: unknown): boolean {
  return typeof json === 'object' && json !== null && Object.hasOwn(json, 'seq');
}

function describe({ seq, at, kind, routerId, data }: StoredEvent, names: ReadonlyMap<string, string>): string {
  const { host, became, action, target, reason, repaired, helpers } = readAnswer(DATA, data, { path: 'event.data' });
  const statuses = [...new Set(helpers?.flatMap(({ families }) => families.map(({ status }) => status)))].join(', ');
  const what = {
    change: `${action} ${target}`,
    status: [statuses, reason].filter(Boolean).join(': ') || 'no helpers',
    drift: `${repaired} change${repaired === 1 ? '' : 's'} by others repaired`,
    host: [became, reason].filter(Boolean).join(': '),
  }[kind];
  const whose = routerId === null ? (host ?? '') : (names.get(routerId) ?? routerId);
  return `${seq}  ${at}  ${paint(STYLES[kind], kind.padEnd(6))}  ${whose}  ${what}`;
}
