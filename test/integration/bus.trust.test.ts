import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Connection, type Envelope } from 'rabbitmq-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Bus } from '../../src/bus/interface.ts';
import { encodeOslo, OSLO_PROPERTIES, type OsloRequest } from '../../src/bus/oslo.ts';
import { replyPrefix } from '../../src/bus/permissions.ts';
import { RabbitBus, type RabbitOptions } from '../../src/bus/rabbitmq.ts';
import type { Logger } from '../../src/ports/logger.ts';
import { silentLogger } from '../../src/ports/logger.ts';
import { agentTopic, hintTopic, METHODS, SERVER_TOPIC } from '../../src/wire/topics.ts';
import { Authority } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { realPorts } from '../support/ports.ts';
import { freePorts, RabbitNode } from '../support/rabbitmq.ts';

const CLI = resolve(import.meta.dirname, '../../dist/pinhole/cli.js');
const EXCHANGE = 'pinhole';

interface Grants {
  readonly users: readonly { readonly name: string; readonly password: string }[];
  readonly definitions: object;
}

/** A virtual host whose users are made by what `pinhole bus grant` prints: one for the servers, one a host. */
describe('trust on the bus', () => {
  const directory = mkdtempSync(join(tmpdir(), 'pht-trust-'));
  const node = new RabbitNode();
  const passwords = new Map<string, string>();
  const open: Bus[] = [];
  let server: RabbitBus;
  let one: RabbitBus;
  const heardByServer: { method: string; user: string | null }[] = [];
  const heardByOne: string[] = [];

  beforeAll(async () => {
    mkdirSync(join(directory, 'tls'));
    const authority = new Authority(join(directory, 'tls'));
    const { certificate, key } = authority.issue('localhost');
    await node.start([
      'listeners.ssl.1 = 127.0.0.1:{amqps}',
      `ssl_options.cacertfile = ${authority.ca}`,
      `ssl_options.certfile = ${certificate}`,
      `ssl_options.keyfile = ${key}`,
      'ssl_options.verify = verify_none',
    ]);
    const file = join(directory, 'pinhole.yaml');
    writeFileSync(file, `bus:\n  url: amqp://x:y@127.0.0.1:${node.port}/fleet\n`);
    const printed = execFileSync(process.execPath, [CLI, 'bus', 'grant', '--servers', 'one', 'two', '--json', '--config', file], {
      encoding: 'utf8',
    });
    const { users, definitions } = JSON.parse(printed) as Grants;
    for (const { name, password } of users) passwords.set(name, password);
    writeFileSync(join(directory, 'definitions.json'), JSON.stringify(definitions));
    node.control('import_definitions', join(directory, 'definitions.json'));
    server = bus('pinhole-server', { declares: true });
    server.serve(SERVER_TOPIC, (method, _args, { user }) => {
      heardByServer.push({ method, user });
      return { user };
    });
    await isUp(server);
    one = bus('pinhole-agent-one', { owner: 'one', trusted: ['pinhole-server'] });
    one.serve(hintTopic('one'), (method) => void heardByOne.push(method));
    one.serve(agentTopic('one'), (method) => {
      heardByOne.push(method);
      return 'done';
    });
    await isUp(one);
  });
  afterAll(async () => {
    await Promise.all(open.map((each) => each.close()));
    await node.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  function bus(user: string, rest: Partial<RabbitOptions> = {}): RabbitBus {
    const password = passwords.get(user) as string;
    const broker = node.broker({ username: user, password, vhost: 'fleet' });
    const made = new RabbitBus({
      broker,
      exchange: EXCHANGE,
      declares: false,
      name: user,
      signs: true,
      trusted: null,
      ...realPorts,
      ...rest,
    });
    open.push(made);
    return made;
  }

  const isUp = (each: Bus) => {
    let up = false;
    each.onLink((now) => {
      up = now;
    });
    return eventually(() => up, { what: 'the bus is up', timeoutMs: 20_000 });
  };

  /** A connection of a host's user that does what it likes. */
  async function raw<T>(user: string, work: (connection: Connection) => Promise<T>): Promise<T> {
    const password = passwords.get(user) as string;
    const connection = new Connection({ hostname: '127.0.0.1', port: node.port, username: user, password, vhost: 'fleet', retryLow: 50 });
    connection.on('error', () => undefined);
    try {
      return await work(connection);
    } finally {
      connection.unsafeDestroy();
    }
  }

  const message = (method: string, args: object): OsloRequest => ({
    kind: 'request',
    method,
    args: args as OsloRequest['args'],
    version: '',
    namespace: null,
    uniqueId: randomUUID(),
    reply: null,
    context: {},
  });

  const publish = (user: string, envelope: Envelope, body: Buffer) =>
    raw(user, async (connection) => {
      const channel = await connection.acquire({ emitErrorsFromChannel: true });
      const failed = new Promise<never>((_, reject) => channel.once('error', reject));
      await channel.confirmSelect();
      await Promise.race([channel.basicPublish({ ...OSLO_PROPERTIES, ...envelope }, body), failed]);
    });

  it('passwords are made up, and are words that no command takes for an option', () => {
    expect(new Set(passwords.values()).size).toBe(3);
    for (const password of passwords.values()) expect(password).toMatch(/^[0-9a-f]{48}$/);
  });

  it('the server is told by the broker who speaks, and the agent does what the server asks', async () => {
    expect(await one.call(SERVER_TOPIC, METHODS.reportState, {})).toEqual({ user: 'pinhole-agent-one' });
    expect(await server.call(agentTopic('one'), METHODS.plan, {})).toBe('done');
    await server.cast(hintTopic('one'), METHODS.push, {});
    await eventually(() => heardByOne.includes(METHODS.push));
  });

  it('a host cannot send under another’s name: the broker refuses it', async () => {
    const before = heardByServer.length;
    const envelope = { exchange: EXCHANGE, routingKey: SERVER_TOPIC, userId: 'pinhole-agent-one' };
    await expect(publish('pinhole-agent-two', envelope, encodeOslo(message(METHODS.reportState, {})))).rejects.toMatchObject({
      code: 'PRECONDITION_FAILED',
    });
    expect(heardByServer).toHaveLength(before);
  });

  it.each([
    ['the queue of its hints', () => hintTopic('one')],
    ['the queue of its requests', () => agentTopic('one')],
    ['the servers’ queue', () => SERVER_TOPIC],
  ])('a host cannot read another’s mail: %s', async (_what, queue) => {
    await expect(raw('pinhole-agent-two', (connection) => connection.basicGet(queue()))).rejects.toMatchObject({ code: 'ACCESS_REFUSED' });
  });

  it.each([hintTopic('one'), agentTopic('one'), SERVER_TOPIC, '#'])(
    'a host cannot have a copy sent of what goes to %s',
    async (routingKey) => {
      const queue = `${replyPrefix('two')}${'0'.repeat(32)}`;
      const bind = raw('pinhole-agent-two', async (connection) => {
        await connection.queueDeclare(queue);
        await connection.queueBind({ exchange: EXCHANGE, queue, routingKey });
      });
      await expect(bind).rejects.toMatchObject({ code: 'ACCESS_REFUSED' });
    },
  );

  it('a host cannot hint at others, nor take the exchange away', async () => {
    const hint = publish('pinhole-agent-two', { exchange: EXCHANGE, routingKey: hintTopic('one') }, encodeOslo(message(METHODS.push, {})));
    await expect(hint).rejects.toMatchObject({ code: 'ACCESS_REFUSED' });
    await expect(raw('pinhole-agent-two', (connection) => connection.exchangeDelete({ exchange: EXCHANGE }))).rejects.toMatchObject({
      code: 'ACCESS_REFUSED',
    });
  });

  it('what a host puts into another’s queue by the way of replies is not listened to', async () => {
    const [refused, heard] = [one.refused, heardByOne.length];
    for (const queue of [hintTopic('one'), agentTopic('one')]) {
      await publish(
        'pinhole-agent-two',
        { exchange: '', routingKey: queue, userId: 'pinhole-agent-two' },
        encodeOslo(message(METHODS.reapply, {})),
      );
      await publish('pinhole-agent-two', { exchange: '', routingKey: queue }, encodeOslo(message(METHODS.reapply, {})));
    }
    await eventually(() => one.refused === refused + 4);
    expect(heardByOne).toHaveLength(heard);
  });

  it('the next broker is tried where one is gone', async () => {
    const [unused] = await freePorts(1);
    const password = passwords.get('pinhole-server') as string;
    const hosts = [`127.0.0.1:${unused}`, `127.0.0.1:${node.port}`];
    const broker = node.broker({ hosts, username: 'pinhole-server', password, vhost: 'fleet' });
    const second = new RabbitBus({
      broker,
      exchange: EXCHANGE,
      declares: true,
      name: 'second',
      signs: true,
      trusted: null,
      ...realPorts,
    });
    open.push(second);
    await isUp(second);
    expect(await second.call(agentTopic('one'), METHODS.plan, {})).toBe('done');
  });

  it('hints for a host that is away are bounded, and go with its queue', () => {
    const [line = ''] = node
      .control('list_queues', '-p', 'fleet', 'name', 'arguments')
      .split('\n')
      .filter((text) => text.startsWith(hintTopic('one')));
    expect(line).toMatch(/"x-max-length",10000/);
    expect(line).toMatch(/"x-expires",1800000/);
  });

  it('a message that was seen is not taken again', async () => {
    const [heard, replayed] = [heardByOne.length, encodeOslo(message(METHODS.push, {}))];
    for (let times = 0; times < 5; times++)
      await publish('pinhole-server', { exchange: EXCHANGE, routingKey: hintTopic('one'), userId: 'pinhole-server' }, replayed);
    await server.call(agentTopic('one'), METHODS.plan, {});
    await eventually(() => heardByOne.length === heard + 2);
  });

  it('poison is acknowledged, counted, and logged once', async () => {
    const warnings: string[] = [];
    const logger = { ...silentLogger, warn: (_: object, text: string) => warnings.push(text) } as Logger;
    const victim = bus('pinhole-agent-two', { owner: 'two', trusted: ['pinhole-server'], logger });
    victim.serve(hintTopic('two'), () => undefined);
    await isUp(victim);
    const envelope = { exchange: EXCHANGE, routingKey: hintTopic('two'), userId: 'pinhole-server' };
    for (let times = 0; times < 20; times++) {
      await publish('pinhole-server', envelope, Buffer.from('{'));
      await publish('pinhole-server', { ...envelope, contentType: 'text/x' }, Buffer.from('{}'));
    }
    await eventually(() => victim.refused === 40);
    expect(warnings).toHaveLength(2);
    await expect.poll(() => node.control('list_queues', '-p', 'fleet', 'name', 'messages')).toMatch(/ConntrackHelper-1\.0\.two\t0/);
  }, 60_000);

  it('a request of another version, or for a namespace, is refused by name', async () => {
    const queue = hintTopic('one');
    const refused = one.refused;
    const send = (rest: Partial<OsloRequest>) =>
      publish(
        'pinhole-server',
        { exchange: EXCHANGE, routingKey: queue, userId: 'pinhole-server' },
        encodeOslo({ ...message(METHODS.push, {}), ...rest }),
      );
    await send({ version: '2.0' });
    await send({ version: '1.99' });
    await send({ namespace: 'resources' });
    await eventually(() => one.refused === refused + 3);
  });

  it('speaks TLS, and refuses a broker that its authority does not know', async () => {
    const password = passwords.get('pinhole-server') as string;
    const ca = (file: string) => execFileSync('cat', [file], { encoding: 'utf8' });
    const broker = (tls: RabbitOptions['broker']['tls']) =>
      node.broker({ hosts: [`localhost:${node.tlsPort}`], username: 'pinhole-server', password, vhost: 'fleet', tls });
    const warnings: object[] = [];
    const logger = { ...silentLogger, warn: (data: object) => warnings.push(data) } as Logger;
    const common = { exchange: EXCHANGE, declares: true, name: 'tls', signs: true, trusted: null, ...realPorts, logger };
    const trusting = new RabbitBus({ ...common, broker: broker({ ca: ca(join(directory, 'tls', 'ca.pem')), cert: null, key: null }) });
    open.push(trusting);
    await isUp(trusting);
    expect(await trusting.call(agentTopic('one'), METHODS.plan, {})).toBe('done');
    const doubting = new RabbitBus({ ...common, broker: broker({ ca: null, cert: null, key: null }) });
    open.push(doubting);
    await eventually(() => JSON.stringify(warnings).includes('certificate'));
    await expect(doubting.call(agentTopic('one'), METHODS.plan, {})).rejects.toMatchObject({ code: 'unreachable' });
  });
});
