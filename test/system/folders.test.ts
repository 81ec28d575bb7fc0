import { chmodSync, chownSync, lstatSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/config.ts';
import { resolveAccounts } from '../../src/supervisor/accounts.ts';
import { ensureAdminToken, prepareHost } from '../../src/supervisor/host.ts';

const USER = 65_534;

/** A user owns the data folder that root was given, and puts links where root makes folders and files. */
describe('folders that root prepares where a user may write', () => {
  const umask = process.umask();
  let root: string;
  let victim: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'pht-folders-'));
    chmodSync(root, 0o755);
    victim = join(root, 'of-root');
    mkdirSync(victim, { mode: 0o700 });
    writeFileSync(join(victim, 'secret'), 'root’s', { mode: 0o600 });
    mkdirSync(join(root, 'data/run'), { recursive: true });
    for (const path of ['', 'data', 'data/run']) chownSync(join(root, path), USER, USER);
  });
  afterEach(() => {
    process.umask(umask);
    rmSync(root, { recursive: true, force: true });
  });

  const config = () => {
    const file = join(root, 'pinhole.yaml');
    writeFileSync(file, '');
    return loadConfig({ config: file, dataDir: join(root, 'data') }, {});
  };
  /** @returns why the folders were not prepared. From a source tree, the processes' users cannot read the command, which is checked last. */
  const prepared = () => {
    try {
      prepareHost(config());
    } catch (error) {
      return (error as Error).message;
    }
    return null;
  };
  const isRoots = () => [victim, join(victim, 'secret')].map((path) => statSync(path).uid);

  it.each(['data/server', 'data/agent', 'data/run/server', 'data/run/kernel'])('a link at %s gives nothing of root’s away', (name) => {
    symlinkSync(victim, join(root, name));
    const said = prepared();
    expect(isRoots()).toEqual([0, 0]);
    expect(said).toBe(`${join(root, name)} is a link, which root does not follow. Remove it.`);
  });

  it('a link to a file of root’s inside a folder that is the user’s gives nothing away', () => {
    mkdirSync(join(root, 'data/server'));
    chownSync(join(root, 'data/server'), USER, USER);
    symlinkSync(join(victim, 'secret'), join(root, 'data/server/pinhole.db'));
    prepared();
    expect(isRoots()).toEqual([0, 0]);
    expect(lstatSync(join(root, 'data/server/pinhole.db')).isSymbolicLink()).toBe(true);
  });

  it('a link where the admin token would be is no way to a file of root’s', () => {
    symlinkSync(join(victim, 'new'), join(root, 'data/admin-token'));
    expect(() => ensureAdminToken(config(), resolveAccounts(config().users))).toThrow(/EEXIST/);
    expect(() => statSync(join(victim, 'new'))).toThrow(/ENOENT/);
    expect(isRoots()).toEqual([0, 0]);
  });
});
