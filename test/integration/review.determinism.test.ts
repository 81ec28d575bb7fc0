import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Report } from '../../src/review/report.ts';
import { CLI } from '../support/cli-path.ts';
import { corpus } from '../support/corpus.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PYTHON = '/usr/lib/python3/dist-packages';
/** Real files, of packages that scripts/setup.sh installs: python3-neutron brings the first sixteen with it, `npm ci` the others. */
const LARGE: readonly string[] = [
  ...[
    'neutron/agent/linux/dhcp.py',
    'neutron/agent/linux/ip_lib.py',
    'neutron/agent/linux/openvswitch_firewall/firewall.py',
    'neutron/db/db_base_plugin_v2.py',
    'neutron/db/l3_db.py',
    'neutron/plugins/ml2/plugin.py',
    'neutron/plugins/ml2/drivers/openvswitch/agent/ovs_neutron_agent.py',
    'neutron/tests/unit/db/test_db_base_plugin_v2.py',
    'oslo_config/cfg.py',
    'oslo_messaging/_drivers/impl_rabbit.py',
    'oslo_policy/policy.py',
    'sqlalchemy/engine/cursor.py',
    'sqlalchemy/engine/default.py',
    'sqlalchemy/engine/result.py',
    'sqlalchemy/sql/type_api.py',
    'sqlalchemy/util/langhelpers.py',
  ].map((path) => join(PYTHON, path)),
  // JavaScript is TypeScript too.
  ...['web-tree-sitter/web-tree-sitter.js', 'sax/lib/sax.js', 'fastify/test/404s.test.js', '@types/node/crypto.d.ts'].map((path) =>
    join(ROOT, 'node_modules', path),
  ),
];
const MIN_LINES = 1500;
const BUSY_LOOPS = 8;
/** A run takes a few seconds alone. Patience decides nothing but when a run that hangs is ended. */
const PATIENCE_MS = 300_000;

/** One run of the command line, in the given way, over everything under a folder. */
async function reviewed(folder: string, by: readonly string[] = []): Promise<string> {
  const [program = '', ...args] = [...by, process.execPath, CLI, 'review', folder, '--json'];
  const run = await promisify(execFile)(program, args, { maxBuffer: 256 * 1024 * 1024, cwd: folder });
  return run.stdout;
}

describe('a review of the same files gives the same findings', () => {
  const folder = mkdtempSync(join(tmpdir(), 'pht-determinism-'));
  let idle: string;

  beforeAll(async () => {
    for (const { path, subject } of corpus()) {
      mkdirSync(dirname(join(folder, 'corpus', path)), { recursive: true });
      writeFileSync(join(folder, 'corpus', path), subject.text);
    }
    mkdirSync(join(folder, 'large'));
    for (const [index, path] of LARGE.entries()) {
      const extension = path.endsWith('.py') ? 'py' : 'ts';
      writeFileSync(join(folder, 'large', `${String(index).padStart(2, '0')}.${extension}`), readFileSync(path));
    }
    idle = await reviewed(folder);
  }, PATIENCE_MS);
  afterAll(() => rmSync(folder, { recursive: true }));

  it('goes over the corpus and twenty large files, all to the end', () => {
    const { subjects, findings, notes }: Report = JSON.parse(idle);
    const large = subjects.filter(({ name }) => name.includes('/large/'));
    expect(large).toHaveLength(20);
    expect(large.filter(({ lines }) => lines <= MIN_LINES)).toEqual([]);
    expect(subjects.length).toBeGreaterThan(20 + 60);
    expect(subjects.filter(({ unfinished }) => unfinished.length > 0)).toEqual([]);
    expect(notes.filter(({ level }) => level === 'error')).toEqual([]);
    expect(findings.length).toBeGreaterThan(60);
  });

  it(
    'beside eight busy loops',
    async () => {
      const loops: ChildProcess[] = [];
      try {
        for (let count = 0; count < BUSY_LOOPS; count++) {
          const bound = `const end = Date.now() + ${PATIENCE_MS}; while (Date.now() < end);`;
          loops.push(spawn(process.execPath, ['-e', bound], { stdio: 'ignore' }));
        }
        const busy = await reviewed(folder);
        expect(loops.filter(({ exitCode, signalCode }) => exitCode !== null || signalCode !== null)).toEqual([]);
        expect(busy === idle, 'the report is the same, byte by byte').toBe(true);
      } finally {
        for (const loop of loops) loop.kill('SIGKILL');
      }
    },
    PATIENCE_MS,
  );

  it(
    'with the least priority on one core',
    async () => {
      const slow = await reviewed(folder, ['nice', '-n', '19', 'taskset', '-c', '0']);
      expect(slow === idle, 'the report is the same, byte by byte').toBe(true);
    },
    PATIENCE_MS,
  );
});
