import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { Log } from 'sarif';
import { describe, expect, it } from 'vitest';
import { InvalidInput } from '../../src/model/errors.ts';
import { applyBaseline, type BaselineEntry, readBaseline, writeBaseline } from '../../src/review/baseline.ts';
import { PILLAR_IDS, parseType } from '../../src/review/cwe.ts';
import type { Finding } from '../../src/review/finding.ts';
import { failing, makeReport } from '../../src/review/report.ts';
import { REPORTERS } from '../../src/review/reporters/index.ts';
import { ALL_RULES, ALL_TYPES } from '../../src/review/rules.ts';
import { reportOf, reviewedCorpus, subject } from '../support/review.ts';

const TOOL = { version: '1.2.3' };
const BATCH = subject(
  'agent.py',
  'python',
  `class Agent:
    def handle(self, context, ports):
        for port in ports:
            device = self.devices.find(port.id)
            if device is None:
                return
            device.plug(port)
`,
);
const marked = (comment: string) =>
  subject('a.py', 'python', BATCH.text.replace('                return', `                ${comment}\n                return`));

describe('the model', () => {
  it('has rules of at least fifteen kinds for rulesets and twenty for source, over all ten pillars', () => {
    const of = (family: string) => ALL_RULES.filter((one) => one.family === family);
    expect(of('ruleset').length + of('configuration').length).toBeGreaterThanOrEqual(15);
    expect(of('ruleset').length).toBeGreaterThanOrEqual(15);
    expect(of('source').length).toBeGreaterThanOrEqual(20);
    const reached = new Set(of('source').map(({ rule }) => parseType(String(rule.cwe)) && rule.cwe));
    expect(reached.size).toBeGreaterThan(15);
    expect(new Set(ALL_RULES.map(({ rule }) => rule.id)).size).toBe(ALL_RULES.length);
  });

  it('gives every finding a line of the subject, evidence, a solution and a type below its pillar', async () => {
    for (const { file, report } of await reviewedCorpus()) {
      const { subject: one } = file;
      const { findings } = report;
      const lines = one.text.split('\n').length;
      for (const finding of findings) {
        expect(finding.evidence.length, `${one.name} ${finding.rule}`).toBeGreaterThan(0);
        for (const { line } of finding.evidence) expect(line ?? 1).toBeLessThanOrEqual(lines);
        expect(finding.line).toBeLessThanOrEqual(finding.endLine);
        expect(finding.endLine).toBeLessThanOrEqual(lines);
        expect(finding.solution.text).not.toBe('');
        expect(PILLAR_IDS).toContain(finding.pillar);
        expect(finding.claim).not.toMatch(/ensure that|\n|\.$/i);
      }
    }
  });

  it('covers all ten pillars with rules over source', async () => {
    const report = await reportOf([BATCH]);
    const text = REPORTERS['by-type'](report);
    expect(text).not.toContain('Not checked');
  });

  it('writes diffs that apply to the lines that they name', async () => {
    for (const { file, report } of await reviewedCorpus()) {
      const { subject: one } = file;
      const lines = one.text.split('\n');
      for (const { solution, rule } of report.findings) {
        if (solution.diff === null) continue;
        const [, from = '0', count = '1'] = /^@@ -(\d+)(?:,(\d+))? /.exec(solution.diff) ?? [];
        const removed = solution.diff
          .split('\n')
          .slice(1)
          .filter((line) => line.startsWith('-'));
        expect(removed.length, `${one.name} ${rule}`).toBe(Number(count));
        expect(
          removed.map((line) => line.slice(1)),
          `${one.name} ${rule}`,
        ).toEqual(lines.slice(Number(from) - 1, Number(from) - 1 + removed.length));
      }
    }
  });
});

describe('types', () => {
  it('chooses findings by pillar and by weakness', async () => {
    expect((await reportOf([BATCH], [691])).findings.map(({ rule }) => rule)).toEqual(['early-return-in-batch']);
    expect((await reportOf([BATCH], [705])).findings.map(({ rule }) => rule)).toEqual(['early-return-in-batch']);
    expect((await reportOf([BATCH], [682])).findings).toEqual([]);
  });

  it('reads ids in all common notations', () => {
    expect(['CWE-703', 'cwe-703', '703', ' 703 '].map(parseType)).toEqual([703, 703, 703, 703]);
    expect(['CWE-1', 'x', '', '99999'].map(parseType)).toEqual([null, null, null, null]);
  });
});

