// The module table is modules.json. Each of its entries is a folder or a file of src/ and holds the files that no longer entry holds:
// `kernel` holds kernel/remote.ts, `kernel/linux` holds kernel/linux/libc.ts. Files of one entry may import each other.
// Any other import needs a permission:
//   modules   other entries, or single files of them; an entry of another module must stand above it
//   node      builtins, without their `node:`
//   packages  third-party packages, with their subpaths
import { readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join, posix } from 'node:path';
import { importsOf } from './imports.mjs';

const TABLE = 'scripts/modules.json';
const DOC = 'ARCHITECTURE.md';
const SOURCE = /\.[cm]?[jt]sx?$/;
const KINDS = ['modules', 'node', 'packages'];

/** Checks the tree in `root`. @returns one line for each problem: file, line, and what is wrong */
export function problemsOf(root) {
  const text = readFileSync(join(root, TABLE), 'utf8');
  const entries = JSON.parse(text);
  const names = Object.keys(entries);
  const holders = new Map(filesUnder(root, '').map((file) => [file, holderOf(names, file)]));
  const tree = { root, entries, holders, used: new Set() };
  const inSource = [...holders.keys()].flatMap((file) => checkFile(tree, file));
  const inTable = names.flatMap((name) => {
    const line = text.slice(0, text.indexOf(`"${name}": {`)).split('\n').length;
    return checkEntry(tree, name).map((problem) => `${TABLE}:${line}: ${problem}`);
  });
  return [...inSource, ...inTable, ...checkDoc(root, names)];
}

/** Paths of all source files below a folder, relative to src/. */
function filesUnder(root, folder) {
  const found = readdirSync(join(root, 'src', folder), { withFileTypes: true }).flatMap((item) => {
    const path = posix.join(folder, item.name);
    return item.isDirectory() ? filesUnder(root, path) : path;
  });
  return found.filter((path) => SOURCE.test(path)).sort();
}

/** @returns the name of the longest entry that holds a file, or undefined */
function holderOf(names, file) {
  const holding = names.filter((name) => file === name || file.startsWith(`${name}/`));
  return holding.sort((a, b) => b.length - a.length)[0];
}

function checkFile(tree, file) {
  const entry = tree.holders.get(file);
  if (entry === undefined) return [`src/${file}:1: no entry of ${TABLE} holds this file`];
  return importsOf(readFileSync(join(tree.root, 'src', file), 'utf8')).flatMap(({ line, specifier, refused }) => {
    const problem = refused ?? checkImport(tree, entry, { file, specifier });
    return problem === null ? [] : `src/${file}:${line}: ${problem}`;
  });
}

/** @returns what is wrong with an import, or null */
function checkImport(tree, entry, { file, specifier }) {
  if (specifier.startsWith('node:')) return permit(tree, entry, { kind: 'node', names: [specifier.slice(5)], shown: specifier });
  if (isBuiltin(specifier)) return `'${specifier}' is a builtin: write 'node:${specifier}'`;
  if (!specifier.startsWith('.')) {
    const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
    return permit(tree, entry, { kind: 'packages', names: [name], shown: `the package '${name}'` });
  }
  const path = posix.join('src', posix.dirname(file), specifier);
  const target = path.slice('src/'.length);
  if (!path.startsWith('src/') || !tree.holders.has(target)) return `'${specifier}' is no source file of src`;
  const other = tree.holders.get(target);
  // A target without an entry is reported as a file.
  if (other === entry || other === undefined) return null;
  return permit(tree, entry, { kind: 'modules', names: [target, other], shown: target === other ? other : `${target} of ${other}` });
}

function permit({ entries, used }, entry, { kind, names, shown }) {
  const permission = names.find((name) => entries[entry][kind]?.includes(name));
  if (permission === undefined) return `${entry} may not import ${shown} (${TABLE})`;
  used.add(`${entry} ${kind} ${permission}`);
  return null;
}

/** Runs after the imports of all files are counted. */
function checkEntry({ entries, holders, used }, name) {
  if (![...holders.values()].includes(name)) return [`${name} holds no file of src`];
  const order = Object.keys(entries).map(moduleOf);
  const isAbove = (other) => order.includes(moduleOf(other)) && order.indexOf(moduleOf(other)) <= order.indexOf(moduleOf(name));
  const permissions = KINDS.flatMap((kind) => (entries[name][kind] ?? []).map((of) => ({ kind, of })));
  return permissions.flatMap(({ kind, of }) => [
    ...(kind === 'modules' && !isAbove(of) ? [`${of} does not stand above ${name}`] : []),
    ...(used.has(`${name} ${kind} ${of}`) ? [] : [`no import uses the permission of ${name} for '${of}'`]),
  ]);
}

function moduleOf(path) {
  return path.split('/')[0];
}

/** The first column of the document's table has every entry and nothing else. */
function checkDoc(root, names) {
  const lines = readFileSync(join(root, DOC), 'utf8').split('\n');
  const start = lines.indexOf('## Modules');
  const end = lines.findIndex((line, index) => index > start && line.startsWith('## '));
  const told = lines.slice(0, end < 0 ? lines.length : end).flatMap((line, index) => {
    const cell = index > start && line.startsWith('| ') ? line.split('|')[1] : '';
    return [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => ({ name, line: index + 1 }));
  });
  return [
    ...names
      .filter((name) => !told.some((row) => row.name === name))
      .map((name) => `${DOC}:${start + 1}: the table of modules lacks ${name}`),
    ...told.filter(({ name }) => !names.includes(name)).map(({ name, line }) => `${DOC}:${line}: ${name} has no entry in ${TABLE}`),
  ];
}
