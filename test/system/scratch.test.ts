import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { ownPrefix, removeOrphans, ScratchNetwork } from '../../src/lab/scratch-network.ts';

const FAMILY = 'phs';

describe('scratch namespaces', () => {
  const mine = new ScratchNetwork(ownPrefix(FAMILY));
  /** The prefix of a process that has ended: a killed test leaves such namespaces behind. */
  const orphan = new ScratchNetwork(`${FAMILY}${spawnSync('true').pid}`);

  afterEach(async () => {
    await mine.destroy();
    await orphan.destroy();
  });

  it('of a process that has ended are removed with the processes in them, and no others', async () => {
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