describe('reporters', () => {
  it('by-type lists the types in order, and what was checked for a clean one', async () => {
    const text = REPORTERS['by-type'](await reportOf([BATCH]));
    expect([...text.matchAll(/^ ?\d+\. {2}CWE-(\d+)/gm)].map(([, id]) => Number(id))).toEqual([...PILLAR_IDS]);
    expect(text).toMatch(/CWE-691 \(Insufficient Control Flow Management\):\n\n {5}\* Line 6 \(Agent.handle\)/);
    expect(text).toMatch(/CWE-682 \(Incorrect Calculation\):\n\n {5}\* Clean\. Checked: /);
    expect(
      Math.max(
        ...text
          .split('\n')
          .filter((line) => !/^\s+[-+@]/.test(line))
          .map((line) => line.length),
      ),
    ).toBeLessThanOrEqual(80);
  });

  it('list numbers line, defect and solution', async () => {
    const text = REPORTERS.list(await reportOf([BATCH]));
    expect(text).toMatch(/^ 1\. Line 6: a batch abandoned at/m);
    expect(text).toMatch(/\* Defect: `return` inside the loop over `ports`/);
    expect(text).toMatch(/\* Solution: Continue with the next item/);
    expect(text).toContain('+                continue');
  });

  it('json follows its published schema', async () => {
    const schema = JSON.parse(readFileSync(fileURLToPath(new URL('../../docs/review/report.schema.json', import.meta.url)), 'utf8'));
    const validate = new Ajv2020({ strict: true, allowUnionTypes: true }).compile(schema);
    const parts = (await reviewedCorpus()).map(({ report: part }) => part);
    const report = JSON.parse(REPORTERS.json(makeReport(ALL_TYPES, parts)));
    expect(validate(report), JSON.stringify(validate.errors)).toBe(true);
    expect(report.findings.length).toBeGreaterThan(60);
    const [{ name, family, lines }] = report.subjects;
    const open = {
      subjects: [{ name, family, lines, unfinished: ['shell-string'] }],
      notes: [{ subject: name, line: null, note: 'x', level: 'error' }],
    };
    expect(validate({ ...report, ...open })).toBe(true);
    expect(validate({ ...report, findings: [{ ...report.findings[0], evidence: [] }] })).toBe(false);
  });

  it('html is one page without requests, and shows hostile names as text', async () => {
    const hostile = subject('<script>alert(1)</script>.py', 'python', BATCH.text.replaceAll('ports', 'ports_of_x'));
    const text = REPORTERS.html(await reportOf([hostile]));
    expect(text).not.toMatch(/<script|src=|@import|url\(/);
    expect(text).toContain('&#60;script&#62;');
    expect([...text.matchAll(/href="([^"]+)"/g)].every(([, href]) => href?.startsWith('https://cwe.mitre.org/'))).toBe(true);
  });

  it('markdown carries code as code, and nothing else as markup', async () => {
    const text = REPORTERS.markdown(await reportOf([subject('a_b*c.py', 'python', BATCH.text)]));
    expect(text).toContain('## [CWE-691](https://cwe.mitre.org/data/definitions/691.html)');
    expect(text).toContain('`a_b*c.py`');
    expect(text).toContain('```diff');
  });

  it('terminal reports carry no control characters of what was read', async () => {
    const text = REPORTERS.list(await reportOf([subject('a\u001b[31m.py', 'python', BATCH.text), BATCH]));
    expect(text).not.toContain('\u001b');
  });

  it('sarif names rules, weaknesses, flows, fixes and suppressions', async () => {
    const suppressed = subject(
      'b.py',
      'python',
      BATCH.text.replace('return', 'return  # pinhole-review: ignore early-return-in-batch -- the rest is pulled'),
    );
    const log = JSON.parse(REPORTERS.sarif(await reportOf([BATCH, suppressed]), TOOL)) as Log;
    const [run] = log.runs;
    const [result, second] = run?.results ?? [];
    expect(run?.tool.driver.rules?.map(({ id }) => id)).toEqual(['early-return-in-batch']);
    expect(run?.taxonomies?.[0]?.taxa?.map(({ id }) => id)).toEqual(['CWE-691', 'CWE-705']);
    expect(result?.locations?.[0]?.physicalLocation?.region?.startLine).toBe(6);
    expect(result?.codeFlows?.[0]?.threadFlows[0]?.locations.map(({ location }) => location?.physicalLocation?.region?.startLine)).toEqual([
      3, 5, 6, 7,
    ]);
    expect(result?.fixes?.[0]?.artifactChanges[0]?.replacements[0]?.insertedContent?.text).toBe('                continue\n');
    expect(second?.suppressions?.[0]?.justification).toBe('the rest is pulled');
  });
});

describe('suppressions', () => {
  it('suppress a finding, with their reason', async () => {
    const report = await reportOf([marked('# pinhole-review: ignore early-return-in-batch -- one port at a time is sent')]);
    expect(report.findings).toEqual([]);
    expect(report.suppressed.map(({ suppressed }) => suppressed)).toEqual(['one port at a time is sent']);
  });

  it('have no effect without a reason, and a note says so', async () => {
    const report = await reportOf([marked('# pinhole-review: ignore early-return-in-batch')]);
    expect(report.findings).toHaveLength(1);
    expect(report.notes[0]?.note).toContain('without a reason');
  });

  it('that suppress nothing are named', async () => {
    const report = await reportOf([marked('# pinhole-review: ignore shell-string -- no reason at all')]);
    expect(report.notes[0]?.note).toContain('no finding of shell-string here');
  });
});

describe('baselines', () => {
  it('accept known findings, and no new ones', async () => {
    const before = await reportOf([BATCH]);
    const entries = readBaseline(writeBaseline(before.findings, [], 'known since May'), 'baseline.json');
    const moved = subject('agent.py', 'python', `import os\n\n\n${BATCH.text}\n\ndef run(name):\n    os.system('ls ' + name)\n`);
    const after = applyBaseline((await reportOf([moved])).findings, entries);
    expect(after.filter(({ suppressed }) => suppressed === null).map(({ rule }) => rule)).toEqual(['shell-string']);
    expect(after.find(({ rule }) => rule === 'early-return-in-batch')?.suppressed).toBe('known since May');
  });

  it('keep the reasons of findings that still exist when they are written again, and drop the others', async () => {
    const entries = (findings: readonly Finding[], known: readonly BaselineEntry[], reason: string) =>
      readBaseline(writeBaseline(findings, known, reason), 'baseline.json');
    const gone = subject('gone.py', 'python', "import os\n\ndef run(name):\n    os.system('ls ' + name)\n");
    const come = subject('new.py', 'python', "import os\n\ndef stop(name):\n    os.system('rm ' + name)\n");
    const known = entries((await reportOf([BATCH, gone])).findings, [], 'known since May');
    expect(known.map(({ subject }) => subject)).toEqual(expect.arrayContaining(['agent.py', 'gone.py']));
    const findings = applyBaseline((await reportOf([BATCH, come])).findings, known);
    expect(entries(findings, known, 'new').map(({ subject, reason }) => `${subject}: ${reason}`)).toEqual(
      findings.map(({ subject }) => (subject === 'agent.py' ? 'agent.py: known since May' : 'new.py: new')),
    );
  });

  it('leave out findings that a comment accepts', async () => {
    const report = await reportOf([marked('# pinhole-review: ignore early-return-in-batch -- one item at most')]);
    expect(report.suppressed).not.toEqual([]);
    expect(readBaseline(writeBaseline(report.suppressed, [], 'new'), 'baseline.json')).toEqual([]);
  });

  it.each([
    ['{', 'not JSON'],
    ['{"version":2,"findings":[]}', 'version'],
    ['{"version":1,"findings":[{"fingerprint":"abc"}]}', 'findings[0]'],
    ['{"version":1,"findings":[{"fingerprint":"abc","rule":"r","subject":"s","claim":"c","reason":""}]}', 'reason'],
  ])('%s is refused with what is wrong', (text, problem) => {
    expect(() => readBaseline(text, 'baseline.json')).toThrow(problem);
    expect(() => readBaseline('[', 'baseline.json')).toThrow(InvalidInput);
  });
});

describe('--fail-on', () => {
  it('counts findings of the same or a higher severity', async () => {
    const report = await reportOf([BATCH]);
    expect(failing(report, 'high')).toHaveLength(1);
    expect(failing(report, 'critical')).toHaveLength(0);
  });
});

describe('configuration with permissions', () => {
  const text = '[DEFAULT]\ntransport_url = rabbit://neutron:hidden@127.0.0.1:5672/\n';

  it('that lets every user read a password is found, and the report does not contain the password', async () => {
    const report = await reportOf([subject('neutron.conf', 'neutron', text, 0o644)]);
    expect(report.findings.map(({ rule }) => rule)).toEqual(['readable-secrets']);
    expect(JSON.stringify(report)).not.toContain('hidden');
  });

  it('that lets only a group read it is clean', async () => {
    expect((await reportOf([subject('neutron.conf', 'neutron', text, 0o640)])).findings).toEqual([]);
  });
});
