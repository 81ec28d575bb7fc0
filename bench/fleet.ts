import { spawn } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { Connection } from 'rabbitmq-client';
import { Client } from '../src/client/client.ts';
import { HELPER } from '../src/contract/helper.ts';
import { ROUTER } from '../src/contract/router.ts';
import { ownPrefix, ScratchNetwork } from '../src/lab/scratch-network.ts';
import { hintTopic } from '../src/wire/topics.ts';
import { CLI } from '../test/support/cli-path.ts';
import { eventually } from '../test/support/eventually.ts';
import { RabbitNode } from '../test/support/rabbitmq.ts';
import { newFolder } from './folder.ts';
import { FIREWALL, timeChanges } from './live.ts';
import { type Result, summarise } from './measure.ts';
import { seedPostgres } from './seed.ts';
import { TouchWatch } from './touch-watch.ts';

const PREFIX = `${ownPrefix('phb')}-fleet`;
const SAMPLES = 300;
const TARGET_MS = 5;

/** Receives a copy of every hint to the host, on a queue of its own. */
async function tapHints(rabbit: RabbitNode): Promise<{ arrivals: number[]; close(): Promise<void> }> {
  const arrivals: number[] = [];
  const connection = new Connection({ url: rabbit.url(), noDelay: true });
  const queue = 'phb-tap';
  const consumer = connection.createConsumer(
    {
      queue,
      queueOptions: { queue, exclusive: true },
      queueBindings: [{ exchange: 'pinhole', queue, routingKey: hintTopic('h') }],
      noAck: true,
    },
    () => void arrivals.push(performance.now()),
  );
  await new Promise<void>((resolve) => consumer.once('ready', () => resolve()));
  return {
    arrivals,
    close: async () => {
      await consumer.close();
      await connection.close();
    },
  };
}

/** Measures a change with RabbitMQ as the bus, PostgreSQL as the database, and the real kernel. */
export async function benchFleet(): Promise<Result[]> {
  const rabbit = await new RabbitNode().start();
  const network = new ScratchNetwork(PREFIX);
  const directory = newFolder(join(tmpdir(), 'phb-fleet-'));
  const netns = await network.addHost('r');
  await network.nft('r', FIREWALL);
  const watch = await new TouchWatch(netns).start(netns);
  const bus = `bus: { url: '${rabbit.url()}', agent_user: any, server_users: [any] }\n`;
  const { server, close } = await seedPostgres([], { config: bus });
  const config = join(directory, 'pinhole.yaml');
  writeFileSync(
    config,
    `host: h\nlog_level: error\nagent: { listen: '127.0.0.1:0' }\nkernel: { namespaces: ['${PREFIX}-*'], host_namespace: false }\n${bus}`,
  );
  const agent = spawn(process.execPath, [CLI, 'agent', '--config', config, '--data-dir', join(directory, 'data')], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  try {
    const client = new Client({ url: server.url.href.replace(/\/$/, ''), token: server.token }, {});
    const router = await client.read(ROUTER, 'POST', '/v1/routers', { name: 'r', netns, host: 'h' });
    const { id } = await client.read(HELPER, 'POST', `/v1/routers/${router.id}/helpers`, {
      helper: 'tftp',
      protocol: 'udp',
      port: 69,
    });
    await eventually(() => watch.touches.length > 0, { what: 'the agent serves the router', timeoutMs: 30_000 });
    await client.call('DELETE', `/v1/routers/${router.id}/helpers/${id}`);
    await watch.next(2);
    const tap = await tapHints(rabbit);
    const { afterAnswer, fromRequest, liveAt } = await timeChanges(client, router.id, { watch, samples: SAMPLES });
    // Creations and deletions both send a hint; only those of creations are timed.
    const pushed = liveAt.map((at) => at - (tap.arrivals.filter((arrival) => arrival < at).at(-1) ?? Number.NaN));
    await tap.close();
    const [push, live, whole] = [summarise(pushed), summarise(afterAnswer), summarise(fromRequest)];
    return [
      {
        what: 'push → live in a fleet (RabbitMQ and PostgreSQL)',
        target: `p50 ≤ ${TARGET_MS} ms`,
        ok: push.p50 <= TARGET_MS,
        figures: {
          'push → live p50, ms': push.p50,
          'push → live p99, ms': push.p99,
          'POST answered → live p50, ms': live.p50,
          'POST answered → live p99, ms': live.p99,
          'POST sent → live p50, ms': whole.p50,
          'POST sent → live p99, ms': whole.p99,
          samples: live.count,
        },
      },
    ];
  } finally {
    const ended = new Promise((resolve) => agent.once('close', resolve));
    agent.kill('SIGTERM');
    await ended;
    await close();
    await watch.close();
    await network.destroy();
    await rabbit.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}
