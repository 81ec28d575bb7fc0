import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Report } from '../../src/review/report.ts';
import { reportOf, subject } from '../support/review.ts';

/** Debian's python3-neutron, which scripts/setup.sh installs: read here, never kept. */
const INSTALLED = '/usr/lib/python3/dist-packages/neutron/agent/l3/extensions';

describe("OpenStack Neutron's own L3-agent extensions", () => {
  const folder = mkdtempSync(join(tmpdir(), 'pht-neutron-'));
  let text: string;
  let report: Report;

  beforeAll(async () => {
    expect(existsSync(INSTALLED), 'python3-neutron is installed').toBe(true);
    cpSync(INSTALLED, folder, { recursive: true });
    text = readFileSync(join(folder, 'conntrack_helper.py'), 'utf8');
    report = await reportOf([subject('conntrack_helper.py', 'python', text)]);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  /** Line of the n-th place where a text stands. */
  function lineOf(part: string, nth = 1): number {
    const lines = text.split('\n').flatMap((line, index) => (line.includes(part) ? [index + 1] : []));
    const line = lines[nth - 1];
    if (line === undefined) throw new Error(`no place ${nth} of ${part}`);
    return line;
  }

  function found(rule: string, line: number) {
    const finding = report.findings.find((one) => one.rule === rule && one.line === line);
    expect(finding, `${rule} at line ${line}; found: ${report.findings.map((one) => `${one.line} ${one.rule}`).join(', ')}`).toBeDefined();
    return finding as NonNullable<typeof finding>;
  }

  it('the early return that drops the rest of a batch (seed 000 CWE-691)', () => {
    const finding = found('early-return-in-batch', lineOf('if not router_info:') + 1);
    expect(finding.symbol).toBe('ConntrackHelperAgentExtension._handle_notification');
    expect(finding.solution.diff).toContain('+                continue');
  });

  it("the comparison of all routers' helpers with one router's", () => {
    const finding = found('prune-across-owners', lineOf('in local_ct_helpers.difference'));
    expect(finding.evidence.map(({ line }) => line)).toEqual([
      lineOf('local_ct_helpers = set('),
      lineOf('resource_rpc.bulk_pull('),
      lineOf('in local_ct_helpers.difference'),
      lineOf('self._process_delete(remove_ct_helpers'),
    ]);
  });

  it('delete_router outside of the lock', () => {
    const finding = found('unlocked-sibling', lineOf('def delete_router'));
    expect(finding.solution.diff).toContain("+    @lockutils.synchronized('conntrack-helpers')");
  });

  it('the chain name of eleven characters (seed 000 CWE-682)', () => {
    const finding = found('identifier-cut', lineOf('return (CONNTRACK_HELPER_CHAIN_PREFIX + id)['));
    expect(finding.claim).toContain('11 characters');
    expect(finding.evidence.map(({ fact }) => fact).join('\n')).toContain('7 are left of the id');
  });

  it('the rules in memory that change before an apply that can fail (seed 000 CWE-703)', () => {
    const applies = report.findings.filter(({ rule }) => rule === 'state-before-apply');
    expect(applies.map(({ symbol }) => symbol?.split('.')[1]).sort()).toEqual([
      '_install_default_rules',
      '_process_create',
      '_process_delete',
      '_process_update',
    ]);
  });

  it('None among the helpers that are to be removed (seed 001 no. 3)', () => {
    const finding = found('none-dereference', lineOf('remove_ct_helpers = ['));
    expect(finding.evidence.at(-1)?.line).toBe(lineOf('chain_name = self._get_chain_name(conntrack_helper.id)', 2));
  });

  it('the list processed without a limit on its length (seed 001 no. 1)', () => {
    found('unbounded-received-list', lineOf('for conntrack_helper in conntrack_helpers:'));
  });

  it('the misspelt method (seed 001 no. 2)', () => {
    expect(found('misspelt-identifier', lineOf('def get_conntack_helper')).claim).toContain("'conntack' stands for 'conntrack'");
  });

  it('rule text from values that nothing checks (seed 000 CWE-435), and the event without a handler (seed 000 CWE-697)', () => {
    found('unvalidated-text', lineOf("'-p %(proto)s --dport %(dport)s -j CT '"));
    found('dispatch-without-default', lineOf('if event_type == events.CREATED:'));
  });

  it("not the 'unused variable', which is used two lines on (seed 001 no. 4)", () => {
    const lines = [lineOf('endpoints = ['), lineOf('topic = resources_rpc')];
    expect(report.findings.filter(({ line, endLine }) => lines.some((one) => one >= line && one <= endLine))).toEqual([]);
    expect(report.findings.map(({ rule }) => rule)).not.toContain('unused-binding');
  });

  it('nothing else in that file', () => {
    expect(report.findings).toHaveLength(13);
  });

  it('every other extension can be read', async () => {
    const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.name.endsWith('.py'));
    const all = await reportOf(
      files.map((entry) => subject(entry.name, 'python', readFileSync(join(entry.parentPath, entry.name), 'utf8'))),
    );
    expect(all.subjects).toHaveLength(files.length);
    expect(all.notes).toEqual([]);
  });
});
