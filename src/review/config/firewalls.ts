import sax from 'sax';
import { CATALOGUE, FAMILIES, type Family } from '../../model/catalogue.ts';
import { InvalidInput } from '../../model/errors.ts';
import { lookUp } from '../../model/look-up.ts';
import { type Assignment, kernelHelper } from '../ruleset/view.ts';
import { assigned, type Content, type Setting } from './document.ts';

/** A helper as a firewall program assigns it. */
interface HelperOfProgram {
  readonly type: string;
  readonly protocol: string;
  readonly port: number;
  /** Families for which the program assigns it: all that the kernel registers it for. */
  readonly families: readonly Family[];
}

/** Kernel types behind a name of the catalogue. firewalld and Shorewall use `h323` for the kernel types RAS and Q.931. */
function kernelTypes(name: string): HelperOfProgram[] {
  const entry = CATALOGUE.find(({ helper }) => helper === name);
  return Object.entries(entry?.protocols ?? {}).flatMap(([protocol, { kernel, port }]) =>
    kernel ? [{ type: kernel.type, protocol, port, families: familiesOf(kernel.type, protocol) }] : [],
  );
}

/** Families for which the kernel registers a type; both if the type is unknown. */
function familiesOf(type: string, protocol: string | null): readonly Family[] {
  return kernelHelper({ type, protocol })?.families ?? FAMILIES;
}

/** Helpers of the services that firewalld ships (/usr/lib/firewalld/services), by service name. */
const SERVICES: Readonly<Record<string, string>> = {
  'amanda-client': 'amanda',
  'amanda-k5-client': 'amanda',
  ftp: 'ftp',
  'netbios-ns': 'netbios-ns',
  sane: 'sane',
  sip: 'sip',
  tftp: 'tftp',
};
/** Connection tracking of a protocol, which firewalld lists among helpers and the kernel does not. */
const NO_HELPER = /^proto[-_]/;

/**
 * Reads firewalld's services, zones, policies and helpers (firewalld.service(5), firewalld.zone(5)). A service names its helper
 * (`<helper name="ftp"/>`, `<module name="nf_conntrack_ftp"/>`); connections get it if a zone or a policy names the service.
 * @throws InvalidInput that names the line
 */
export function readFirewalldXml(text: string, name: string): Content {
  const settings: Setting[] = [];
  const found: { helper: string; line: number; text: string }[] = [];
  const lines = text.split(/\r?\n/);
  const parser = sax.parser(true, { position: true });
  let root = '';
  let isNarrowed = false;
  const refuse = (error: Error) =>
    new InvalidInput('config', `${name}: line ${parser.line + 1}: not XML: ${error.message.split('\n')[0]}.`);
  parser.onerror = (error) => {
    throw refuse(error);
  };
  parser.onopentag = ({ name: tag, attributes }) => {
    root ||= tag;
    const line = parser.line + 1;
    const value = String(attributes['name'] ?? '');
    settings.push({ key: value === '' ? tag : `${tag}.${value}`, value: JSON.stringify(attributes), line });
    if (isFrom(tag, attributes)) isNarrowed = true;
    const helper = helperOf(root, tag, value);
    if (helper !== null) found.push({ helper, line, text: (lines[line - 1]?.trim() ?? '').slice(0, 200) });
  };
  try {
    parser.write(text).close();
  } catch (error) {
    // sax calls `hasOwnProperty` on the attributes object: an attribute of that name makes it throw.
    throw error instanceof InvalidInput ? error : refuse(error as Error);
  }
  const rest = { source: isNarrowed, isDefinition: root === 'service' };
  return { settings, assignments: found.flatMap(({ helper, ...at }) => assignmentsOf(helper, at, rest)) };
}

/** Whether a tag of a zone or policy restricts the source of connections. */
function isFrom(tag: string, attributes: Readonly<Record<string, unknown>>): boolean {
  if (tag === 'source') return attributes['address'] !== undefined || attributes['ipset'] !== undefined || attributes['mac'] !== undefined;
  return tag === 'interface' || (tag === 'ingress-zone' && attributes['name'] !== 'ANY');
}

/** The helper that a tag assigns: in a service, the one it names; in a zone or policy, the one of the named service. */
function helperOf(root: string, tag: string, value: string): string | null {
  if (value === '' || NO_HELPER.test(value)) return null;
  if (root === 'service') return tag === 'helper' ? value : tag === 'module' ? moduleHelper(value) : null;
  return (root === 'zone' || root === 'policy') && tag === 'service' ? (lookUp(SERVICES, value) ?? null) : null;
}

/** The helper of a kernel module, by its name. */
function moduleHelper(module: string): string | null {
  const [, helper] = /^nf_conntrack_(\w+)$/.exec(module) ?? [];
  return helper === undefined || NO_HELPER.test(helper) ? null : helper.replace('netbios_ns', 'netbios-ns');
}

function assignmentsOf(helper: string, at: { line: number; text: string }, rest: Partial<Assignment>): Assignment[] {
  const types = kernelTypes(helper);
  if (types.length === 0) return [assigned(helper, at, { families: familiesOf(helper, null), ...rest })];
  return types.map(({ type, protocol, port, families }) => assigned(type, at, { protocol, ports: [[port, port]], families, ...rest }));
}

