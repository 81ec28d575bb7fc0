import { execFileSync, spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const BIN = join(resolve(import.meta.dirname, '../..'), 'bin/pinhole');

function leftovers(): string[] {
  const namespaces = execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.startsWith('pinhole-demo'));
  return [...namespaces, ...readdirSync(tmpdir()).filter((name) => name.startsWith('pinhole-demo-'))];
}

function demo(...argv: string[]) {
  const child = spawn(BIN, ['demo', ...argv], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  const ended = new Promise<number | null>((done) => child.once('close', done));
  return { child, ended, output: () => stdout };
}

describe('demo', () => {
  it('shows a download that fails, works and fails again, and leaves nothing behind', async () => {
    const { ended, output } = demo('--json');
    expect(await ended).toBe(0);
    const { ok, steps } = JSON.parse(output());
    expect(ok).toBe(true);
    expect(steps.map(({ ok: one }: { ok: boolean }) => one)).toEqual(Array(8).fill(true));
    expect(steps[5].detail).toMatch(/expectation \(new\): ftp: tcp 10\.77\.1\.2 → 10\.77\.2\.2:\d+\nfile: fetched through a pinhole/);
    expect(leftovers()).toEqual([]);
  });

  it('cleans up after itself when it is interrupted', async () => {
    const { child, ended, output } = demo();
    await new Promise<void>((done) => child.stdout.on('data', () => output().includes('start pinhole') && done()));
    child.kill('SIGINT');
    expect(await ended).toBe(1);
    expect(leftovers()).toEqual([]);
  });
});
