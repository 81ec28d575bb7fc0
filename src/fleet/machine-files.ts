import { isIPv6 } from 'node:net';
import type { Bundle, Fleet } from '../contract/fleet.ts';
import { userOf } from './fleet.ts';

/** The first line of a configuration that `fleet init` made. */
export const MADE_BY = '# Made by pinhole fleet init';
const BUS_PORT = 5671;

/** The certificates of a machine, as PEM. */
export interface Certificates {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** Returns what a server or the host of an agent gets. */
export function bundleOf(fleet: Fleet, machine: string, { ca, cert, key }: Certificates): Bundle {
  const isServer = fleet.servers.includes(machine);
  const lines = isServer ? serverLines(fleet) : [`host: ${quoted(machine)}`];
  const yaml = [`${MADE_BY} for ${machine}.`, ...lines, ...busLines(fleet, machine), ''].join('\n');
  const files = { 'pinhole.yaml': yaml, 'ca.pem': ca, 'cert.pem': cert, 'key.pem': key };
  return {
    machine,
    role: isServer ? 'server' : 'agent',
    files: isServer ? { ...files, 'admin-token': `${fleet.adminToken}\n` } : files,
  };
}

function serverLines({ databaseUrl }: Fleet): string[] {
  return ['listen: 0.0.0.0:9797', 'tls:', '  certificate: cert.pem', '  key: key.pem', 'database:', `  url: ${quoted(databaseUrl ?? '')}`];
}

function busLines(fleet: Fleet, machine: string): string[] {
  const { name, password } = userOf(fleet, machine);
  const hosts = fleet.brokers.map((broker) => `${isIPv6(broker) ? `[${broker}]` : broker}:${BUS_PORT}`).join(',');
  const url = `amqps://${encodeURIComponent(name)}:${password}@${hosts}/${fleet.vhost}`;
  return ['bus:', `  url: ${quoted(url)}`, '  ca_file: ca.pem', '  cert_file: cert.pem', '  key_file: key.pem'];
}

/** Returns the files of a broker, by their paths below RabbitMQ's own folder: only holders of the fleet's certificates may connect. */
export function brokerFiles({ ca, cert, key }: Certificates, folder = '/etc/rabbitmq'): Readonly<Record<string, string>> {
  const lines = [
    MADE_BY,
    `listeners.ssl.default = ${BUS_PORT}`,
    `ssl_options.cacertfile = ${folder}/pinhole-ca.pem`,
    `ssl_options.certfile = ${folder}/pinhole-cert.pem`,
    `ssl_options.keyfile = ${folder}/pinhole-key.pem`,
    'ssl_options.verify = verify_peer',
    'ssl_options.fail_if_no_peer_cert = true',
    '',
  ];
  return {
    'conf.d/50-pinhole.conf': lines.join('\n'),
    'pinhole-ca.pem': ca,
    'pinhole-cert.pem': cert,
    'pinhole-key.pem': key,
  };
}

/** A double-quoted scalar of YAML: JSON's strings are such scalars. */
function quoted(text: string): string {
  return JSON.stringify(text);
}
