import { readFileSync } from 'node:fs';
import type { Bus } from '../bus/interface.ts';
import type { BusConfig } from '../config/bus-config.ts';
import { InvalidInput } from '../model/errors.ts';
import type { Ports } from '../ports/ports.ts';

/** The bus over RabbitMQ, as configuration says; loaded only where it is used. */
export async function rabbitBus(
  config: BusConfig,
  parts: Ports & { name: string; owner?: string; declares: boolean; trusted: readonly string[] | null },
): Promise<Bus> {
  const { RabbitBus } = await import('../bus/rabbitmq.ts');
  const { tls, exchange, agentUser } = config;
  const broker = { ...config, tls: tls && { ca: pem(tls.ca, 'ca_file'), cert: pem(tls.cert, 'cert_file'), key: pem(tls.key, 'key_file') } };
  return new RabbitBus({ broker, exchange, signs: agentUser !== null || config.serverUsers !== null, ...parts });
}

/** The user of the bus who speaks for a host; null where anybody does. */
export function userOfHost(config: BusConfig | null): (host: string) => string | null {
  const pattern = config?.agentUser ?? null;
  return (host) => pattern?.replaceAll('{host}', host) ?? null;
}

function pem(path: string | null, field: string): string | null {
  try {
    return path === null ? null : readFileSync(path, 'utf8');
  } catch (error) {
    throw new InvalidInput(`bus.${field}`, `bus.${field}: ${path} cannot be read (${(error as NodeJS.ErrnoException).code}).`);
  }
}
