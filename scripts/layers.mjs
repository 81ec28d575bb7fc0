#!/usr/bin/env node
// Turns the module table (modules.json) into Biome's overrides in biome.json. --check fails where they differ.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const file = (name) => fileURLToPath(new URL(name, import.meta.url));
const { modules, thirdParty } = JSON.parse(readFileSync(file('modules.json'), 'utf8'));
const names = Object.keys(modules);
const roots = ['cli.ts', 'processes/*.ts'];

const override = (name) => {
  const allowed = modules[name];
  if (allowed === '*') return null;
  const banned = names.filter((other) => other !== name && !allowed.includes(other));
  const packages = Object.entries(thirdParty).filter(([, owners]) => !owners.includes(name));
  const uses = allowed.join(', ') || 'no other module';
  return {
    includes: [`src/${name}/**`],
    linter: {
      rules: {
        style: {
          noRestrictedImports: {
            level: 'error',
            options: {
              paths: Object.fromEntries(packages.map(([pkg, owners]) => [pkg, `${pkg} belongs to ${owners.join(', ')}.`])),
              patterns: [
                { group: banned.map((other) => `../**/${other}/**`), message: `${name} uses ${uses} (scripts/modules.json).` },
                { group: roots.map((root) => `../**/${root}`), message: 'Composition roots are imported by commands only.' },
              ],
            },
          },
        },
      },
    },
  };
};

const path = file('../biome.json');
const config = JSON.parse(readFileSync(path, 'utf8'));
const others = (config.overrides ?? []).filter(({ includes }) => !/^src\/[a-z]+\/\*\*$/.test(includes[0]));
const wanted = { ...config, overrides: [...others, ...names.map(override).filter(Boolean)] };
if (process.argv.includes('--check')) {
  if (JSON.stringify(config) !== JSON.stringify(wanted)) {
    process.stderr.write('biome.json does not follow scripts/modules.json: run node scripts/layers.mjs\n');
    process.exit(1);
  }
} else {
  writeFileSync(path, `${JSON.stringify(wanted, null, 2)}\n`);
}
