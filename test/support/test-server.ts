import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Config, loadConfig, paths } from '../../src/config/config.ts';
import { newTokenText } from '../../src/contract/token.ts';
import { type RunningServer, startServer } from '../../src/processes/server.ts';
import { databaseYaml, type StoreName } from './stores.ts';

export interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: bodies are asserted on, not computed with
  readonly body: any;
  readonly headers: Headers;
  readonly text: string;
}

export interface TestServerOptions {
  readonly store?: StoreName;
  readonly directory?: string;
  readonly listen?: string;
  readonly insecure?: boolean;
  readonly env?: NodeJS.ProcessEnv;
}

/** A server of its own in this process, on a free port. */
export class TestServer {
  readonly directory: string;
  readonly token = newTokenText();
  config!: Config;
  #running: RunningServer | null = null;
  #database: string | null = null;
  readonly #yaml: string;
  readonly #options: TestServerOptions;

  constructor(yaml = '', options: TestServerOptions = {}) {
    this.#yaml = yaml;
    this.#options = options;
    this.directory = options.directory ?? mkdtempSync(join(tmpdir(), 'phs-'));
  }

  get running(): RunningServer {
    return this.#running as RunningServer;
  }

  async start(): Promise<this> {
    const file = join(this.directory, 'pinhole.yaml');
    const { store = 'sqlite', listen = '127.0.0.1:0', insecure = false, env = {} } = this.#options;
    const limits = /^limits:/m.test(this.#yaml) ? '' : 'limits: { requests_per_second: 0, failures_per_second: 0 }\n';
    this.#database ??= await databaseYaml(store);
    writeFileSync(file, `host: here\nlog_level: fatal\n${limits}${this.#database}${this.#yaml}`);
    this.config = loadConfig({ config: file, dataDir: this.directory, listen, insecure }, env);
    const files = paths(this.config);
    for (const directory of [files.serverDir, files.serverSocketDir]) mkdirSync(directory, { recursive: true });
    writeFileSync(files.adminToken, this.token);
    this.#running = await startServer(this.config);
    return this;
  }

  get url(): string {
    return (this.#running as RunningServer).url;
  }

  async call(
    method: string,
    path: string,
    body?: unknown,
    options: {
      token?: string;
      headers?: Record<string, string>;
      raw?: string | Uint8Array<ArrayBuffer>;
      /** For answers that go on. */
      abortAfterHeaders?: boolean;
    } = {},
  ): Promise<Answer> {
    const payload = options.raw ?? (body === undefined ? undefined : JSON.stringify(body));
    const token = options.token ?? this.token;
    const headers = {
      ...(token ? { authorization: `Bearer ${token}` } : {}),
      ...(payload === undefined ? {} : { 'content-type': 'application/json' }),
      ...options.headers,
    };
    const response = await fetch(`${this.url}${path}`, { method, headers, ...(payload === undefined ? {} : { body: payload }) });
    const goesOn = options.abortAfterHeaders === true && response.headers.get('content-length') === null && response.body !== null;
    if (goesOn) await response.body?.cancel();
    const text = goesOn ? '' : await response.text();
    return { status: response.status, body: text.startsWith('{') ? JSON.parse(text) : text, headers: response.headers, text };
  }

  async newToken(role: string, project_id?: string): Promise<string> {
    return (await this.call('POST', '/v1/tokens', { role, ...(project_id ? { project_id } : {}) })).body.token;
  }

  async newRouter(fields: object = {}): Promise<string> {
    return (await this.call('POST', '/v2.0/routers', { router: { name: 'r', ...fields } })).body.router.id;
  }

  /** Ends the server; its data stays for another start. */
  async stop(): Promise<void> {
    await this.#running?.close();
    this.#running = null;
  }

  async close(): Promise<void> {
    await this.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
