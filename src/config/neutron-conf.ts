import { InvalidInput } from '../model/errors.ts';

/** What Pinhole takes from a `neutron.conf`; null where it says nothing. */
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

type Sections = Map<string, Map<string, string>>;

const RABBIT = 'oslo_messaging_rabbit';
const MAX_REFERENCES = 16;

/**
 * Reads the options of a neutron.conf that say how to reach its broker, by the names that oslo.messaging 14 has for them, the
 * deprecated ones too.
 * @throws InvalidInput naming file and line
 */
export function readNeutronConf(text: string, file: string): NeutronConf {
  const sections = parseIni(text, file);
  const option = (section: string, ...names: string[]) => {
    const options = sections.get(section);
    const name = names.find((one) => options?.has(one));
    return name === undefined ? null : substitute(sections, section, options?.get(name) as string);
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

/** oslo.config's dialect (oslo_config/iniparser.py): `key = value` or `key: value`, indented lines go on, `#` and `;` begin comments. */
function parseIni(text: string, file: string): Sections {
  const sections: Sections = new Map();
  let current: Map<string, string> | null = null;
  let key: string | null = null;
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const fail = (problem: string) => new InvalidInput('neutron-conf', `${file}: line ${index + 1}: ${problem}.`);
    if (/^\s*$/.test(line)) key = null;
    else if (/^[#;]/.test(line)) continue;
    else if (/^\s/.test(line)) {
      if (!current || key === null) throw fail('an indented line with nothing before it that it could go on with');
      current.set(key, `${current.get(key)}\n${line.trim()}`);
    } else if (line.startsWith('[')) {
      const name = /^\[([^\]]+)\]/.exec(line)?.[1];
      if (name === undefined) throw fail('a section without an end');
      current = sections.get(name) ?? new Map();
      sections.set(name, current);
      key = null;
    } else {
      const [, name, value = ''] = /^([^:=]+?)\s*[:=]\s*(.*)$/.exec(line) ?? [];
      if (name === undefined) throw fail('neither an option, a section nor a comment');
      if (!current) throw fail(`option '${name}' stands before any section`);
      key = name;
      current.set(key, unquote(value.trim()));
    }
  }
  return sections;
}

function unquote(value: string): string {
  return /^(["']).*\1$/.test(value) && value.length > 1 ? value.slice(1, -1) : value;
}

/** `$name` and `${section.name}` stand for other options, `$$` for a dollar. */
function substitute(sections: Sections, section: string, value: string, depth = 0): string {
  if (depth > MAX_REFERENCES) throw new InvalidInput('neutron-conf', `neutron.conf: '${section}' refers to itself.`);
  return value.replace(/\$(?:\$|\{([\w.]+)\}|(\w+))/g, (whole, braced?: string, plain?: string) => {
    const reference = braced ?? plain;
    if (reference === undefined) return '$';
    const [group, name] = reference.includes('.') ? reference.split('.', 2) : [section, reference];
    const found = sections.get(group as string)?.get(name as string) ?? sections.get('DEFAULT')?.get(name as string);
    return found === undefined ? whole : substitute(sections, group as string, found, depth + 1);
  });
}
