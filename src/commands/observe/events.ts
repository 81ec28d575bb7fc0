import { Client, type ClientFlags } from '../../client/client.ts';
import type { RouterJson } from '../../client/resources.ts';
import { PinholeError } from '../../model/errors.ts';
import { paint, print } from '../../terminal/table.ts';

interface EventJson {
  readonly seq: number;
  readonly at: string;
  readonly kind: 'change' | 'status' | 'drift';
  readonly router_id: string;
  readonly data: { action?: string; target?: string; reason?: string; repaired?: number; helpers?: { families: { status: string }[] }[] };
}

const STYLES = { change: 'green', status: 'blue', drift: 'yellow' } as const;
const RETRY_MS = 1_000;

/** Follows changes, status and drift until interrupted, also over a restart of the server. */
export async function events(flags: ClientFlags & { after?: string }): Promise<void> {
  const client = new Client(flags);
  const { routers } = await client.get<{ routers: RouterJson[] }>('/v1/routers');
  const names = new Map(routers.map(({ id, name }) => [id, name || id]));
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  let after = flags.after;
  while (!stop.signal.aborted) {
    try {
      for await (const line of client.lines(`/v1/events${after === undefined ? '' : `?after=${after}`}`, stop.signal)) {
        if (line.startsWith('id: ')) after = line.slice(4);
        if (!line.startsWith('data: ')) continue;
        const event = JSON.parse(line.slice(6)) as EventJson;
        if (event.seq !== undefined) print(flags.json ? `${line.slice(6)}\n` : `${describe(event, names)}\n`);
      }
    } catch (error) {
      // Where it was is known: after a restart it goes on from there.
      if (!(error instanceof PinholeError && error.code === 'unreachable') || after === undefined) {
        if (stop.signal.aborted) return;
        throw error;
      }
    }
    if (!stop.signal.aborted) await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

function describe({ seq, at, kind, router_id, data }: EventJson, names: ReadonlyMap<string, string>): string {
  const statuses = [...new Set(data.helpers?.flatMap(({ families }) => families.map(({ status }) => status)))].join(', ');
  const what = {
    change: `${data.action} ${data.target}`,
    status: [statuses, data.reason].filter(Boolean).join(': ') || 'no helpers',
    drift: `${data.repaired} change${data.repaired === 1 ? '' : 's'} by others repaired`,
  }[kind];
  return `${seq}  ${at}  ${paint(STYLES[kind], kind.padEnd(6))}  ${names.get(router_id) ?? router_id}  ${what}`;
}
