import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { problemsOf } from '../../scripts/module-table.mjs';

const ROOT = resolve(import.meta.dirname, '../..');
const TABLE = 'scripts/modules.json';

interface Entry {
  modules?: string[];
  node?: string[];
  packages?: string[];
}
type Table = Record<string, Entry>;

function readTable(): Table {
  return JSON.parse(readFileSync(join(ROOT, TABLE), 'utf8'));
}

const REAL = readTable();
const PACKAGES: readonly string[] = Object.keys(JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).dependencies);

/** Each is one line that imports `from`. */
const STATEMENTS: readonly ((from: string) => string)[] = [
  (from) => `import { a } from '${from}';`,
  (from) => `import * as b from "${from}";`,
  (from) => `import '${from}';`,
  (from) => `import type { C } from '${from}';`,
  (from) => `import { type D } from '${from}';`,
  (from) => `import e from '${from}' with { type: 'json' };`,
  (from) => `export { f } from '${from}';`,
  (from) => `export type { G } from '${from}';`,
  (from) => `export * from '${from}';`,
  (from) => `await import('${from}');`,
  (from) => `await import(/* quietly */ \`${from}\`, { with: {} });`,
  (from) => `let h: import('${from}').H;`,
  (from) => `type I = typeof import('${from}');`,
  (from) => `const j = \`\${{ k: \`\${await import('${from}')}\` }}\`;`,
  (from) => `const l = 1 / 2, m = /["'\`/*]/.test('') || (await import('${from}'));`,
  (from) => `import n from '${from.replace(/[a-z]/, (letter) => `\\x${letter.charCodeAt(0).toString(16)}`)}';`,
];

/** Ways from the folder of a file of src/ up to src/. */
function waysUp(file: string): string[] {
  const up = '../'.repeat(file.split('/').length - 1) || './';
  return [up, `./${up}`, `${up}../src/`, `${up}.././/src/`];
}

let tree: string;

beforeEach(() => {
  tree = mkdtempSync(join(tmpdir(), 'pinhole-layers-'));
});

afterEach(() => rmSync(tree, { recursive: true }));

function write(path: string, text: string): void {
  mkdirSync(dirname(join(tree, path)), { recursive: true });
  writeFileSync(join(tree, path), text);
}

function writeTable(table: Table): void {
  write(TABLE, JSON.stringify(table, null, 2));
  write('ARCHITECTURE.md', ['## Modules', ...Object.keys(table).map((name) => `| \`${name}\` | what |`), '', '## Then'].join('\n'));
}

const isFile = (name: string) => name.endsWith('.ts');
const home = (name: string) => (isFile(name) ? name : `${name}/home.ts`);
const probe = (name: string) => (isFile(name) ? name : `${name}/deep/er/probe.ts`);
function allowedFrom(name: string, table: Table): string[] {
  const { modules = [], node = [], packages = [] } = table[name] ?? {};
  const paths = modules.map((other) => `${waysUp(probe(name))[0]}${isFile(other) ? other : home(other)}`);
  return [...paths, ...node.map((builtin) => `node:${builtin}`), ...packages.flatMap((one) => [one, `${one}/sub/path.js`])];
}

/** A tree with a file for each entry, and for each file that a permission names, that uses every permission once. */
function writeAllowed(table: Table): void {
  writeTable(table);
  for (const file of Object.values(table).flatMap(({ modules = [] }) => modules.filter(isFile))) write(`src/${file}`, '');
  for (const name of Object.keys(table)) {
    write(`src/${home(name)}`, '');
    const lines = allowedFrom(name, table).map((from, index) => STATEMENTS[index % STATEMENTS.length]?.(from));
    write(`src/${probe(name)}`, [...lines, isFile(name) ? '' : `import '../../home.ts';`].join('\n'));
  }
}

