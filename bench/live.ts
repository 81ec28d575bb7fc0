import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '../src/client/client.ts';
import { HELPER } from '../src/contract/helper.ts';
import { ROUTER } from '../src/contract/router.ts';
import { loadLibc } from '../src/kernel/linux/libc.ts';
import { NetlinkSocket } from '../src/kernel/linux/netlink-socket.ts';
import { encodeReplacement } from '../src/kernel/linux/nft-encode.ts';
import { LocalOpener } from '../src/kernel/linux/opener.ts';
import { Instance } from '../src/lab/instance.ts';
import { ownPrefix, ScratchNetwork } from '../src/lab/scratch-network.ts';
import { newFolder } from './folder.ts';
import { type Result, summarise, UNLIMITED } from './measure.ts';
import { type Touch, TouchWatch } from './touch-watch.ts';

const PREFIX = `${ownPrefix('phb')}-live`;
const SAMPLES = 300;
const DRIFTS = 60;

/** A router has a firewall anyway. Without any rules in the system, the kernel would patch its own code at each first hook. */
export const FIREWALL = `
table inet filter {
  chain input { type filter hook input priority filter; policy accept; }
  chain forward { type filter hook forward priority filter; policy drop; ct state established,related accept; }
  chain output { type filter hook output priority filter; policy accept; }
}
table ip nat {
  chain prerouting { type nat hook prerouting priority dstnat; policy accept; }
  chain postrouting { type nat hook postrouting priority srcnat; policy accept; }
}
`;

/** Measures one change from the API to the kernel, and the repair of a change by another process. */
export async function benchLive(): Promise<Result[]> {
  const network = new ScratchNetwork(PREFIX);
  const directory = newFolder(join(tmpdir(), 'phb-live-'));
  const instance = new Instance({ directory, namespaces: [`${PREFIX}-*`], config: UNLIMITED });
  const netns = await network.addHost('r');
  await network.nft('r', FIREWALL);
  const watch = new TouchWatch(netns);
  try {
    await watch.start(netns);
    await instance.start();
    const client = instance.client();
    const router = await client.read(ROUTER, 'POST', '/v1/routers', { name: 'r', netns });
    const { afterAnswer, fromRequest } = await timeChanges(client, router.id, { watch, samples: SAMPLES });
    await client.call('POST', `/v1/routers/${router.id}/helpers`, { helper: 'ftp', protocol: 'tcp', port: 1000 });
    const repair = summarise(await driftsByDaemon(netns, watch));
    const command = summarise(await driftsByCommand(netns, watch));
    const live = summarise(afterAnswer);
    const whole = summarise(fromRequest);
    return [
      {
        what: 'POST answered → rule live (embedded)',
        target: 'p50 ≤ 5 ms, p99 ≤ 25 ms',
        ok: live.p50 <= 5 && live.p99 <= 25,
        figures: {
          'p50, ms': live.p50,
          'p99, ms': live.p99,
          'max, ms': live.max,
          'POST sent → live p50, ms': whole.p50,
          'POST sent → live p99, ms': whole.p99,
          samples: live.count,
        },
      },
      {
        what: 'drift event → repaired',
        target: 'p50 ≤ 10 ms',
        ok: repair.p50 <= 10,
        figures: {
          'p50, ms': repair.p50,
          'p99, ms': repair.p99,
          'max, ms': repair.max,
          samples: repair.count,
          'after the nft command, p50 ms': command.p50,
          'after the nft command, max ms': command.max,
        },
      },
    ];
  } finally {
    await instance.stop();
    await watch.close();
    await network.destroy();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Creates and deletes one helper after the other. @returns ms from each request, and from its answer, to the new table in the kernel */
export async function timeChanges(
  client: Client,
  router: string,
  { watch, samples }: { watch: TouchWatch; samples: number },
): Promise<{ afterAnswer: number[]; fromRequest: number[]; liveAt: number[] }> {
  const path = `/v1/routers/${router}/helpers`;
  const afterAnswer: number[] = [];
  const fromRequest: number[] = [];
  const liveAt: number[] = [];
  for (let index = 0; index < samples; index++) {
    watch.touches.length = 0;
    const start = performance.now();
    const { id } = await client.read(HELPER, 'POST', path, { helper: 'ftp', protocol: 'tcp', port: 1000 + index });
    const answered = performance.now();
    await watch.next(1);
    const { at } = watch.touches[0] as Touch;
    afterAnswer.push(Math.max(0, at - answered));
    fromRequest.push(at - start);
    liveAt.push(at);
    watch.touches.length = 0;
    await client.call('DELETE', `${path}/${id}`);
    await watch.next(1);
  }
  return { afterAnswer, fromRequest, liveAt };
}

/** Slow enough that the agent does not pause its repairs, as it does if another process keeps changing the table. */
const BETWEEN_DRIFTS_MS = 300;

/** Deletes the table as a daemon with an open socket does, and times from its commit to the commit that repairs it. */
async function driftsByDaemon(netns: string, watch: TouchWatch): Promise<number[]> {
  const libc = loadLibc();
  const opener = new LocalOpener(libc);
  const socket = new NetlinkSocket(libc, opener.open(netns, ['netfilter']).fds[0] as number);
  const buffer = Buffer.alloc(65536);
  const samples: number[] = [];
  for (let index = 0; index < DRIFTS; index++) {
    await sleep(BETWEEN_DRIFTS_MS);
    watch.touches.length = 0;
    socket.transact(encodeReplacement(null).bytes, buffer);
    const broken = performance.now();
    // The watcher ignores commits of this process, so it reports only the repair.
    await watch.next(1);
    samples.push((watch.touches[0] as Touch).at - broken);
  }
  libc.closeLater(socket.fd);
  return samples;
}

/** Deletes the table with the nft command. When the command ends, the kernel holds the namespace's commit lock until its socket is closed. */
async function driftsByCommand(netns: string, watch: TouchWatch): Promise<number[]> {
  const samples: number[] = [];
  for (let index = 0; index < DRIFTS; index++) {
    await sleep(BETWEEN_DRIFTS_MS);
    watch.touches.length = 0;
    const child = spawn('ip', ['netns', 'exec', netns, 'nft', 'flush', 'table', 'inet', 'pinhole']);
    await watch.next(2);
    const [broken, repaired] = watch.touches as [Touch, Touch];
    samples.push(repaired.at - broken.at);
    if (child.exitCode === null) await new Promise((resolve) => child.once('close', resolve));
  }
  return samples;
}
