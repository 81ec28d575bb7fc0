import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { request } from 'node:http';
import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ownPrefix } from '../../src/lab/scratch-network.ts';
import { eventually } from '../support/eventually.ts';
import { TestPinhole } from '../support/pinhole.ts';
import { PostgresCluster } from '../support/postgres.ts';
import { RabbitNode } from '../support/rabbitmq.ts';
import { ADDRESSES, RouterLab } from '../support/router-lab.ts';
import { STORES, type StoreName } from '../support/stores.ts';

const PREFIX = `${ownPrefix('pht')}-starve`;
const { v4 } = ADDRESSES;
const BUSES = ['built-in', 'rabbitmq'] as const;
type BusName = (typeof BUSES)[number];
/** Quiet spells and those under attack take turns, so that other work on the machine falls on both. */
const ROUNDS = 3;
const SAMPLES = 7;
/** More connections than one address gets, watchers, guessers of tokens, and connections that change routers: each as fast as it can. */
const ATTACKERS = { idle: 1_200, watchers: 60, guessers: 4, changers: 8 } as const;
/** An attack ends by itself if the test does not end it. */
const ATTACK_MS = 180_000;
/** A victim may wait that many times as long as without an attacker. */
const MOST = 3;
/**
 * Milliseconds that are allowed beyond, by the share of requests. They are more than noise: attackers, broker, database and victim share two
 * processors here, and how much of them the attackers get decides. SECURITY.md gives figures.
 */
const NOISE_MS: ReadonlyMap<number, number> = new Map([
  [0.5, 1_500],
  [0.99, 6_000],
]);

/**
 * A member makes a client announce ports as fast as it can and watches its routers, changes them without pause, and has friends who guess
 * tokens and hold connections. Another member works.
 */
describe('a hostile tenant at full speed', () => {
  const lab = new RouterLab(PREFIX);
  const postgres = new PostgresCluster();
  const rabbit = new RabbitNode();

  beforeAll(async () => {
    await Promise.all([lab.build(), postgres.start(), rabbit.start()]);
    // The server runs as a user who may not enter the folder of PostgreSQL's socket by itself.
    chmodSync(postgres.directory, 0o755);
    await lab.network.addHost('victim');
    await lab.startPeer('server', 'sink.mjs', { address: v4.server, port: 21 });
  });
  afterAll(async () => {
    await lab.destroy();
    await Promise.all([postgres.stop(), rabbit.stop()]);
  });

  /** The store and the bus of an instance, as configuration. Limits are those of the defaults. */
  async function configuration(store: StoreName, bus: BusName): Promise<string> {
    const lines = ['limits: {}'];
    if (store === 'postgres') lines.push(`database: { url: '${await postgres.newDatabase()}' }`);
    if (bus === 'rabbitmq') {
      const vhost = `v-${store}`;
      rabbit.control('add_vhost', vhost);
      rabbit.control('set_permissions', '-p', vhost, 'guest', '.*', '.*', '.*');
      lines.push(`bus: { url: '${rabbit.url({ vhost })}', agent_user: any, server_users: [any] }`);
    }
    return `${lines.join('\n')}\n`;
  }

  const cases = STORES.flatMap((store) => BUSES.map((bus) => [store, bus] as const));
  it.each(cases)('costs another tenant at most three times the time, on %s with the %s bus', { timeout: 600_000 }, async (store, bus) => {
    const pinhole = new TestPinhole(PREFIX, await configuration(store, bus));
    try {
      await pinhole.start();
      const attacked = await pinhole.addRouter(lab.router, { project_id: 'attacker', host: 'here' });
      const own = await pinhole.addRouter(lab.network.netns('victim'), { project_id: 'victim', host: 'here' });
      await pinhole.addHelper(attacked.id, 'ftp', 'tcp', 21);
      for (const { id } of [attacked, own]) await pinhole.settled(id);
      const [token, victim] = [await newMember(pinhole, 'attacker'), await newMember(pinhole, 'victim')];
      const { url } = pinhole.instance;
      const measured = () => measure(new Victim(url, victim), own.id);
      const spells: Spell[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        const quiet = await measured();
        const flood = await lab.startPeer('client', 'port-flood.mjs', { own: v4.client, server: v4.server, ms: ATTACK_MS });
        try {
          const tenant = await attack({ url, token, routers: [attacked.id] });
          try {
            spells.push({ quiet, attacked: await measured() });
          } finally {
            await ended(tenant);
          }
        } finally {
          flood.stop();
        }
      }
      const verdicts = (['changes', 'reads'] as const).flatMap((what) =>
        [...NOISE_MS].map(([share, noise]) => {
          const [quiet, under] = (['quiet', 'attacked'] as const).map((when) =>
            at(
              spells.map((spell) => at(spell[when][what], share)),
              0.5,
            ),
          ) as [number, number];
          return { what, share, quiet: Math.round(quiet), attacked: Math.round(under), isFair: under <= MOST * quiet + noise };
        }),
      );
      process.stdout.write(`starvation, ${store}, ${bus}: ${JSON.stringify(verdicts)}\n`);
      expect(verdicts.filter(({ isFair }) => !isFair)).toEqual([]);
    } finally {
      await pinhole.stop();
      // Rules outlive an installation, and the next one leaves another's alone.
      for (const host of ['router', 'victim']) await lab.network.nft(host, 'add table inet pinhole\ndelete table inet pinhole\n');
    }
  });
});

