import { readFileSync } from 'node:fs';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { join } from 'node:path';
import { type FolderFlags, findFolders } from '../config/folders.ts';
import type { Shape } from '../contract/shape.ts';
import { type ErrorData, errorFromData, PinholeError } from '../model/errors.ts';
import { parseAnswer, readAnswer } from './answer.ts';

/** The flags of every command that asks a server. */
export interface ClientFlags extends Pick<FolderFlags, 'config'> {
  /** `http://`, `https://` or `unix:` and a path; default: `$PINHOLE_URL`, then the endpoint that a server on this host wrote. */
  readonly url?: string;
  /** Default: `$PINHOLE_TOKEN`, then the admin token of this host. */
  readonly token?: string;
  /** Print JSON. */
  readonly json?: boolean;
}

const DEFAULT_URL = 'http://127.0.0.1:9797';
const TIMEOUT_MS = 30_000;

/** The API as commands use it. On a host where `pinhole up` runs, it finds the server and the token by itself. */
export class Client {
  readonly #flags: ClientFlags;
  readonly #env: NodeJS.ProcessEnv;
  readonly #tls: RequestOptions;
  #place: Promise<Place> | null = null;

  /** @throws PinholeError `invalid-input` for a TLS file that an environment variable names and that cannot be read */
  constructor(flags: ClientFlags, env: NodeJS.ProcessEnv = process.env) {
    this.#flags = flags;
    this.#env = env;
    this.#tls = tlsFiles(env);
  }

  /**
   * Sends one request. An answer has 30 seconds to begin.
   * @returns the answer's JSON as it came; null for an empty answer
   * @throws PinholeError with the server's code, `unreachable`, or `invalid-message` for an answer that is not JSON
   */
  async call(method: string, path: string, body?: unknown): Promise<unknown> {
    const response = await this.#send(method, path, body);
    const text = await readAll(response);
    if ((response.statusCode ?? 500) < 400) return text === '' ? null : parseAnswer(text);
    throw errorOf(response, text);
  }

  /** Sends one request and reads its answer; see {@link readAnswer}. @throws PinholeError as {@link call} */
  async read<T>(shape: Shape<T>, method: string, path: string, body?: unknown): Promise<T> {
    return readAnswer(shape, await this.call(method, path, body));
  }

  /** The JSON of a GET request's answer. @throws PinholeError as {@link call} */
  get(path: string): Promise<unknown> {
    return this.call('GET', path);
  }

  /**
   * The lines of an answer without an end, each as soon as it is complete, without its newline. Ends when the server closes.
   * @param signal aborts the request, also while it waits for a line
   * @throws PinholeError as {@link call}; the signal's reason when it aborts
   */
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

  async #send(method: string, path: string, body: unknown, signal?: AbortSignal): Promise<IncomingMessage> {
    this.#place ??= findPlace(this.#flags, this.#env);
    const { url: base, token } = await this.#place;
    const { url, ...transport } = this.#target(base, path);
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const headers = {
      authorization: `Bearer ${token}`,
      ...(payload === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }),
    };
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
    const options = { method, headers, ...transport, ...(signal ? { signal } : { timeout: TIMEOUT_MS }) };
    return new Promise((resolve, reject) => {
      const request = send(url, options, resolve);
      request.on('timeout', () => request.destroy(new Error(`no answer in ${TIMEOUT_MS / 1000} s`)));
      request.on('error', (error) =>
        reject(new PinholeError('unreachable', `no server at ${base}: ${error.message}. Does 'pinhole up' run?`, { cause: error })),
      );
      request.end(payload);
    });
  }

  #target(base: string, path: string): { url: URL } & RequestOptions {
    const [, socketPath] = /^unix:(\/.+)$/.exec(base) ?? [];
    if (socketPath) return { url: new URL(path, 'http://localhost'), socketPath };
    const url = parseUrl(base, path);
    return url.protocol === 'https:' ? { url, ...this.#tls } : { url };
  }
}

interface Place {
  readonly url: string;
  readonly token: string;
}

/** The server and the token: what flags or variables say, otherwise what a server on this host left in its folders. */
async function findPlace(flags: ClientFlags, env: NodeJS.ProcessEnv): Promise<Place> {
  const [url, token] = [flags.url ?? env['PINHOLE_URL'], flags.token ?? env['PINHOLE_TOKEN']];
  if (url !== undefined && token !== undefined) return { url, token };
  const { dataDir, runDir } = await findFolders(flags, env);
  return {
    url: url ?? readLine(join(runDir, 'server', 'endpoint')) ?? DEFAULT_URL,
    token: token ?? readLine(join(dataDir, 'admin-token')) ?? '',
  };
}

/** TLS files that environment variables name: the authority to trust, and a client certificate for servers that require one. */
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
    throw new PinholeError('invalid-input', `--url: '${base}' is neither a URL like ${DEFAULT_URL} nor unix:/path.`, {
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
    return new PinholeError('internal', `the server answered ${response.statusCode} without a Pinhole error: is it another program?`);
  }
}

function readLine(path: string): string | null {
  try {
    return readFileSync(path, 'utf8').trim() || null;
  } catch {
    return null;
  }
}
