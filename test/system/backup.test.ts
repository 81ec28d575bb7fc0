import { execFile } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ownPrefix, ScratchNetwork } from '../../src/lab/scratch-network.ts';
import { CLI } from '../support/cli-path.ts';
import { eventually } from '../support/eventually.ts';
import { TestPinhole } from '../support/pinhole.ts';

const PREFIX = `${ownPrefix('pht')}-bak`;

describe('backup and restore of an installation with live helpers', () => {
  const network = new ScratchNetwork(PREFIX);
  const pinhole = new TestPinhole(PREFIX);
  beforeAll(async () => {
    for (const host of ['early', 'late']) await network.addHost(host);
    await pinhole.start();
  });
  afterAll(async () => {
    await pinhole.stop();
    await network.destroy();
  });

  const run = (...argv: string[]) =>
    new Promise<{ code: number; output: string }>((done) => {
      execFile(process.execPath, [CLI, ...argv], { env: pinhole.instance.env, timeout: 60_000 }, (error, stdout, stderr) =>
        done({ code: error ? Number(error.code ?? -1) : 0, output: `${stdout}${stderr}` }),
      );
    });

  async function serve(host: string): Promise<string> {
    const { id } = await pinhole.addRouter(network.netns(host));
    await pinhole.addHelper(id, 'ftp', 'tcp', 21);
    await pinhole.settled(id);
    return id;
  }

  const table = async (host: string) => (await network.exec(host, ['nft', 'list', 'ruleset'])).stdout;

  it('the agent notices the new epoch, and holds what the restored database does not know', async () => {
    const file = join(pinhole.directory, 'saved');
    const early = await serve('early');
    expect(await run('db', 'backup', file)).toMatchObject({ code: 0 });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    await serve('late');
    const before = await table('late');

    // While Pinhole runs, nothing is restored.
    expect(await run('db', 'restore', file)).toMatchObject({ code: 2, output: expect.stringContaining('is in use by another Pinhole') });
    await pinhole.instance.stop();
    expect(await run('db', 'restore', file)).toMatchObject({ code: 0, output: expect.stringContaining('the one before it is kept') });
    const folder = dirname(pinhole.instance.files.database);
    const { uid } = statSync(folder);
    expect(uid).not.toBe(0);
    for (const name of readdirSync(folder)) expect([name, statSync(join(folder, name)).uid]).toEqual([name, uid]);

    await pinhole.instance.start();
    await eventually(async () => (await pinhole.status(early)).reason.startsWith('held: '), { what: 'the pull is held' });
    expect((await pinhole.status(early)).reason).toContain('would remove 1 of 2 live helpers');
    expect(await table('late')).toBe(before);
    expect(before).toContain('type "ftp"');
  });
});
