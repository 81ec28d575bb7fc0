import { request } from 'node:http';

export interface Received {
  id: number;
  event: string;
  data: { seq: number; kind: string; router_id: string | null; data: Record<string, unknown> };
}

/** An EventSource as browsers have it: keeps the last id, and what it got. */
export class Follower {
  readonly events: Received[] = [];
  status = 0;
  lastId = '';
  ended = false;
  #close: () => void = () => undefined;

  open(
    server: { readonly url: string; readonly token: string },
    options: { token?: string; after?: string; lastId?: string } = {},
  ): Promise<this> {
    const query = options.after === undefined ? '' : `?after=${options.after}`;
    const headers = {
      authorization: `Bearer ${options.token ?? server.token}`,
      ...(options.lastId === undefined ? {} : { 'last-event-id': options.lastId }),
    };
    return new Promise((resolve, reject) => {
      const outgoing = request(`${server.url}/v1/events${query}`, { headers }, (response) => {
        this.status = response.statusCode ?? 0;
        let rest = '';
        response.setEncoding('utf8').on('data', (chunk) => {
          const parts = (rest + chunk).split('\n\n');
          rest = parts.pop() as string;
          for (const part of parts) this.#onBlock(part);
        });
        response.on('end', () => {
          this.ended = true;
        });
        response.on('error', () => undefined);
        resolve(this);
      });
      outgoing.on('error', reject);
      outgoing.end();
      this.#close = () => outgoing.destroy();
    });
  }

  close(): void {
    this.#close();
  }

  #onBlock(block: string): void {
    const fields = Object.fromEntries(block.split('\n').map((line) => [line.split(': ')[0], line.slice(line.indexOf(': ') + 2)]));
    if (fields['id']) this.lastId = fields['id'];
    if (fields['data']) this.events.push({ id: Number(fields['id']), event: fields['event'] ?? '', data: JSON.parse(fields['data']) });
  }
}
