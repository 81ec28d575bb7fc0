import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { ownPrefix, removeOrphans, ScratchNetwork } from '../../src/lab/scratch-network.ts';

const FAMILY = 'phs';

describe('scratch namespaces', () => {
  const mine = new ScratchNetwork(ownPrefix(FAMILY));
  /** Of a process that ended: what a test that was killed leaves behind. */
  const orphan = new ScratchNetwork(`${FAMILY}${spawnSync('true').pid}`);

  afterEach(async () => {
    await mine.destroy();
    await orphan.destroy();
  });

  it('of a process that is no more are taken away, with what runs in them, and nobody else’s', async () => {
    await mine.addHost('a');
    await orphan.addHost('a');
    const left = orphan.start('a', ['sleep', '60']);
    const ended = new Promise((done) => left.once('close', done));
    await removeOrphans(FAMILY);
    await ended;
    expect(existsSync(`/run/netns/${orphan.netns('a')}`)).toBe(false);
    expect(existsSync(`/run/netns/${mine.netns('a')}`)).toBe(true);
    await orphan.addHost('a');
  });
});
