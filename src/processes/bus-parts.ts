import { readFileSync } from 'node:fs';
import type { Bus } from '../bus/interface.ts';
import type { BusConfig } from '../config/bus-config.ts';
import { InvalidInput } from '../model/errors.ts';
import type { Ports } from '../ports/ports.ts';

/**
 * The bus over RabbitMQ. Its module is loaded only here, so that other processes stay small.
 * @param parts `owner`: the host of an agent; `declares`: whether this process creates the exchange; `trusted`: the bus users whose
 * messages are accepted, null for all
 * @throws InvalidInput that names the setting, for a certificate file that cannot be read
 */
export async function rabbitBus(
  config: BusConfig,
  parts: Ports & { name: string; owner?: string; declares: boolean; trusted: readonly string[] | null },
): Promise<Bus> {
  const { RabbitBus } = await import('../bus/rabbitmq.ts');
  const { tls, exchange, agentUser } = config;
  const broker = { ...config, tls: tls && { ca: pem(tls.ca, 'ca_file'), cert: pem(tls.cert, 'cert_file'), key: pem(tls.key, 'key_file') } };
  return new RabbitBus({ broker, exchange, signs: agentUser !== null || config.serverUsers !== null, ...parts });
}

/** Maps a host to the bus user of its agent. The map gives null if configuration does not tie hosts to users. */
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
