import { type IniFile, parseIni } from '../formats/ini.ts';
import { InvalidInput } from '../model/errors.ts';

/** What Pinhole takes from a `neutron.conf`; null for options that it does not set. */
export interface NeutronConf {
  readonly transportUrl: string | null;
  readonly host: string | null;
  readonly controlExchange: string | null;
  readonly ssl: boolean;
  readonly sslCaFile: string | null;
  readonly sslCertFile: string | null;
  readonly sslKeyFile: string | null;
  readonly heartbeatSeconds: number | null;
}

const RABBIT = 'oslo_messaging_rabbit';
const MAX_REFERENCES = 16;

/**
 * Reads the options of a neutron.conf that say how to reach its broker, under the names that oslo.messaging 14 has for them,
 * including the deprecated ones.
 * @param file the file's name, for messages
 * @throws InvalidInput that names file and line
 */
export function readNeutronConf(text: string, file: string): NeutronConf {
  const sections = parseIni(text, file);
  const option = (section: string, ...names: string[]) => {
    const options = sections.get(section);
    const name = names.find((one) => options?.has(one));
    return name === undefined ? null : substitute(sections, section, options?.get(name)?.value ?? '');
  };
  const heartbeat = option(RABBIT, 'heartbeat_timeout_threshold');
  if (heartbeat !== null && !/^\d{1,5}$/.test(heartbeat))
    throw new InvalidInput(
      'heartbeat_timeout_threshold',
      `${file}: heartbeat_timeout_threshold is a number of seconds, not '${heartbeat}'.`,
    );
  return {
    transportUrl: option('DEFAULT', 'transport_url'),
    host: option('DEFAULT', 'host'),
    controlExchange: option('DEFAULT', 'control_exchange'),
    ssl: /^(1|yes|true|on)$/i.test(option(RABBIT, 'ssl', 'rabbit_use_ssl') ?? ''),
    sslCaFile: option(RABBIT, 'ssl_ca_file', 'kombu_ssl_ca_certs'),
    sslCertFile: option(RABBIT, 'ssl_cert_file', 'kombu_ssl_certfile'),
    sslKeyFile: option(RABBIT, 'ssl_key_file', 'kombu_ssl_keyfile'),
    heartbeatSeconds: heartbeat === null ? null : Number(heartbeat),
  };
}

/** Replaces `$name` and `${section.name}` by other options' values, and `$$` by a dollar, as oslo.config does. */
function substitute(sections: IniFile, section: string, value: string, depth = 0): string {
  if (depth > MAX_REFERENCES) throw new InvalidInput('neutron-conf', `neutron.conf: '${section}' refers to itself.`);
  return value.replace(/\$(?:\$|\{([\w.]+)\}|(\w+))/g, (whole, braced?: string, plain?: string) => {
    const reference = braced ?? plain;
    if (reference === undefined) return '$';
    const [group, name] = reference.includes('.') ? reference.split('.', 2) : [section, reference];
    const found = (sections.get(group as string)?.get(name as string) ?? sections.get('DEFAULT')?.get(name as string))?.value;
    return found === undefined ? whole : substitute(sections, group as string, found, depth + 1);
  });
}
