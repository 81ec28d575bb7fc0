import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { showPaths, toJson } from '../../src/commands/probe/report.ts';
import { PinholeError } from '../../src/model/errors.ts';
import type { PathReport, TrialReport } from '../../src/probe/client.ts';
import { changes } from '../../src/probe/differences.ts';
import { TRIALS, type Trial } from '../../src/probe/trials.ts';
import { type Hole, judge, type Observed, type Passage } from '../../src/probe/verdict.ts';
import { runs } from '../support/runs.ts';

const line = fc.string({ minLength: 1, maxLength: 20, unit: fc.constantFrom(...'abc 1') });
const lines = fc.array(line, { maxLength: 12 });
const textOf = (all: readonly string[]) => all.map((one) => `${one}\r\n`).join('');

describe('the lines that were rewritten', () => {
  it('are none where the text arrived as it was sent, whole or up to some point', () => {
    fc.assert(
      fc.property(lines, fc.nat(), (all, cut) => {
        const text = textOf(all);
        expect(changes(text, text.slice(0, cut % (text.length + 1)))).toEqual([]);
      }),
      runs(),
    );
  });

  it('are those, in order, that another text replaced', () => {
    fc.assert(
      fc.property(lines, line, line, lines, (before, sent, arrived, after) => {
        fc.pre(
          sent !== arrived && !before.includes(sent) && !after.includes(sent) && !before.includes(arrived) && !after.includes(arrived),
        );
        expect(changes(textOf([...before, sent, ...after]), textOf([...before, arrived, ...after]))).toEqual([{ sent, arrived }]);
      }),
      runs(),
    );
  });

  it('include one that was added or taken out', () => {
    expect(changes('a\r\nb\r\nc\r\n', 'a\r\nnew\r\nb\r\nc\r\n')).toEqual([{ sent: '', arrived: 'new' }]);
    expect(changes('a\r\nb\r\nc\r\n', 'a\r\nc\r\n')).toEqual([{ sent: 'b', arrived: '' }]);
  });

  it('leave out what has not arrived yet, also behind a line that was rewritten', () => {
    expect(changes('PORT 1\r\nQUIT\r\n', 'PORT 2\r\nQU')).toEqual([{ sent: 'PORT 1', arrived: 'PORT 2' }]);
    expect(changes('PORT 1\r\nQUIT\r\n', 'PORT 2\r\n')).toEqual([{ sent: 'PORT 1', arrived: 'PORT 2' }]);
  });

  it('are one where a text is too long to compare line by line', () => {
    const long = 'x\n'.repeat(5000);
    expect(changes(long, `y\n${long}`)).toHaveLength(1);
  });
});

function trialOf(mode: Trial['mode']): Trial {
  const found = TRIALS.find((one) => one.mode === mode);
  if (!found) throw new Error(`no trial of ${mode}`);
  return found;
}

function hole(announced: Passage, quiet: Passage, direction: Hole['direction'] = 'to-client'): Hole {
  return { direction, target: { address: '192.0.2.1', port: 50_000 }, announced, quiet };
}

const NOTHING: Observed = {
  broken: null,
  clientTranslated: false,
  reflectorTranslated: false,
  rewritten: { toReflector: [], toClient: [] },
  holes: [],
};
const REWRITTEN = { toReflector: [{ sent: 'PORT 1', arrived: 'PORT 2' }], toClient: [] };

