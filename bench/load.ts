import { connect } from 'node:net';
import { performance } from 'node:perf_hooks';
import { round } from './measure.ts';

export interface LoadResult {
  readonly perSecond: number;
  readonly latencyMs: readonly number[];
}

/** Clients with one connection and one pending request each. They write HTTP by hand: a library would use up the other core. */
export class Load {
  readonly #url: URL;
  readonly #token: string;

  constructor(url: URL, token: string) {
    this.#url = url;
    this.#token = token;
  }

  /**
   * @param request makes the next request: method and path, and a body
   * @param pauseMs each client's pause between an answer and its next request
   */
  async run(
    clients: number,
    seconds: number,
    { request, status, pauseMs = 0 }: { request: () => { line: string; body?: string }; status: number; pauseMs?: number },
  ): Promise<LoadResult> {
    const until = performance.now() + seconds * 1000;
    const start = performance.now();
    const latencyMs: number[] = [];
    const text = () => {
      const { line, body } = request();
      const payload = body === undefined ? '' : `content-type: application/json\r\ncontent-length: ${body.length}\r\n`;
      return `${line} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer ${this.#token}\r\n${payload}\r\n${body ?? ''}`;
    };
    const client = () => this.#client({ until, latencyMs, text, expected: `HTTP/1.1 ${status}`, pauseMs });
    await Promise.all(Array.from({ length: clients }, client));
    return { perSecond: round((latencyMs.length / (performance.now() - start)) * 1000), latencyMs };
  }

  #client(run: { until: number; latencyMs: number[]; text: () => string; expected: string; pauseMs: number }): Promise<void> {
    const { until, latencyMs, text, expected, pauseMs } = run;
    return new Promise((resolve, reject) => {
      const socket = connect({ host: this.#url.hostname, port: Number(this.#url.port), noDelay: true });
      let sentAt = 0;
      const send = () => {
        sentAt = performance.now();
        socket.write(text());
      };
      let answer = '';
      socket.on('data', (chunk) => {
        answer += chunk.toString('latin1');
        const end = answer.indexOf('\r\n\r\n');
        if (end < 0 || answer.length < end + 4 + Number(/content-length: (\d+)/i.exec(answer)?.[1] ?? 0)) return;
        if (!answer.startsWith(expected)) return reject(new Error(answer));
        answer = '';
        latencyMs.push(performance.now() - sentAt);
        if (performance.now() >= until) socket.end();
        else if (pauseMs > 0) setTimeout(send, pauseMs * (0.5 + Math.random()));
        else send();
      });
      // Spreads the first requests of clients that pause.
      socket.on('connect', () => (pauseMs > 0 ? setTimeout(send, pauseMs * Math.random()) : send()));
      socket.on('error', reject);
      socket.on('close', () => resolve());
    });
  }
}
