import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Config, loadConfig, paths } from '../../src/config/config.ts';
import { newTokenText } from '../../src/model/token.ts';
import { type RunningServer, startServer } from '../../src/server.ts';

export interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: bodies are asserted on, not computed with
  readonly body: any;
  readonly headers: Headers;
}

/** A server of its own in this process, on a free port. */
export class TestServer {
  readonly directory: string;
  readonly token = newTokenText();
  config!: Config;
  #running: RunningServer | null = null;
  readonly #yaml: string;

  constructor(yaml = '', directory = mkdtempSync(join(tmpdir(), 'phs-'))) {
    this.#yaml = yaml;
    this.directory = directory;
  }

  async start(): Promise<this> {
    const file = join(this.directory, 'pinhole.yaml');
    writeFileSync(file, `host: here\nlog_level: fatal\n${this.#yaml}`);
    this.config = loadConfig({ config: file, dataDir: this.directory, listen: '127.0.0.1:0' }, {});
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
    options: { token?: string; headers?: Record<string, string>; raw?: string | Uint8Array<ArrayBuffer> } = {},
  ): Promise<Answer> {
    const payload = options.raw ?? (body === undefined ? undefined : JSON.stringify(body));
    const token = options.token ?? this.token;
    const headers = {
      ...(token ? { authorization: `Bearer ${token}` } : {}),
      ...(payload === undefined ? {} : { 'content-type': 'application/json' }),
      ...options.headers,
    };
    const response = await fetch(`${this.url}${path}`, { method, headers, ...(payload === undefined ? {} : { body: payload }) });
    const text = await response.text();
    return { status: response.status, body: text?.startsWith('{') ? JSON.parse(text) : text, headers: response.headers };
  }

  async newToken(role: string, project_id?: string): Promise<string> {
    return (await this.call('POST', '/v1/tokens', { role, ...(project_id ? { project_id } : {}) })).body.token;
  }

  async newRouter(fields: object = {}): Promise<string> {
    return (await this.call('POST', '/v2.0/routers', { router: { name: 'r', ...fields } })).body.router.id;
  }

  async close(): Promise<void> {
    await this.#running?.close();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