describe('the verdict', () => {
  const cases: [what: string, mode: Trial['mode'], observed: Partial<Observed>, alg: string, data: string][] = [
    ['a rewritten text and an open port', 'PORT', { rewritten: REWRITTEN, holes: [hole('passed', 'silent')] }, 'present', 'passed'],
    ['a rewritten text and a closed port', 'PORT', { rewritten: REWRITTEN, holes: [hole('silent', 'silent')] }, 'present', 'blocked'],
    ['only the announced port is open', 'EPSV', { holes: [hole('passed', 'silent')] }, 'present', 'passed'],
    ['only the announced port is closed', 'EPSV', { holes: [hole('refused', 'passed')] }, 'present', 'blocked'],
    ['all ports are open, without NAT', 'PORT', { holes: [hole('passed', 'passed')] }, 'unknown', 'passed'],
    ['all ports are closed, without NAT', 'PORT', { holes: [hole('silent', 'silent')] }, 'none', 'blocked'],
    ['NAT, and the old address in the text', 'PORT', { clientTranslated: true, holes: [hole('silent', 'silent')] }, 'none', 'blocked'],
    ['NAT that the text does not show', 'EPSV', { clientTranslated: true, holes: [hole('passed', 'passed')] }, 'unknown', 'passed'],
    ['NAT at the reflector', 'PASV', { reflectorTranslated: true, holes: [hole('silent', 'silent')] }, 'none', 'blocked'],
    ['one of two directions', 'INVITE', { holes: [hole('passed', 'silent'), hole('silent', 'silent')] }, 'present', 'partly'],
    ['no control connection', 'PORT', { broken: 'no connection' }, 'unknown', 'untested'],
    ['no answer to a rewritten text', 'INVITE', { broken: 'no answer', rewritten: REWRITTEN }, 'present', 'untested'],
    ['an attempt that was not made', 'PORT', { holes: [hole('untried', 'untried')] }, 'unknown', 'untested'],
    ['a comparison that was not made', 'EPSV', { holes: [hole('passed', 'untried')] }, 'unknown', 'passed'],
  ];
  it.each(cases)('%s (%s)', (_what, mode, observed, alg, data) => {
    const verdict = judge(trialOf(mode), { ...NOTHING, ...observed });
    expect({ alg: verdict.alg, data: verdict.data }).toEqual({ alg, data });
    expect(verdict.why.length).toBeGreaterThan(0);
  });

  it('never claims an ALG where nothing was rewritten and both ports were treated alike', () => {
    const passage = fc.constantFrom<Passage>('passed', 'refused', 'silent', 'untried');
    fc.assert(
      fc.property(fc.constantFrom(...TRIALS), fc.array(passage, { maxLength: 2 }), fc.boolean(), (trial, passages, clientTranslated) => {
        const holes = passages.map((one) => hole(one, one));
        expect(judge(trial, { ...NOTHING, clientTranslated, holes }).alg).not.toBe('present');
      }),
      runs(),
    );
  });
});

describe('the report', () => {
  function trialReport(mode: Trial['mode'], observed: Partial<Observed>): TrialReport {
    const trial = trialOf(mode);
    const all = { ...NOTHING, ...observed };
    const asked = { address: '2001:db8:ffff:ffff:ffff:ffff:ffff:1', port: 50_000 };
    const { rewritten, holes } = all;
    const ends = { client: { own: asked, seen: asked }, reflector: { asked, own: asked }, announced: asked };
    return { ...judge(trial, all), trial, family: 'ipv6', port: 50_000, ...ends, rewritten, holes };
  }
  const path = (...trials: TrialReport[]): PathReport => ({
    family: 'ipv6',
    reflector: '2001:db8:ffff:ffff:ffff:ffff:ffff:2',
    own: '2001:db8:ffff:ffff:ffff:ffff:ffff:1',
    seen: '2001:db8:ffff:ffff:ffff:ffff:ffff:3',
    trials,
  });
  const passed = trialReport('EPSV', { holes: [hole('passed', 'passed')] });
  const hostile = trialReport('PORT', {
    rewritten: { toReflector: [{ sent: 'PORT', arrived: `\u001b[2J${'x'.repeat(500)}` }], toClient: [] },
    holes: [hole('silent', 'silent')],
  });
  const missing = [
    { address: '192.0.2.1', error: new PinholeError('unreachable', `No reflector at 192.0.2.1:9799: ${'why '.repeat(40)}`) },
  ];

  it('shows problems first, in 80 columns, and no control character of a stranger', () => {
    const text = showPaths([path(passed, hostile)], missing);
    expect(text.indexOf('ftp PORT')).toBeLessThan(text.indexOf('ftp EPSV'));
    expect(text).not.toContain('\u001b');
    expect(text).toContain('\\x1b[2J');
    expect(text.split('\n').filter((one) => one.length > 80)).toEqual([]);
  });

  it('says who reads along, or that no ALG was noticed', () => {
    expect(showPaths([path(hostile)], [])).toContain('An ALG is in the path: ftp on tcp/50000.');
    expect(showPaths([path(passed)], [])).toContain('No ALG was noticed in the path.');
    expect(showPaths([path(passed)], [])).toContain('Where ALG is unknown');
  });

  it('has the same facts for programs', () => {
    expect(toJson([path(hostile)], missing)).toMatchObject({
      paths: [
        {
          own_address: path().own,
          seen_address: path().seen,
          trials: [{ helper: 'ftp', mode: 'PORT', protocol: 'tcp', data: 'blocked', alg: 'present' }],
        },
      ],
      unreachable: [{ address: '192.0.2.1' }],
    });
  });
});