describe('the module table', () => {
  test('lets each module import what its entry names, and its own files', () => {
    writeAllowed(REAL);
    expect(problemsOf(tree)).toEqual([]);
  });

  test('refuses each other module to each module, in every spelling, with file, line and rule', () => {
    writeAllowed(REAL);
    const expected: string[] = [];
    for (const [name, { modules = [] }] of Object.entries(REAL)) {
      const others = Object.keys(REAL).filter((other) => other !== name && !modules.includes(other));
      const ways = waysUp(probe(name));
      const lines = others.flatMap((other, at) =>
        STATEMENTS.map((statement, index) => ({ other, text: statement(`${ways[(at + index) % ways.length]}${home(other)}`) })),
      );
      const file = isFile(name) ? name : `${name}/forbidden/er/probe.ts`;
      const before = isFile(name) ? readFileSync(join(tree, 'src', file), 'utf8') : '';
      write(`src/${file}`, `${before}\n${lines.map(({ text }) => text).join('\n')}`);
      const start = before.split('\n').length + 1;
      for (const [index, { other }] of lines.entries()) {
        const shown = isFile(other) ? other : `${home(other)} of ${other}`;
        expected.push(`src/${file}:${start + index}: ${name} may not import ${shown} (${TABLE})`);
      }
    }
    expect(expected.length).toBeGreaterThan(5_000);
    expect(new Set(problemsOf(tree))).toEqual(new Set(expected));
  });

  test('refuses each builtin and package that an entry does not name, and builtins without node:', () => {
    writeAllowed(REAL);
    const expected: string[] = [];
    for (const [name, { node = [], packages = [] }] of Object.entries(REAL)) {
      const file = probe(name);
      const lines = readFileSync(join(tree, 'src', file), 'utf8').split('\n');
      const refuse = (from: string, rule: string) => {
        const statement = STATEMENTS[lines.length % STATEMENTS.length];
        if (statement) expected.push(`src/${file}:${lines.push(statement(from))}: ${rule}`);
      };
      for (const builtin of builtinModules.filter((one) => !one.startsWith('node:'))) {
        refuse(builtin, `'${builtin}' is a builtin: write 'node:${builtin}'`);
        if (!node.includes(builtin)) refuse(`node:${builtin}`, `${name} may not import node:${builtin} (${TABLE})`);
      }
      for (const one of [...PACKAGES, 'left-pad', '@types/node'].filter((one) => !packages.includes(one)))
        for (const from of [one, `${one}/sub/path.js`]) refuse(from, `${name} may not import the package '${one}' (${TABLE})`);
      write(`src/${file}`, lines.join('\n'));
    }
    expect(new Set(problemsOf(tree))).toEqual(new Set(expected));
  });

  test('gives a part of a module to those that name the part', () => {
    writeAllowed({ kernel: {}, 'kernel/linux': {}, whole: { modules: ['kernel'] }, part: { modules: ['kernel/interface.ts'] } });
    write('src/kernel/linux/libc.ts', "import '../remote.ts';");
    write('src/kernel/remote.ts', "import './linux/libc.ts';");
    write('src/whole/x.ts', "import '../kernel/remote.ts';\nimport '../kernel/linux/libc.ts';");
    write('src/part/x.ts', "import '../kernel/interface.ts';\nimport '../kernel/remote.ts';");
    expect(problemsOf(tree)).toEqual([
      'src/kernel/linux/libc.ts:1: kernel/linux may not import kernel/remote.ts of kernel (scripts/modules.json)',
      'src/kernel/remote.ts:1: kernel may not import kernel/linux/libc.ts of kernel/linux (scripts/modules.json)',
      'src/part/x.ts:2: part may not import kernel/remote.ts of kernel (scripts/modules.json)',
      'src/whole/x.ts:2: whole may not import kernel/linux/libc.ts of kernel/linux (scripts/modules.json)',
    ]);
  });

  test.each([
    ["import '../../test/x.ts';", "'../../test/x.ts' is no source file of src"],
    ["import '../b/home.js';", "'../b/home.js' is no source file of src"],
    ["import '../%62/home.ts';", "'../%62/home.ts' is no source file of src"],
    ["import '/src/b/home.ts';", "a may not import the package '' (scripts/modules.json)"],
    ["import 'file:///src/b/home.ts';", "a may not import the package 'file:' (scripts/modules.json)"],
    ["import '#b';", "a may not import the package '#b' (scripts/modules.json)"],
    ["await import('../b/' + 'home.ts');", 'import() takes one plain string, so that its module is known'],
    ['await import(name);', 'import() takes one plain string, so that its module is known'],
    [`await import(\`../\${'b'}/home.ts\`);`, 'import() takes one plain string, so that its module is known'],
    ["await import.defer('../b/home.ts');", 'a may not import b/home.ts of b (scripts/modules.json)'],
    ["require('../b/home.ts');", "'require' is not allowed: use import"],
    ["import b = require('../b/home.ts');", "'require' is not allowed: use import"],
    ["globalThis.require?.('pg');", "'require' is not allowed: use import"],
    ["requir\\u0065('pg');", "'require' is not allowed: use import"],
    ["process.getBuiltinModule('fs');", "'getBuiltinModule' is not allowed: use import"],
    ["const a = 'b", 'this literal has no end'],
  ])('refuses %s', (text, rule) => {
    writeTable({ a: {}, b: {} });
    write('src/b/home.ts', '');
    write('src/a/x.ts', `// one line before it\n${text}`);
    expect(problemsOf(tree)).toEqual([`src/a/x.ts:2: ${rule}`]);
  });

  test('takes no comment, string or meta property for an import', () => {
    writeTable({ a: {} });
    write(
      'src/a/x.ts',
      [
        "// import 'fs';",
        "/* require('pg') */",
        'const text = "import \'../b/x.ts\'";',
        "const url = new URL('../b/x.ts', import.meta.url);",
        "const pattern = /import 'pg'/;",
        `const template = \`\${text} import 'pg' \${{ a: \`import('pg')\` }.a} require('pg')\`;`,
        'const half = text.length / 2 / 3;',
      ].join('\n'),
    );
    expect(problemsOf(tree)).toEqual([]);
  });

  test('refuses permissions that no import uses', () => {
    writeAllowed({ base: {}, a: { modules: ['base', 'base/x.ts'], node: ['fs', 'net'], packages: ['pg', 'yaml'] } });
    write('src/a/deep/er/probe.ts', "import '../../../base/home.ts';\nimport 'node:fs';\nimport 'pg';");
    expect(problemsOf(tree)).toEqual([
      "scripts/modules.json:3: no import uses the permission of a for 'base/x.ts'",
      "scripts/modules.json:3: no import uses the permission of a for 'net'",
      "scripts/modules.json:3: no import uses the permission of a for 'yaml'",
    ]);
  });

  test('refuses a folder and a file of src without an entry, and an entry without files', () => {
    writeTable({ a: {}, gone: {}, 'a/gone': {}, 'gone.ts': {} });
    for (const file of ['a/x.ts', 'new/x.ts', 'new.ts', 'a.tsx']) write(`src/${file}`, '');
    expect(problemsOf(tree)).toEqual([
      'src/a.tsx:1: no entry of scripts/modules.json holds this file',
      'src/new.ts:1: no entry of scripts/modules.json holds this file',
      'src/new/x.ts:1: no entry of scripts/modules.json holds this file',
      'scripts/modules.json:3: gone holds no file of src',
      'scripts/modules.json:4: a/gone holds no file of src',
      'scripts/modules.json:5: gone.ts holds no file of src',
    ]);
  });

  test('refuses an import that runs upwards', () => {
    writeAllowed({ low: { modules: ['high'] }, high: {} });
    expect(problemsOf(tree)).toEqual(['scripts/modules.json:2: high does not stand above low']);
  });

  test('stands in ARCHITECTURE.md, entry by entry', () => {
    writeAllowed({ a: {}, b: {} });
    write(
      'ARCHITECTURE.md',
      '# It\n\n## Modules\n\n| module | what |\n|---|---|\n| `a`, `old` | `b` is not meant |\n\n## Then\n\n| `b` | no |\n',
    );
    expect(problemsOf(tree)).toEqual([
      'ARCHITECTURE.md:3: the table of modules lacks b',
      'ARCHITECTURE.md:7: old has no entry in scripts/modules.json',
    ]);
  });

  test('fails the check of the tree, with each problem on a line of its own', () => {
    writeTable({ a: {} });
    write('src/a/x.ts', "import 'fs';\nimport 'pg';");
    const run = () => spawnSync(process.execPath, [join(ROOT, 'scripts/layers.mjs'), tree], { encoding: 'utf8' });
    expect(run()).toMatchObject({
      status: 1,
      stderr: "src/a/x.ts:1: 'fs' is a builtin: write 'node:fs'\nsrc/a/x.ts:2: a may not import the package 'pg' (scripts/modules.json)\n",
    });
    write('src/a/x.ts', '');
    expect(run()).toMatchObject({ status: 0, stderr: '' });
  });
});