interface Times {
  readonly changes: readonly number[];
  readonly reads: readonly number[];
}

interface Spell {
  readonly quiet: Times;
  readonly attacked: Times;
}

/** A client without connections that last: each request finds its way in again. It tries again where the server asks for that. */
class Victim {
  readonly #url: string;
  readonly #token: string;

  constructor(url: string, token: string) {
    this.#url = url;
    this.#token = token;
  }

  async ask<T>(method: string, path: string, body?: object): Promise<T> {
    let answer: { status: number; text: string } = { status: 0, text: '' };
    const isAnswered = async () => {
      answer = await this.#once(method, path, body);
      return answer.status >= 200 && answer.status < 300;
    };
    await eventually(isAnswered, { what: `${method} ${path} is answered`, timeoutMs: 30_000 }).catch((error) => {
      throw new Error(`${error.message}: ${JSON.stringify(answer)}`);
    });
    return (answer.text === '' ? null : JSON.parse(answer.text)) as T;
  }

  #once(method: string, path: string, body?: object): Promise<{ status: number; text: string }> {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers = { authorization: `Bearer ${this.#token}`, ...(text ? { 'content-type': 'application/json' } : {}) };
    return new Promise((done) => {
      const sent = request(`${this.#url}${path}`, { method, headers, agent: false }, (response) => {
        let received = '';
        response.setEncoding('utf8').on('data', (chunk) => {
          received += chunk;
        });
        response.on('close', () => done({ status: response.statusCode ?? 0, text: received }));
      });
      sent.on('error', (error) => done({ status: 0, text: error.message }));
      sent.end(text);
    });
  }
}

/** The times of changes, until their helper is ACTIVE, and of reads: milliseconds. */
async function measure(victim: Victim, router: string): Promise<Times> {
  const [changes, reads]: [number[], number[]] = [[], []];
  for (let sample = 0; sample < SAMPLES; sample++) {
    const from = performance.now();
    const helper = { helper: 'ftp', protocol: 'tcp', port: 2100 + sample };
    const { id } = await victim.ask<{ id: string }>('POST', `/v1/routers/${router}/helpers`, helper);
    const isActive = async () => {
      const { helpers } = await victim.ask<RouterStatus>('GET', `/v1/status/${router}`);
      return helpers.find((one) => one.id === id)?.families.every(({ status }) => status === 'ACTIVE') === true;
    };
    await eventually(isActive, { what: 'the victim’s helper is ACTIVE', timeoutMs: 30_000 });
    changes.push(performance.now() - from);
    const before = performance.now();
    await victim.ask('GET', '/v1/routers');
    reads.push(performance.now() - before);
    await victim.ask('DELETE', `/v1/routers/${router}/helpers/${id}`);
  }
  return { changes, reads };
}

interface RouterStatus {
  readonly helpers: readonly { readonly id: string; readonly families: readonly { readonly status: string }[] }[];
}

async function newMember(pinhole: TestPinhole, project: string): Promise<string> {
  return ((await pinhole.call('POST', '/v1/tokens', { role: 'member', project_id: project })) as { token: string }).token;
}

/** Starts the attackers. Resolves when all of them are at work. */
async function attack(target: {
  readonly url: string;
  readonly token: string;
  readonly routers: readonly string[];
}): Promise<ChildProcess> {
  const script = resolve(import.meta.dirname, 'peers/hostile-tenant.mjs');
  const child = spawn(process.execPath, [script, JSON.stringify({ ...target, ...ATTACKERS, ms: ATTACK_MS })], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      output += chunk;
    });
  await eventually(() => output.includes('\n'), { what: 'the attackers are at work', timeoutMs: 90_000 }).catch(async (error) => {
    await ended(child);
    throw new Error(`${error.message}\n${output}`);
  });
  return child;
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const closed = new Promise<void>((done) => child.once('close', () => done()));
  child.kill('SIGKILL');
  await closed;
}

/** The value below which such a share of the values lies. */
function at(times: readonly number[], share: number): number {
  const sorted = times.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] as number;
}
