import sax from 'sax';
import { CATALOGUE, FAMILIES, type Family } from '../../model/catalogue.ts';
import { InvalidInput } from '../../model/errors.ts';
import { lookUp } from '../../model/look-up.ts';
import { type Assignment, kernelHelper } from '../ruleset/view.ts';
import { assigned, type Content, type Setting } from './document.ts';

interface HelperOfProgram {
  readonly type: string;
  readonly protocol: string;
  readonly port: number;
  /** Those that the program assigns it for: all that the kernel has it for. */
  readonly families: readonly Family[];
}

/** Kernel types behind a name that firewall programs use; firewalld and Shorewall say `h323` and `Q.931` alike. */
function kernelTypes(name: string): HelperOfProgram[] {
  const entry = CATALOGUE.find(({ helper }) => helper === name);
  return Object.entries(entry?.protocols ?? {}).flatMap(([protocol, { kernel, port }]) =>
    kernel ? [{ type: kernel.type, protocol, port, families: familiesOf(kernel.type, protocol) }] : [],
  );
}

function familiesOf(type: string, protocol: string | null): readonly Family[] {
  return kernelHelper({ type, protocol })?.families ?? FAMILIES;
}

/** Helpers of the services that firewalld brings (its /usr/lib/firewalld/services), by the service's name. */
const SERVICES: Readonly<Record<string, string>> = {
  'amanda-client': 'amanda',
  'amanda-k5-client': 'amanda',
  ftp: 'ftp',
  'netbios-ns': 'netbios-ns',
  sane: 'sane',
  sip: 'sip',
  tftp: 'tftp',
};
/** Tracking of a protocol, which firewalld calls a helper and the kernel does not. */
const NO_HELPER = /^proto[-_]/;

/**
 * firewalld's services, zones, policies and helpers (firewalld.service(5), firewalld.zone(5)). A service says which helper it
 * takes (`<helper name="ftp"/>`, `<module name="nf_conntrack_ftp"/>`); connections get it where a zone or a policy names the service.
 * @throws InvalidInput naming the line
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
    // The library asks the attributes themselves: one that is called `hasOwnProperty` ends it.
    throw error instanceof InvalidInput ? error : refuse(error as Error);
  }
  const rest = { source: isNarrowed, isDefinition: root === 'service' };
  return { settings, assignments: found.flatMap(({ helper, ...at }) => assignmentsOf(helper, at, rest)) };
}

/** Whether a tag of a zone or a policy says where connections come from. */
function isFrom(tag: string, attributes: Readonly<Record<string, unknown>>): boolean {
  if (tag === 'source') return attributes['address'] !== undefined || attributes['ipset'] !== undefined || attributes['mac'] !== undefined;
  return tag === 'interface' || (tag === 'ingress-zone' && attributes['name'] !== 'ANY');
}

/** The helper that a tag takes: of a service, the one that it says; of a zone or a policy, that of the service that it names. */
function helperOf(root: string, tag: string, value: string): string | null {
  if (value === '' || NO_HELPER.test(value)) return null;
  if (root === 'service') return tag === 'helper' ? value : tag === 'module' ? moduleHelper(value) : null;
  return (root === 'zone' || root === 'policy') && tag === 'service' ? (lookUp(SERVICES, value) ?? null) : null;
}

function moduleHelper(module: string): string | null {
  const [, helper] = /^nf_conntrack_(\w+)$/.exec(module) ?? [];
  return helper === undefined || NO_HELPER.test(helper) ? null : helper.replace('netbios_ns', 'netbios-ns');
}

function assignmentsOf(helper: string, at: { line: number; text: string }, rest: Partial<Assignment>): Assignment[] {
  const types = kernelTypes(helper);
  if (types.length === 0) return [assigned(helper, at, { families: familiesOf(helper, null), ...rest })];
  return types.map(({ type, protocol, port, families }) => assigned(type, at, { protocol, ports: [[port, port]], families, ...rest }));
}

/** Ports and ranges of them as a program writes them; null: it names none. */
function portsIn(words: readonly string[], range: RegExp): (readonly [number, number])[] | null {
  const found = words.flatMap((word) => {
    const [, from, to] = range.exec(word) ?? [];
    return from === undefined ? [] : [[Number(from), Number(to ?? from)] as const];
  });
  return found.length > 0 ? found : null;
}

/** Shorewall's `conntrack` file (shorewall-conntrack(5)): `CT:helper:ftp:PO  SOURCE  DEST  PROTO  DPORT`, under conditions (`?if`). */
export function readShorewallConntrack(text: string, name: string): Content {
  const assignments: Assignment[] = [];
  const settings: Setting[] = [];
  const conditions: string[] = [];
  // Each family has a Shorewall of its own.
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

/** What directives make of the conditions for the lines that follow, the outermost first; others are no conditions. */
const CONDITIONS: Readonly<Record<string, (conditions: string[], value: string) => void>> = {
  if: (conditions, value) => void conditions.push(value),
  elsif: (conditions, value) => void conditions.splice(-1, 1, value),
  else: (conditions) => void conditions.push(`not ${conditions.pop() ?? ''}`),
  endif: (conditions) => void conditions.pop(),
};

/** OpenWrt's /etc/config/firewall (UCI): `option set_helper 'ftp'` of a rule, `list helper 'ftp'` and `option auto_helper` of a zone. */
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
