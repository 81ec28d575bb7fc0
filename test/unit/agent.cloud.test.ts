import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cloudInstallation } from '../../src/agent/cloud.ts';
import { silentLogger } from '../../src/ports/logger.ts';

const CLOUD = { vhost: '/', exchange: 'neutron', hosts: ['mq-1:5672', 'mq-2:5672'] };

describe("a cloud's installation", () => {
  let directory: string;
  const path = () => join(directory, 'cloud.json');
  const ask = (address: Partial<typeof CLOUD> = {}) => cloudInstallation(path(), { ...CLOUD, ...address }, silentLogger);
  /** As an agent on another host, or one that lost its folder, finds it. */
  const askElsewhere = (address: Partial<typeof CLOUD> = {}) => {
    rmSync(path(), { force: true });
    return ask(address);
  };
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'pht-cloud-'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  it('is the same on each host, whatever the order of the brokers', () => {
    const id = ask();
    expect(id).toMatch(/^[0-9a-f]{12}$/);
    expect(askElsewhere({ hosts: ['mq-2:5672', 'mq-1:5672'] })).toBe(id);
  });

  it('differs for another virtual host, another exchange, and other brokers', () => {
    const ids = [{}, { vhost: 'other' }, { exchange: 'other' }, { hosts: ['elsewhere:5672'] }].map(ask);
    expect(new Set(ids).size).toBe(4);
  });

  it('stays while brokers are replaced one after the other', () => {
    const id = ask();
    expect(ask({ hosts: ['mq-2:5672', 'mq-3:5672'] })).toBe(id);
    expect(ask({ hosts: ['mq-3:5672', 'mq-4:5672'] })).toBe(id);
    expect(ask({ hosts: ['mq-5:5672'] })).not.toBe(id);
  });

  it('is derived again where the file is garbled or cannot be written', () => {
    const id = ask();
    writeFileSync(path(), '{"installation":');
    expect([ask(), JSON.parse(readFileSync(path(), 'utf8')).installation]).toEqual([id, id]);
    rmSync(directory, { recursive: true });
    expect(ask()).toBe(id);
  });
});