describe('what the module table says', () => {
  const having = (kind: keyof Entry, wanted: string) => Object.keys(REAL).filter((name) => REAL[name]?.[kind]?.includes(wanted));

  test('pure modules use no builtin, or node:crypto at most', () => {
    const builtinsOf = (name: string) => (REAL[name] ? (REAL[name].node ?? []) : ['has no entry']);
    const pure = [
      'model',
      'wire',
      'formats',
      'kernel/fake',
      'manifest',
      'control/policy',
      'review/ruleset',
      'review/config',
      'review/reporters',
    ];
    expect(pure.map(builtinsOf)).toEqual(pure.map(() => []));
    expect(['contract', 'plan'].map(builtinsOf)).toEqual([['crypto'], ['crypto']]);
  });

  test('the real kernel belongs to processes and to commands that run as root, the fake one to tests', () => {
    expect(having('modules', 'kernel/linux').sort()).toEqual(['commands', 'inspect', 'processes', 'proof']);
    expect(having('modules', 'kernel/fake')).toEqual([]);
  });

  test('composition roots are imported by commands, commands by the command line, and the command line by no module', () => {
    expect(having('modules', 'processes')).toEqual(['commands']);
    expect(having('modules', 'commands')).toEqual(['cli']);
    expect(having('modules', 'cli')).toEqual(['cli.ts']);
    expect(having('modules', 'cli.ts')).toEqual([]);
  });

  test('each database driver belongs to its own store', () => {
    expect(having('packages', 'pg')).toEqual(['store/postgres']);
    expect(having('packages', 'better-sqlite3')).toEqual(['store/sqlite']);
  });
});
