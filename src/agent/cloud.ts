import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { list } from '../contract/compounds.ts';
import { INSTALLATION } from '../contract/primitives.ts';
import { record } from '../contract/record.ts';
import { text } from '../contract/scalars.ts';
import { type Of, read } from '../contract/shape.ts';
import type { Logger } from '../ports/logger.ts';

const PART = text({ max: 1_024, what: 'part of the address of a message bus' });
const CLOUD = record({ installation: INSTALLATION, vhost: PART, exchange: PART, hosts: list(PART, 100) });
type Cloud = Of<typeof CLOUD>;

/** Where a cloud's RabbitMQ is: all that an agent knows of the cloud before it has asked anything. Hosts as `host:port`. */
export type CloudAddress = Pick<Cloud, 'vhost' | 'exchange' | 'hosts'>;

/**
 * Returns the id that stands for a cloud in the stamps of tables. It is a digest of the address, kept in a file: an address that shares a
 * broker with the kept one is the same cloud, so that replacing brokers one by one does not change the id.
 * @param path of the file, which is written when the address changes
 */
export function cloudInstallation(path: string, address: CloudAddress, logger: Logger): string {
  const kept = readKept(path, logger);
  const installation = kept && isSameCloud(kept, address) ? kept.installation : digestOf(address);
  const now = JSON.stringify(CLOUD.write({ installation, vhost: address.vhost, exchange: address.exchange, hosts: [...address.hosts] }));
  if (kept && now === JSON.stringify(CLOUD.write(kept))) return installation;
  try {
    writeFileSync(path, `${now}\n`, { mode: 0o640 });
  } catch (error) {
    logger.warn({ path, err: error }, "the cloud's address cannot be kept");
  }
  return installation;
}

function isSameCloud(kept: Cloud, { vhost, exchange, hosts }: CloudAddress): boolean {
  return kept.vhost === vhost && kept.exchange === exchange && kept.hosts.some((host) => hosts.includes(host));
}

function digestOf({ vhost, exchange, hosts }: CloudAddress): string {
  const text = JSON.stringify([vhost, exchange, [...hosts].sort()]);
  return createHash('sha256').update(text).digest('hex').slice(0, INSTALLATION.max);
}

function readKept(path: string, logger: Logger): Cloud | null {
  try {
    return read(CLOUD, JSON.parse(readFileSync(path, 'utf8')), path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') logger.warn({ path, err: error }, "the cloud's kept address cannot be read");
    return null;
  }
}
