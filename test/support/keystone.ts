import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { eventually } from './eventually.ts';

const ADMIN = { name: 'admin', password: 'of-the-admin' } as const;
/** Debian's Python, not another one that comes first. */
export const SYSTEM_PATH = '/usr/bin:/bin:/usr/sbin:/sbin';

interface TokenBody {
  token: { user: { id: string }; project?: { id: string } };
}

/** A real Keystone on loopback: Debian's, with SQLite and fernet keys. */
export class Keystone {
  readonly directory = mkdtempSync(join(tmpdir(), 'phks-'));
  port = 0;
  readonly #env = {
    PATH: SYSTEM_PATH,
    LC_ALL: 'C.UTF-8',
    HOME: this.directory,
    OS_KEYSTONE_CONFIG_FILES: join(this.directory, 'keystone.conf'),
  };
  #process: ChildProcess | null = null;
  #log = '';
  #adminToken: string | null = null;

  get url(): string {
    return `http://127.0.0.1:${this.port}/v3`;
  }

  async start(): Promise<this> {
    this.port = await freePort();
    for (const folder of ['fernet', 'credential']) mkdirSync(join(this.directory, folder), { mode: 0o700 });
    writeFileSync(
      join(this.directory, 'keystone.conf'),
      [
        `[DEFAULT]\nlog_file = ${join(this.directory, 'keystone.log')}`,
        `[database]\nconnection = sqlite:///${join(this.directory, 'keystone.db')}`,
        '[token]\nprovider = fernet',
        `[fernet_tokens]\nkey_repository = ${join(this.directory, 'fernet')}`,
        `[credential]\nkey_repository = ${join(this.directory, 'credential')}`,
        '[cache]\nenabled = false',
        '',
      ].join('\n'),
    );
    const owner = ['--keystone-user', userInfo().username, '--keystone-group', userInfo().username];
    this.#manage('db_sync');
    // In SQLite's other mode a reader that Keystone leaves open keeps it from writing.
    const database = new Database(join(this.directory, 'keystone.db'));
    database.pragma('journal_mode = WAL');
    database.close();
    this.#manage('fernet_setup', ...owner);
    this.#manage('credential_setup', ...owner);
    this.#manage(
      'bootstrap',
      '--bootstrap-password',
      ADMIN.password,
      '--bootstrap-public-url',
      this.url,
      '--bootstrap-region-id',
      'RegionOne',
    );
    await this.launch();
    return this;
  }

  async launch(): Promise<void> {
    const argv = ['/usr/bin/keystone-wsgi-public', '--port', String(this.port), '--host', '127.0.0.1'];
    const child = spawn('/usr/bin/python3', argv, { env: this.#env, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk) => {
        this.#log = (this.#log + chunk).slice(-100_000);
      });
    this.#process = child;
    await eventually(
      async () => {
        if (child.exitCode !== null) throw new Error(`Keystone ended:\n${this.#log}`);
        return fetch(this.url).then(
          ({ ok }) => ok,
          () => false,
        );
      },
      { what: 'Keystone answers', timeoutMs: 30_000 },
    );
  }

  /** Ends it; its data stays. */
  async halt(): Promise<void> {
    const child = this.#process;
    if (!child || child.exitCode !== null) return;
    const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
    child.kill('SIGKILL');
    await closed;
    this.#process = null;
  }

  async stop(): Promise<void> {
    await this.halt();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** A token of a user, for a project (by name), the system, or nothing. */
  async token(
    user: { name: string; password: string },
    scope: { project: string } | 'system' | 'unscoped',
  ): Promise<{ text: string; body: TokenBody['token'] }> {
    const domain = { name: 'Default' };
    const scoped =
      scope === 'unscoped' ? {} : { scope: scope === 'system' ? { system: { all: true } } : { project: { name: scope.project, domain } } };
    const auth = { identity: { methods: ['password'], password: { user: { ...user, domain } } }, ...scoped };
    const response = await fetch(`${this.url}/auth/tokens`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ auth }),
    });
    if (response.status !== 201) throw new Error(`no token for ${user.name}: ${response.status} ${await response.text()}`);
    return { text: response.headers.get('x-subject-token') as string, body: ((await response.json()) as TokenBody).token };
  }

  adminToken(scope: { project: string } | 'system' = { project: 'admin' }) {
    return this.token(ADMIN, scope);
  }

  /** Asks as admin. */
  // biome-ignore lint/suspicious/noExplicitAny: Keystone's bodies
  async call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<any> {
    // Hashing a password takes Keystone a third of a second.
    this.#adminToken ??= (await this.adminToken()).text;
    const text = this.#adminToken;
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers: { 'x-auth-token': text, 'content-type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const answer = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${answer}\n${this.#log.slice(-3000)}`);
    return answer === '' ? null : JSON.parse(answer);
  }

  async addProject(name: string): Promise<string> {
    return (await this.call('POST', '/projects', { project: { name, domain_id: 'default' } })).project.id;
  }

  /** A user with a role in a project (by id). */
  async addUser(
    name: string,
    { project, role }: { project: string; role: string },
  ): Promise<{ name: string; password: string; id: string }> {
    const password = `of-${name}`;
    const { user } = await this.call('POST', '/users', { user: { name, password, domain_id: 'default' } });
    await this.call('PUT', `/projects/${project}/users/${user.id}/roles/${await this.#roleId(role)}`);
    return { name, password, id: user.id };
  }

  async addService(name: string, type: string, url: string): Promise<void> {
    const { service } = await this.call('POST', '/services', { service: { name, type } });
    await this.call('POST', '/endpoints', { endpoint: { service_id: service.id, interface: 'public', url, region_id: 'RegionOne' } });
  }

  async #roleId(name: string): Promise<string> {
    const { roles } = await this.call('GET', `/roles?name=${name}`);
    if (roles[0]) return roles[0].id;
    return (await this.call('POST', '/roles', { role: { name } })).role.id;
  }

  #manage(...argv: string[]): void {
    const config = join(this.directory, 'keystone.conf');
    execFileSync('/usr/bin/python3', ['/usr/bin/keystone-manage', '--config-file', config, ...argv], { env: this.#env, stdio: 'pipe' });
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
