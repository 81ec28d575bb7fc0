import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { holdFolders, superviseFolders } from '../../src/supervisor/locks.ts';

describe('folders that a process keeps to itself', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'pht-locks-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  /** Another process that has a lock until the test lets it end. */
  async function held(path: string, work: () => void | Promise<void>): Promise<void> {
    const other = spawn('flock', ['--nonblock', path, 'sh', '-c', 'echo held; cat'], { stdio: ['pipe', 'pipe', 'inherit'] });
    await once(other.stdout, 'data');
    try {
      await work();
    } finally {
      other.stdin.end();
      await once(other, 'close');
    }
  }

  it('are refused while another process has them, with its id, and are free once it has ended', async () => {
    writeFileSync(join(folder, 'lock'), '4711\n');
    await held(join(folder, 'lock'), () => {
      expect(() => holdFolders([folder])).toThrow(`${folder} is in use by another Pinhole (process 4711). Stop it first`);
    });
    holdFolders([folder]);
    expect(readFileSync(join(folder, 'lock'), 'utf8')).toBe(`${process.pid}\n`);
    expect(() => holdFolders([folder])).toThrow('is in use');
  });

  it('are refused to a second supervisor, and are not the lock of its processes', async () => {
    await held(folder, () => {
      expect(() => superviseFolders([folder])).toThrow(`${folder} is in use by another Pinhole. Stop it first`);
    });
    superviseFolders([folder]);
    holdFolders([folder]);
  });

  it('are refused to a supervisor where a process runs already, as under systemd', async () => {
    writeFileSync(join(folder, 'lock'), '');
    await held(join(folder, 'lock'), () => {
      expect(() => superviseFolders([folder])).toThrow('is in use');
    });
  }, 20_000);

  it('are locked without following a link, which another user may have put there', () => {
    const elsewhere = join(folder, 'precious');
    writeFileSync(elsewhere, 'precious');
    symlinkSync(elsewhere, join(folder, 'lock'));
    expect(() => holdFolders([folder])).toThrow('ELOOP');
    expect(() => superviseFolders([folder])).toThrow('ELOOP');
    expect(readFileSync(elsewhere, 'utf8')).toBe('precious');
  });
});