/** Ports and port ranges in a program's notation; null: the words name none. */
function portsIn(words: readonly string[], range: RegExp): (readonly [number, number])[] | null {
  const found = words.flatMap((word) => {
    const [, from, to] = range.exec(word) ?? [];
    return from === undefined ? [] : [[Number(from), Number(to ?? from)] as const];
  });
  return found.length > 0 ? found : null;
}

/**
 * Reads Shorewall's `conntrack` file (shorewall-conntrack(5)): `CT:helper:ftp:PO  SOURCE  DEST  PROTO  DPORT`, under conditions
 * (`?if`).
 * @param name path; a folder `shorewall6` means IPv6
 */
export function readShorewallConntrack(text: string, name: string): Content {
  const assignments: Assignment[] = [];
  const settings: Setting[] = [];
  const conditions: string[] = [];
  // Shorewall and Shorewall6 are separate programs with separate folders.
  const families = /shorewall6(\/|$)/.test(name.split('/').slice(0, -1).join('/')) ? (['ipv6'] as const) : (['ipv4'] as const);
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = index + 1;
    const content = (raw.split('#', 1)[0] ?? '').trim();
    if (content === '') continue;
    const [, directive, value = ''] = /^\?(\w+)\s*([\s\S]*)$/.exec(content) ?? [];
    if (directive !== undefined) {
      settings.push({ key: directive, value, line });
      lookUp(CONDITIONS, directive.toLowerCase())?.(conditions, value);
      continue;
    }
    const [action = '', source = '-', destination = '-', protocol = '-', port = '-'] = content.split(/\s+/);
    const helper = /^CT:helper:([^:(]+)/.exec(action)?.[1];
    if (helper === undefined) continue;
    const isOpen = (column: string) => /^(-|all|any|0\.0\.0\.0\/0|::\/0)$/.test(column);
    assignments.push(
      assigned(
        helper,
        { line, text: [content.replace(/\s+/g, ' '), ...conditions.map((one) => `if ${one}`)].join(', ').slice(0, 400) },
        {
          protocol: protocol === '-' ? null : protocol.toLowerCase(),
          ports: portsIn(port.split(','), /^(\d+)(?::(\d+))?$/),
          families,
          source: !isOpen(source),
          destination: !isOpen(destination),
        },
      ),
    );
  }
  return { settings, assignments };
}

/** How directives change the stack of conditions for the lines that follow. Other directives set options. */
const CONDITIONS: Readonly<Record<string, (conditions: string[], value: string) => void>> = {
  if: (conditions, value) => void conditions.push(value),
  elsif: (conditions, value) => void conditions.splice(-1, 1, value),
  else: (conditions) => void conditions.push(`not ${conditions.pop() ?? ''}`),
  endif: (conditions) => void conditions.pop(),
};

/**
 * Reads OpenWrt's /etc/config/firewall (UCI): `option set_helper 'ftp'` of a rule, `list helper 'ftp'` and `option auto_helper`
 * of a zone.
 * @throws InvalidInput that names the line
 */
export function readOpenwrt(text: string, name: string): Content {
  const settings: Setting[] = [];
  const assignments: Assignment[] = [];
  let section: { type: string; options: Map<string, Setting>; lists: Setting[] } | null = null;
  const close = () => {
    if (section) assignments.push(...openwrtAssignments(section));
  };
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = index + 1;
    const content = raw.trim();
    if (content === '' || content.startsWith('#')) continue;
    const [, word, first = '', second] =
      /^(config|option|list|package)\s+['"]?([^\s'"]+)['"]?(?:\s+['"]?([\s\S]*?)['"]?)?$/.exec(content) ?? [];
    if (word === undefined) throw new InvalidInput('config', `${name}: line ${line}: expected 'config', 'option' or 'list'.`);
    if (word === 'config') {
      close();
      section = { type: first, options: new Map(), lists: [] };
    } else if (section && word !== 'package') {
      const one = { key: `${section.type}.${first}`, value: second ?? '', line };
      settings.push(one);
      if (word === 'list') section.lists.push(one);
      else section.options.set(first, one);
    }
  }
  close();
  return { settings, assignments };
}

/** The helpers that a section assigns. A source of `wan` or `*` does not narrow. */
function openwrtAssignments({
  type,
  options,
  lists,
}: {
  type: string;
  options: ReadonlyMap<string, Setting>;
  lists: readonly Setting[];
}): Assignment[] {
  if (type === 'zone') {
    const zone = options.get('name')?.value ?? '';
    return lists
      .filter(({ key }) => key === 'zone.helper')
      .flatMap(({ value, line }) => assignmentsOf(value, { line, text: `list helper '${value}'` }, { source: !/^(wan|\*)$/.test(zone) }));
  }
  const helper = options.get('set_helper');
  if (type !== 'rule' || !helper) return [];
  const protocol = options.get('proto')?.value.split(/\s+/)[0] ?? null;
  const family = FAMILIES.find((one) => one === options.get('family')?.value);
  return [
    assigned(
      helper.value,
      { line: helper.line, text: `option set_helper '${helper.value}'` },
      {
        protocol,
        ports: portsIn((options.get('dest_port')?.value ?? '').split(/\s+/), /^(\d+)(?:[-:](\d+))?$/),
        families: family ? [family] : familiesOf(helper.value, protocol),
        source: options.has('src_ip') || (options.has('src') && !/^(wan|\*)$/.test(options.get('src')?.value ?? '')),
        destination: options.has('dest_ip'),
      },
    ),
  ];
}
