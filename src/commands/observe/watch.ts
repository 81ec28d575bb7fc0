import { Client, type ClientFlags } from '../../client/client.ts';
import type { RouterJson } from '../../client/resources.ts';
import { paint, print } from '../../terminal/table.ts';

interface ExpectationEvent {
  readonly at: string;
  readonly router_id: string;
  readonly change: 'new' | 'gone';
  readonly expectation: {
    helper: string;
    protocol: string;
    source: string;
    destination: string;
    port: number;
    master: { source: string; destination: string; port: number };
  };
}

/** Live expectations, until interrupted. */
export async function watch(flags: ClientFlags): Promise<void> {
  const client = new Client(flags);
  const { routers } = await client.get<{ routers: RouterJson[] }>('/v1/routers');
  const names = new Map(routers.map(({ id, name }) => [id, name || id]));
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  try {
    for await (const line of client.lines('/v1/expectations', stop.signal)) {
      if (line === '') continue;
      print(flags.json ? `${line}\n` : `${describe(JSON.parse(line) as ExpectationEvent, names)}\n`);
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  }
}

function describe({ at, router_id, change, expectation }: ExpectationEvent, names: ReadonlyMap<string, string>): string {
  const { helper, protocol, source, destination, port, master } = expectation;
  const sign = change === 'new' ? paint('green', '+') : paint('red', '-');
  const hole = `${protocol} ${source || 'any'} → ${destination}:${port || 'any'}`;
  return `${at.slice(11, 23)} ${sign} ${names.get(router_id) ?? router_id}  ${helper}  ${hole}  (announced on ${master.source} → ${master.destination}:${master.port})`;
}
