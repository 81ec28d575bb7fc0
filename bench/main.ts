import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { parseArgs } from 'node:util';
import { removeOrphans } from '../src/lab/scratch-network.ts';
import type { Result } from './measure.ts';
import { markdown, type Report } from './report.ts';

/** Parts are loaded when they run, so that none adds to the memory of another. */
const PARTS: Readonly<Record<string, () => Promise<Result[]>>> = {
  sync: async () => (await import('./sync.ts')).benchSync(),
  live: async () => (await import('./live.ts')).benchLive(),
  fleet: async () => (await import('./fleet.ts')).benchFleet(),
  creates: async () => (await import('./creates.ts')).benchCreates(),
  stores: async () => (await import('./stores.ts')).benchStores(),
  neutron: async () => (await import('./neutron.ts')).benchNeutron(),
  scale: async () => (await import('./scale.ts')).benchScale(),
  datapath: async () => (await import('./datapath.ts')).benchDatapath(),
  memory: async () => (await import('./memory.ts')).benchMemory(),
  review: async () => (await import('./review.ts')).benchReview(),
};

const { values } = parseArgs({ options: { only: { type: 'string' }, json: { type: 'boolean' }, save: { type: 'boolean' } } });
const names = values.only ? values.only.split(',') : Object.keys(PARTS);
const results: Result[] = [];
if (process.getuid?.() === 0) await removeOrphans('phb');
for (const name of names) {
  const part = PARTS[name];
  if (!part) throw new Error(`there is no part '${name}', only ${Object.keys(PARTS).join(', ')}`);
  process.stderr.write(`bench: ${name}\n`);
  const found = await part();
  results.push(...found);
  if (!values.json) for (const result of found) process.stdout.write(`${show(result)}\n`);
}
const report: Report = { kernel: release(), cpu: cpus()[0]?.model ?? 'unknown CPU', cores: cpus().length, node: process.version, results };
if (values.json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
if (!values.only || values.save) save(values.only ? merged(report) : report);
process.exitCode = results.some(({ ok }) => ok === false) ? 1 : 0;

function file(path: string): URL {
  return new URL(`../../${path}`, import.meta.url);
}

/** The saved results with those of this run, which replace older results of the same parts. */
function merged(report: Report): Report {
  const before = JSON.parse(readFileSync(file('bench/results/latest.json'), 'utf8')) as Report;
  const measured = new Map(report.results.map((result) => [result.what, result]));
  const kept = before.results.map((result) => measured.get(result.what) ?? result);
  const added = report.results.filter(({ what }) => !before.results.some((result) => result.what === what));
  return { ...report, results: [...kept, ...added] };
}

function save(report: Report): void {
  mkdirSync(file('bench/results/'), { recursive: true });
  writeFileSync(file('bench/results/latest.json'), `${JSON.stringify(report, null, 2)}\n`);
  writeFileSync(file('docs/performance.md'), markdown(report));
}

function show({ what, target, ok, figures }: Result): string {
  const mark = ok === null ? ' ' : ok ? '✔' : '✘';
  const lines = Object.entries(figures).map(([name, value]) => `      ${name.padEnd(52)} ${value}`);
  return `${mark} ${what}\n    target: ${target}\n${lines.join('\n')}`;
}
