import { PORT } from '../contract/primitives.ts';
import { InvalidInput } from '../model/errors.ts';

/** The brokers of one cluster, and the account to use. */
export interface BrokerAddress {
  /** `host:port` of each broker; IPv6 addresses in brackets. */
  readonly hosts: readonly string[];
  readonly username: string;
  readonly password: string;
  readonly vhost: string;
  readonly isTls: boolean;
}

const EXAMPLE = 'rabbit://user:password@host:5672,user:password@other:5672/vhost';
const PORTS = { plain: 5672, tls: 5671 } as const;

/**
 * Parses a transport URL: oslo.messaging's (`rabbit://`, oslo_messaging/transport.py) or AMQP's own (`amqp://`, `amqps://`), with
 * several brokers separated by commas. The first broker's account is used for all, because brokers of one cluster share their
 * accounts. Port 5672, or 5671 with TLS, is the default, and `guest` the default account.
 * @param field the field's name, for the message
 * @throws InvalidInput
 */
export function parseTransportUrl(text: string, field: string): BrokerAddress {
  const fail = (problem: string) => new InvalidInput(field, `Invalid input for ${field}: ${problem}. It is like ${EXAMPLE}.`);
  const [, scheme = '', authorities = '', path = '', query = ''] =
    /^([a-z+]+):\/\/([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/.exec(text) ?? [];
  if (!['rabbit', 'amqp', 'amqps', 'kombu+amqp'].includes(scheme))
    throw fail(scheme === '' ? 'it is not a URL' : `'${scheme}' is not a transport of RabbitMQ`);
  const ssl = new URLSearchParams(query).get('ssl');
  const isTls = scheme === 'amqps' || ssl === '1' || ssl?.toLowerCase() === 'true';
  const brokers = authorities.split(',').map((one) => parseAuthority(one, isTls ? PORTS.tls : PORTS.plain));
  const [first] = brokers;
  if (!first || brokers.some((one) => one === null)) throw fail('a host is missing or malformed');
  return {
    hosts: brokers.map((one) => one?.host as string),
    username: first.username,
    password: first.password,
    vhost: path === '' ? '/' : decode(path),
    isTls,
  };
}

function parseAuthority(text: string, port: number): { username: string; password: string; host: string } | null {
  const [, username = 'guest', password = 'guest', name = '', given] =
    /^(?:([^:@]*)(?::([^@]*))?@)?(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?$/.exec(text) ?? [];
  if (name === '' || Number(given ?? port) > PORT.max) return null;
  return { username: decode(username), password: decode(password), host: `${name}:${given ?? port}` };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
