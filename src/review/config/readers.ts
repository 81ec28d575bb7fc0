import { isMap, isScalar, isSeq, LineCounter, type Node } from 'yaml';
import { parseIni } from '../../formats/ini.ts';
import { parseYaml } from '../../formats/yaml.ts';
import { InvalidInput } from '../../model/errors.ts';
import type { ConfigDocument, ConfigKind, Content, Setting } from './document.ts';
import { readFirewalldXml, readOpenwrt, readShorewallConntrack } from './firewalls.ts';

/** Readers by kind. They throw InvalidInput that names the line. */
const READERS: Readonly<Record<ConfigKind, (text: string, name: string) => Content>> = {
  neutron: (text, name) => settingsOnly(iniSettings(text, name)),
  'neutron-policy': (text, name) => settingsOnly(yamlSettings(text, name)),
  pinhole: (text, name) => settingsOnly(yamlSettings(text, name)),
  firewalld: readFirewalldXml,
  'firewalld-conf': (text) => settingsOnly(assignments(text)),
  'shorewall-conntrack': readShorewallConntrack,
  'shorewall-conf': (text) => settingsOnly(assignments(text)),
  openwrt: readOpenwrt,
  sysctl: (text) => settingsOnly(assignments(text)),
  modprobe: (text) => settingsOnly(moduleOptions(text)),
};

/**
 * Reads a configuration file.
 * @throws InvalidInput that names the line
 */
export function readConfigDocument(
  kind: ConfigKind,
  file: { readonly name: string; readonly text: string; readonly mode: number | null },
): ConfigDocument {
  return { kind, name: file.name, mode: file.mode, ...READERS[kind](file.text, file.name) };
}

/** The content of a format that cannot assign helpers. */
function settingsOnly(settings: readonly Setting[]): Content {
  return { settings, assignments: [] };
}

function iniSettings(text: string, name: string): Setting[] {
  return [...parseIni(text, name)].flatMap(([section, options]) =>
    [...options].map(([option, { value, line }]) => ({ key: `${section}.${option}`, value, line })),
  );
}

/** `KEY=value` lines of shell-like files and of sysctl.conf, where `/` may stand for a dot (sysctl.d(5)). */
function assignments(text: string): Setting[] {
  return text.split(/\r?\n/).flatMap((line, index) => {
    const [, key, rest = ''] = /^\s*-?([\w./*-]+)\s*=([\s\S]*)$/.exec(line) ?? [];
    const value = (rest.split('#', 1)[0] ?? '').trim();
    return key === undefined ? [] : [{ key: key.replaceAll('/', '.'), value: value.replace(/^(["'])(.*)\1$/, '$2'), line: index + 1 }];
  });
}

/** Module options of modprobe.d(5): `options nf_conntrack_ftp ports=21,2121` has the key `nf_conntrack_ftp.ports`. */
function moduleOptions(text: string): Setting[] {
  return text.split(/\r?\n/).flatMap((line, index) => {
    const [, module, options = ''] = /^\s*options\s+(\S+)\s+([\s\S]*)$/.exec(line) ?? [];
    if (module === undefined) return [];
    return options.split(/\s+/).map((option) => {
      const [key = '', ...value] = option.split('=');
      return { key: `${module}.${key}`, value: value.join('='), line: index + 1 };
    });
  });
}

/** Scalars of a YAML or JSON document, by their paths; list items by their index. Deeper than 20 levels is ignored. */
function yamlSettings(text: string, name: string): Setting[] {
  const counter = new LineCounter();
  const document = parseYaml(text, {
    lineCounter: counter,
    uniqueKeys: false,
    refuse: (at, problem) => new InvalidInput('config', `${name}: line ${at}: ${problem}`),
  });
  const found: Setting[] = [];
  const line = (node: Node) => counter.linePos(node.range?.[0] ?? 0).line;
  const visit = (node: unknown, path: string, depth: number): void => {
    if (depth > 20) return;
    if (isMap(node)) {
      for (const { key, value } of node.items) visit(value, path === '' ? String(key) : `${path}.${String(key)}`, depth + 1);
    } else if (isSeq(node)) node.items.forEach((item, index) => void visit(item, `${path}.${index}`, depth + 1));
    else if (isScalar(node)) found.push({ key: path, value: String(node.value ?? ''), line: line(node) });
  };
  visit(document.contents, '', 0);
  return found;
}
