import { describe, expect, it, vi } from 'vitest';
import { Aborted, BACKSTOP_MS, Budget, OutOfSteps, runRules } from '../../src/review/budget.ts';
import { ReviewEngine } from '../../src/review/engine.ts';
import { readSubject } from '../../src/review/files.ts';
import { makeReport, type Report } from '../../src/review/report.ts';
import { type Format, REPORTERS } from '../../src/review/reporters/index.ts';
import { ALL_TYPES } from '../../src/review/rules.ts';
import { kindOf, type Subject, type SubjectKind } from '../../src/review/subject.ts';
import { hostileFiles } from '../support/hostile-files.ts';
import { STILL, subject } from '../support/review.ts';

/** Long enough for a machine that does much else; what is tested here would take minutes, or have no end. */
vi.setConfig({ testTimeout: 60_000 });

const TOOL = { version: '1.2.3' };
const FORMATS = Object.keys(REPORTERS) as Format[];
/** Quadratic for one rule, since every `return` is compared with every statement of the loop. */
const BATCH = `class A:\n  def f(self, ids):\n    for i in ids:\n${'      x = self.m.get(i)\n      if not x: return\n      self.n.append(x)\n'.repeat(300)}`;
const file = subject('batch.py', 'python', BATCH);

async function review(one: Subject, limits: { steps?: number; now?: () => number }) {
  const engine = new ReviewEngine({ limits: { now: STILL, ...limits } });
  try {
    return await engine.review(one);
  } finally {
    engine.close();
  }
}

/** Fewest steps, to a thousand, with which the file is reviewed at all; with some more, rules do not get to the end. */
const FEW_STEPS = 400_000;

describe('the budget of a subject', () => {
  it('ends at the step after its last, and only then', () => {
    const budget = new Budget({ steps: 10, now: STILL });
    for (let step = 0; step < 10; step++) budget.spend();
    expect(budget.left).toBe(0);
    expect(() => budget.spend()).toThrow(OutOfSteps);
  });

  it('leaves three quarters to the rules that follow one which would take everything', () => {
    const budget = new Budget({ steps: 1_000_000, now: STILL });
    const said: string[] = [];
    const endless = {
      id: 'endless',
      check: () => {
        for (;;) budget.spend();
      },
    };
    const modest = {
      id: 'modest',
      check: (report: (claim: string) => void) => {
        budget.spend(1000);
        report('found');
      },
    };
    const unfinished = runRules([endless, modest, endless], budget, {
      check: (rule, report: (claim: string) => void) => rule.check(report),
      report: ({ id }, claim) => said.push(`${id} ${claim}`),
    });
    expect(unfinished).toEqual(['endless', 'endless']);
    expect(said).toEqual(['modest found']);
    expect(budget.left).toBeGreaterThan(500_000);
  });

  it('looks at the clock for the backstop only, which no rule survives', () => {
    let now = 0;
    const budget = new Budget({ now: () => now });
    const slow = {
      id: 'slow',
      check: () => {
        now = BACKSTOP_MS + 1;
        budget.spend(100_000);
      },
    };
    const check = { check: (rule: typeof slow) => rule.check(), report: () => undefined };
    expect(() => runRules([slow], budget, check)).toThrow(Aborted);
  });
});

describe('a subject that needs more steps than the limit', () => {
  it('is found to have the same, whatever the clock says until the backstop', async () => {
    const one = await review(file, { steps: FEW_STEPS });
    let now = 0;
    const other = await review(file, { steps: FEW_STEPS, now: () => (now += 100) });
    expect(one.reviewed?.unfinished).toContain('early-return-in-batch');
    expect(other).toEqual(one);
  });

  it('is not reviewed when the steps do not suffice for parsing', async () => {
    const { reviewed, findings, notes } = await review(file, { steps: 1000 });
    expect({ reviewed, findings }).toEqual({ reviewed: null, findings: [] });
    expect(notes).toEqual([expect.objectContaining({ level: 'error', note: expect.stringContaining('more steps') })]);
  });

  it('is aborted, not reviewed with fewer findings, when the backstop fires', async () => {
    for (const one of [file, subject('x.nft', 'nft', hostileFiles(0.1).find(({ name }) => name === 'nft: assignments')?.text ?? '')]) {
      let looks = 0;
      const report = await review(one, { now: () => (looks++ === 0 ? 0 : BACKSTOP_MS + 1) });
      expect(report.reviewed, one.name).toBeNull();
      expect(report.findings).toEqual([]);
      expect(report.notes).toEqual([expect.objectContaining({ level: 'error', note: expect.stringMatching(/^not reviewed, aborted/) })]);
    }
  });

  it.each(FORMATS)('is said to be not finished by %s, and never clean of what its rules look for', async (format) => {
    const report: Report = makeReport(ALL_TYPES, [await review(file, { steps: FEW_STEPS })]);
    const [reviewed] = report.subjects;
    const text = REPORTERS[format](report, TOOL);
    for (const id of reviewed?.unfinished ?? []) expect(text, id).toContain(id);
    expect(text).toMatch(/not finished/i);
    if (format === 'sarif') expect(JSON.parse(text).runs[0].invocations[0].executionSuccessful).toBe(false);
    // `691` is the pillar of early-return-in-batch.
    if (format === 'by-type') expect(text.slice(text.indexOf('CWE-691'), text.indexOf('CWE-693'))).not.toContain('Clean');
  });
});

