import { readFileSync } from 'node:fs';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { join } from 'node:path';
import { type ErrorData, errorFromData, PinholeError } from '../model/errors.ts';

export interface ClientFlags {
  readonly url?: string;
  readonly token?: string;
  readonly json?: boolean;
}

const DEFAULT_URL = 'http://127.0.0.1:9797';
const TIMEOUT_MS = 30_000;

/** The API as commands use it: finds server and token by itself on a host where `pinhole up` runs. */
export class Client {
  readonly #url: string;
  readonly #token: string;
  readonly #tls: RequestOptions;

  constructor(flags: ClientFlags, env: NodeJS.ProcessEnv = process.env) {
    const dataDir = env['PINHOLE_DATA_DIR'];
    const runDir = env['PINHOLE_RUN_DIR'] ?? (dataDir ? join(dataDir, 'run') : '/run/pinhole');
    this.#url = flags.url ?? env['PINHOLE_URL'] ?? readLine(join(runDir, 'server', 'endpoint')) ?? DEFAULT_URL;
    this.#tls = tlsFiles(env);
    this.#token = flags.token ?? env['PINHOLE_TOKEN'] ?? readLine(join(dataDir ?? '/var/lib/pinhole', 'admin-token')) ?? '';
  }

  /** @throws PinholeError with the server's code, or `unreachable` */
  async call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const response = await this.#send(method, path, body);
    const text = await readAll(response);
    if ((response.statusCode ?? 500) < 400) return (text === '' ? null : JSON.parse(text)) as T;
    throw errorOf(response, text);
  }

  get<T>(path: string): Promise<T> {
    return this.call<T>('GET', path);
  }

  /** Lines of a response that goes on. */
  async *lines(path: string, signal?: AbortSignal): AsyncGenerator<string> {
    const response = await this.#send('GET', path, undefined, signal);
    if ((response.statusCode ?? 500) >= 400) throw errorOf(response, await readAll(response));
    response.setEncoding('utf8');
    let rest = '';
    for await (const chunk of response) {
      const parts = (rest + chunk).split('\n');
      rest = parts.pop() as string;
      yield* parts;
    }
  }

  #send(method: string, path: string, body: unknown, signal?: AbortSignal): Promise<IncomingMessage> {
    const { url, ...transport } = this.#target(path);
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const headers = {
      authorization: `Bearer ${this.#token}`,
      ...(payload === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }),
    };
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
    const options = { method, headers, ...transport, ...(signal ? { signal } : { timeout: TIMEOUT_MS }) };
    return new Promise((resolve, reject) => {
      const request = send(url, options, resolve);
      request.on('timeout', () => request.destroy(new Error(`no answer in ${TIMEOUT_MS / 1000} s`)));
      request.on('error', (error) =>
        reject(new PinholeError('unreachable', `no server at ${this.#url}: ${error.message}. Does 'pinhole up' run?`, { cause: error })),
      );
      request.end(payload);
    });
  }

  #target(path: string): { url: URL } & RequestOptions {
    const [, socketPath] = /^unix:(\/.+)$/.exec(this.#url) ?? [];
    if (socketPath) return { url: new URL(path, 'http://localhost'), socketPath };
    const url = parseUrl(this.#url, path);
    return url.protocol === 'https:' ? { url, ...this.#tls } : { url };
  }
}

/** An authority of one's own, and a certificate to show, where servers want one. */
function tlsFiles(env: NodeJS.ProcessEnv): RequestOptions {
  const read = (name: string) => {
    const file = env[name];
    if (file === undefined) return undefined;
    try {
      return readFileSync(file, 'utf8');
    } catch (error) {
      throw new PinholeError('invalid-input', `${name}: ${file} cannot be read (${(error as NodeJS.ErrnoException).code}).`, {
        details: { field: name },
      });
    }
  };
  const [ca, cert, key] = [read('PINHOLE_CA_FILE'), read('PINHOLE_CERT_FILE'), read('PINHOLE_KEY_FILE')];
  return { ...(ca === undefined ? {} : { ca }), ...(cert === undefined ? {} : { cert }), ...(key === undefined ? {} : { key }) };
}

function parseUrl(base: string, path: string): URL {
  try {
    return new URL(path, base);
  } catch {
    throw new PinholeError('invalid-input', `--url: '${base}' is no URL like ${DEFAULT_URL}, nor unix:/path.`, {
      details: { field: 'url' },
    });
  }
}

async function readAll(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

function errorOf(response: IncomingMessage, text: string): PinholeError {
  try {
    const { error } = JSON.parse(text) as { error: ErrorData };
    return errorFromData(error);
  } catch {
    return new PinholeError('internal', `the server answered ${response.statusCode} without an error of Pinhole's`);
  }
}

function readLine(path: string): string | null {
  try {
    return readFileSync(path, 'utf8').trim() || null;
  } catch {
    return null;
  }
}
