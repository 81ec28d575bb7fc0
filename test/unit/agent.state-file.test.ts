import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadState, type SavedState, StateSaver } from '../../src/agent/state-file.ts';
import { silentLogger } from '../../src/ports/logger.ts';
import { desiredHelper, desiredRouter } from '../support/arbitraries.ts';
import { realPorts } from '../support/ports.ts';

describe('the state file', () => {
  let directory: string;
  let path: string;
  let log: { readonly level: string; readonly fields: object; readonly text: string }[];
  const tell = (level: string) => (fields: object, text: string) => void log.push({ level, fields, text });
  const logger = () => ({ ...silentLogger, warn: tell('warn'), error: tell('error') });
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'pht-state-'));
    path = join(directory, 'desired.json');
    log = [];
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  async function save(position: number): Promise<SavedState> {
    const router = { ...desiredRouter([desiredHelper('ftp', 'tcp', 21)]), refused: [] };
    const state = { savedAt: '2026-01-01T00:00:00.000Z', installation: 'aaaaaaaaaaaa', epoch: 'e', position, routers: [router] };
    const saver = new StateSaver(path, () => state, realPorts);
    saver.saveSoon();
    await saver.close();
    return state;
  }

  it('is the newest state that was saved', async () => {
    await save(1);
    const newest = await save(2);
    expect([loadState(path, logger()), log]).toEqual([newest, []]);
  });

  it.each([
    ['cut', (file: string) => truncateSync(file, Math.floor(readFileSync(file).length / 2))],
    ['empty', (file: string) => truncateSync(file, 0)],
    ['garbled', (file: string) => writeFileSync(file, Buffer.from(readFileSync(file).map((byte) => byte ^ 0x55)))],
    ['of another kind', (file: string) => writeFileSync(file, '[]')],
    ['gone', (file: string) => rmSync(file)],
  ])('that is %s is not used: the one before it is', async (how, spoil) => {
    const before = await save(1);
    await save(2);
    spoil(path);
    expect(loadState(path, logger())).toEqual(before);
    const problems = log.filter(({ level }) => level === 'error');
    expect(problems).toHaveLength(how === 'gone' ? 0 : 1);
    for (const { fields, text } of problems) {
      expect(text).toBe('the saved state cannot be used');
      expect(Object.values(fields).every((value) => typeof value === 'string' && !value.includes('\n'))).toBe(true);
      expect(fields).toMatchObject({ path, reason: expect.stringContaining(path) });
    }
    expect(log.at(-1)).toMatchObject({ level: 'warn', text: 'the state that was saved before is used' });
  });

  it('has no state where neither can be used, and none at the first start', async () => {
    expect([loadState(path, logger()), log]).toEqual([null, []]);
    await save(1);
    await save(2);
    writeFileSync(path, '{');
    writeFileSync(`${path}.before`, '{');
    expect([loadState(path, logger()), log.length]).toEqual([null, 2]);
  });

  it('of the version before has no installation and no position', async () => {
    const { savedAt, routers } = await save(1);
    const { installation: _, position: __, ...old } = JSON.parse(readFileSync(path, 'utf8'));
    writeFileSync(path, JSON.stringify(old));
    expect(loadState(path, logger())).toEqual({ savedAt, installation: null, epoch: 'e', position: null, routers });
  });
});