/** Lines whose patterns once took a time that grew with the square, or the cube, of their length: each is ended here by its time-out alone. */
describe('a hostile line is read in a time that grows with its length', () => {
  const long = (text: string, length = 150_000) => text.repeat(Math.ceil(length / text.length));
  it.each<[string, SubjectKind, string]>([
    ['of blanks in a suppression', 'python', `# pinhole-review: ignore ${long(' ')}!\n`],
    ['of blanks in an option', 'neutron', `[a]\nb${long(' ')}c\n`],
    ['of blanks in a setting', 'sysctl', `a = b${long(' ')}c\u2028\n`],
    ['of hashes before a line separator', 'shorewall-conntrack', `${long('#')}\u2028x\n`],
    ['of blanks in a value of UCI', 'openwrt', `config zone\n\toption name a${long(' ')}b\n`],
    ['of brackets that nothing closes', 'nft', `table inet t {\nchain c {\n${long('[a:')}\n}\n}\n`],
    ['of words in a list of helpers', 'neutron', `[a]\nallowed_conntrack_helpers = ${long('a')}\n`],
    ['of loops that nothing leaves', 'python', long('for\n')],
    ['of types before a body', 'typescript', `function f(): ${long('null | ', 100_000)}{ x } \n`],
    ['of an argument in a rule as text', 'python', `x = '-d ${long('a')}%s' % b\n`],
    ['of a name', 'python', `require${long('role')}é = 1\n`],
    ['of alternatives in a pattern', 'python', `import re\nm = re.match('${'(|)'.repeat(60)}x', y)\nm.group()\n`],
    ['of repeated groups in a pattern', 'python', `import re\nm = re.match('${'(.*)*'.repeat(40)}=$', y)\nm.group()\n`],
  ])('%s', async (_name, kind, text) => {
    const { notes } = await review(subject('x', kind, text), {});
    expect(notes.length).toBeLessThanOrEqual(2);
  });

  it('of line ends, before it is known what the file is', () => {
    expect(kindOf('x.conf', '\n'.repeat(65_536))).toBeNull();
    expect(readSubject({ path: '/dev/null', isNamed: true }, null)).toEqual({ unread: expect.anything() });
  });

  it('of sets that stand for more than a ruleset holds, in text and in JSON', async () => {
    const elements = Array.from({ length: 1900 }, (_, port) => port + 1);
    const rules = Array.from({ length: 3000 }, () => 'tcp dport @s accept\n').join('');
    const text = `table inet t {\nset s {\ntype inet_service\nelements = { ${elements.join(', ')} }\n}\nchain c {\ntype filter hook input priority 0;\n${rules}}\n}\n`;
    const place = { family: 'inet', table: 't' };
    const match = { match: { op: '==', left: { payload: { protocol: 'tcp', field: 'dport' } }, right: '@s' } };
    const json = JSON.stringify({
      nftables: [
        { chain: { ...place, name: 'c' } },
        { set: { ...place, name: 's', elem: elements } },
        ...Array.from({ length: 3000 }, () => ({ rule: { ...place, chain: 'c', expr: [match, { accept: null }] } })),
      ],
    });
    for (const one of [subject('x.nft', 'nft', text), subject('x.json', 'nft-json', json)]) {
      const { reviewed, notes } = await review(one, {});
      expect(reviewed, one.name).toBeNull();
      expect(notes[0]?.note).toContain('stand for more than 1,000,000 words');
    }
  });
});
