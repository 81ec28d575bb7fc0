import sax from 'sax';
import { CATALOGUE } from '../../model/catalogue.ts';
import { InvalidInput } from '../../model/errors.ts';
import type { Assignment } from '../ruleset/view.ts';
import { assigned, type ConfigDocument, type Setting } from './document.ts';

type Content = Pick<ConfigDocument, 'settings' | 'assignments'>;

/** Kernel types behind a name that firewall programs use; firewalld and Shorewall say `h323` and `Q.931` alike. */
function kernelTypes(name: string): { type: string; protocol: string; port: number }[] {
  const entry = CATALOGUE.find(({ helper }) => helper === name);
  return Object.entries(entry?.protocols ?? {}).flatMap(([protocol, { kernel, port }]) =>
    kernel ? [{ type: kernel.type, protocol, port }] : [],
  );
}

/**
 * firewalld's services, zones and helpers (firewalld.service(5), firewalld.zone(5)): `<helper name="ftp"/>`,
 * `<module name="nf_conntrack_ftp"/>` and `<source address="…"/>`.
 * @throws InvalidInput naming the line
 */
export function readFirewalldXml(text: string, name: string): Content {
  const settings: Setting[] = [];
  const found: { helper: string; line: number; text: string }[] = [];
  const lines = text.split(/\r?\n/);
  const parser = sax.parser(true, { position: true });
  let isNarrowed = false;
  parser.onerror = (error) => {
    throw new InvalidInput('config', `${name}: line ${parser.line + 1}: not XML: ${error.message.split('\n')[0]}.`);
  };
  parser.onopentag = ({ name: tag, attributes }) => {
    const line = parser.line + 1;
    const value = String(attributes['name'] ?? '');
    settings.push({ key: value === '' ? tag : `${tag}.${value}`, value: JSON.stringify(attributes), line });
    if (tag === 'source' && (attributes['address'] || attributes['ipset'])) isNarrowed = true;
    if (tag === 'helper' && value !== '' && attributes['module'] === undefined)
      found.push({ helper: value, line, text: lines[line - 1]?.trim() ?? '' });
    const [, module] = /^nf_conntrack_(\w+)$/.exec(tag === 'module' ? value : '') ?? [];
    if (module) found.push({ helper: module.replace('netbios_ns', 'netbios-ns'), line, text: lines[line - 1]?.trim() ?? '' });
  };
  parser.write(text).close();
  return { settings, assignments: found.flatMap(({ helper, ...at }) => assignmentsOf(helper, at, { source: isNarrowed })) };
}

function assignmentsOf(helper: string, at: { line: number; text: string }, rest: Partial<Assignment>): Assignment[] {
  const types = kernelTypes(helper);
  if (types.length === 0) return [assigned(helper, at, rest)];
  return types.map(({ type, protocol, port }) => assigned(type, at, { protocol, ports: [[port, port]], ...rest }));
}

/** Shorewall's `conntrack` file (shorewall-conntrack(5)): `CT:helper:ftp:PO  SOURCE  DEST  PROTO  DPORT`. */
export function readShorewallConntrack(text: string, _name: string): Content {
  const assignments: Assignment[] = [];
  const settings: Setting[] = [];
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = index + 1;
    const content = raw.replace(/#.*$/, '').trim();
    if (content === '') continue;
    const [, directive, value = ''] = /^\?(\w+)\s*(.*)$/.exec(content) ?? [];
    if (directive !== undefined) {
      settings.push({ key: directive, value, line });
      continue;
    }
    const [action = '', source = '-', destination = '-', protocol = '-', port = '-'] = content.split(/\s+/);
    const helper = /^CT:helper:([^:(]+)/.exec(action)?.[1];
    if (helper === undefined) continue;
    const isOpen = (column: string) => /^(-|all|any|0\.0\.0\.0\/0|::\/0)$/.test(column);
    const ports = port.split(',').flatMap((one) => {
      const [, from, to] = /^(\d+)(?::(\d+))?$/.exec(one) ?? [];
      return from === undefined ? [] : [[Number(from), Number(to ?? from)] as const];
    });
    assignments.push(
      assigned(
        helper,
        { line, text: content },
        {
          protocol: protocol === '-' ? null : protocol.toLowerCase(),
          ports: ports.length > 0 ? ports : null,
          source: !isOpen(source),
          destination: !isOpen(destination),
        },
      ),
    );
  }
  return { settings, assignments };
}

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
      /^(config|option|list|package)\s+['"]?([^\s'"]+)['"]?(?:\s+['"]?(.*?)['"]?)?\s*$/.exec(content) ?? [];
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
  const ports = (options.get('dest_port')?.value ?? '').split(/\s+/).flatMap((one) => {
    const [, from, to] = /^(\d+)(?:[-:](\d+))?$/.exec(one) ?? [];
    return from === undefined ? [] : [[Number(from), Number(to ?? from)] as const];
  });
  const families = { ipv4: ['ipv4'], ipv6: ['ipv6'] } as const;
  return [
    assigned(
      helper.value,
      { line: helper.line, text: `option set_helper '${helper.value}'` },
      {
        protocol,
        ports: ports.length > 0 ? ports : null,
        families: families[options.get('family')?.value as keyof typeof families] ?? ['ipv4', 'ipv6'],
        source: options.has('src_ip') || (options.has('src') && !/^(wan|\*)$/.test(options.get('src')?.value ?? '')),
        destination: options.has('dest_ip'),
      },
    ),
  ];
}
