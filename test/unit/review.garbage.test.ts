import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { OWN_DEFECT, ReviewEngine } from '../../src/review/engine.ts';
import { SUBJECT_KINDS, type SubjectKind } from '../../src/review/subject.ts';
import { corpus } from '../support/corpus.ts';
import { hostileFiles } from '../support/hostile-files.ts';
import { STILL, subject } from '../support/review.ts';

const engine = new ReviewEngine({ limits: { now: STILL } });
const FILES = corpus();
/** In full they are the bench's. */
const SOAK = process.env['PINHOLE_SOAK'] !== undefined;
const SHARE = SOAK ? 1 : 0.02;
const MANY = SOAK ? 200_000 : 20_000;
const RUNS = SOAK ? 20_000 : 300;
/** Long enough for a machine that does much else: it ends a test that hangs, and decides nothing. */
const PATIENCE_MS = SOAK ? 3_600_000 : 120_000;

/** A file of the corpus with pieces taken out, doubled, swapped and put in. */
const mutated = fc
  .tuple(
    fc.nat(FILES.length - 1),
    fc.array(fc.tuple(fc.nat(2000), fc.nat(40), fc.string({ unit: 'binary', maxLength: 12 })), { minLength: 1, maxLength: 6 }),
  )
  .map(([index, edits]) => {
    const { subject: one } = FILES[index] as (typeof FILES)[number];
    const text = edits.reduce(
      (before, [at, length, put]) =>
        `${before.slice(0, at % (before.length + 1))}${put}${before.slice((at % (before.length + 1)) + length)}`,
      one.text,
    );
    return { ...one, text };
  });

/** What every object of JavaScript has: a table that is asked for one of these answers, unless it is asked rightly. */
const EVERYBODYS = ['constructor', 'toString', 'valueOf', 'hasOwnProperty', '__proto__'];

/** A file of the corpus in which one of its words is another everywhere. */
const renamed = fc.tuple(fc.nat(FILES.length - 1), fc.nat(), fc.constantFrom(...EVERYBODYS)).map(([index, nth, by]) => {
  const { subject: one } = FILES[index] as (typeof FILES)[number];
  const words = [...new Set(one.text.match(/\b[A-Za-z_]\w*\b/g))];
  const word = words[nth % words.length] as string;
  return { ...one, text: one.text.replace(new RegExp(`\\b${word}\\b`, 'g'), by) };
});

const defects = (notes: readonly { note: string }[]) => notes.map(({ note }) => note).filter((note) => note.startsWith(OWN_DEFECT));

describe('garbage', () => {
  afterAll(() => engine.close());

  it(
    'of any kind is reviewed or refused, never a crash, and claims stay within it',
    async () => {
      await fc.assert(
        fc.asyncProperty(mutated, async (one) => {
          const { reviewed, findings, notes } = await engine.review(one);
          const lines = one.text.split('\n').length;
          expect(reviewed !== null || notes.length > 0).toBe(true);
          expect(defects(notes)).toEqual([]);
          for (const { line, endLine, evidence } of findings) {
            expect(line).toBeGreaterThan(0);
            expect(endLine).toBeLessThanOrEqual(lines);
            for (const fact of evidence) expect(fact.line ?? 1).toBeLessThanOrEqual(lines);
          }
        }),
        { numRuns: RUNS },
      );
    },
    PATIENCE_MS,
  );

  it(
    'that is nothing at all gives no finding',
    async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom<SubjectKind>(...SUBJECT_KINDS),
          fc.string({ unit: 'binary', maxLength: 400 }),
          async (kind, text) => {
            const { findings, notes } = await engine.review(subject('x', kind, text));
            expect(findings).toEqual([]);
            expect(defects(notes)).toEqual([]);
          },
        ),
        { numRuns: RUNS },
      );
    },
    PATIENCE_MS,
  );

  it(
    'of words that every object has is read as any other word',
    async () => {
      await fc.assert(
        fc.asyncProperty(renamed, async (one) => {
          const { findings, notes } = await engine.review(one);
          expect(defects(notes)).toEqual([]);
          // Beside what a claim quotes.
          const own = findings.map(({ claim }) => claim.replace(/`[^`]*`/g, ''));
          expect(own.filter((claim) => /native code|\bundefined\b|\bNaN\b/.test(claim))).toEqual([]);
        }),
        { numRuns: RUNS },
      );
    },
    PATIENCE_MS,
  );

  it.each<[string, SubjectKind, string]>([
    ['service', 'firewalld', '<zone><service name="constructor"/></zone>'],
    ['family', 'openwrt', "config rule\n\toption set_helper 'ftp'\n\toption family 'constructor'\n"],
    ['directive', 'shorewall-conntrack', '?__proto__ x\nCT:helper:ftp:P - - tcp 21\n'],
    ['length', 'python', 'def f(router_id):\n    chain_name = router_id[:constructor]\n    return chain_name\n'],
    ['verdict', 'nft', 'table inet t {\nchain c {\ntype filter hook forward priority constructor;\naccept constructor\n}\n}\n'],
    ['chain', 'iptables', '*filter\n:constructor - [0:0]\n-A constructor -p tcp --dport toString -j ACCEPT\nCOMMIT\n'],
  ])('of such a word for a %s is no defect of ours', async (_name, kind, text) => {
    const { reviewed, findings, notes } = await engine.review(subject('x', kind, text));
    expect(defects(notes)).toEqual([]);
    expect(reviewed).not.toBeNull();
    expect(findings.filter(({ claim }) => claim.includes('undefined'))).toEqual([]);
  });

  it.each<[string, SubjectKind, string]>([
    ['brackets', 'python', '('.repeat(MANY)],
    ['nested calls', 'python', `${'f('.repeat(MANY / 10)}${')'.repeat(MANY / 10)}`],
    ['nested blocks', 'typescript', `${'{'.repeat(5000)}${'}'.repeat(5000)}`],
    ['a chain of operators', 'typescript', `const a = 1${' + 1'.repeat(MANY / 10)};`],
    ['braces', 'nft', 'table t {'.repeat(MANY / 10)],
    ['sets', 'nft', `table inet t {\nchain c {\ntcp dport { ${'1,'.repeat(MANY / 2)} } accept\n}\n}\n`],
    [
      'chains that call each other',
      'nft',
      `table inet t {\n${Array.from({ length: 60 }, (_, i) => `chain c${i} {\n${i === 0 ? 'type filter hook forward priority 0;\n' : ''}${Array.from({ length: 60 }, (__, j) => `jump c${j}`).join('\n')}\n}`).join('\n')}\n}\n`,
    ],
    ['JSON', 'nft-json', `${'['.repeat(MANY / 2)}`],
    ['XML', 'firewalld', '<a>'.repeat(MANY / 4)],
    ['YAML', 'pinhole', `a: ${'['.repeat(2000)}`],
    [
      'an alias bomb',
      'pinhole',
      `a: &a [1,1]\n${Array.from({ length: 30 }, (_, i) => `${String.fromCharCode(98 + i)}x: &x${i} [*${i === 0 ? 'a' : `x${i - 1}`}, *${i === 0 ? 'a' : `x${i - 1}`}]`).join('\n')}\n`,
    ],
  ])(
    'of %s ends',
    async (_name, kind, text) => {
      const { findings, notes } = await engine.review(subject('x', kind, text));
      expect(findings).toEqual([]);
      expect(defects(notes)).toEqual([]);
    },
    PATIENCE_MS,
  );

  it('with an attribute that the XML library fails on is not reviewed, with its line', async () => {
    const { reviewed, notes } = await engine.review(
      subject('x', 'firewalld', '<service>\n<port hasOwnProperty="udp" port="5060"/>\n</service>'),
    );
    expect(reviewed).toBeNull();
    expect(notes.map(({ note }) => note)).toEqual([expect.stringMatching(/^line 2: not XML/)]);
  });

  it.each(hostileFiles(SHARE).map((file) => [file.name, file] as const))(
    'that keeps a reviewer busy ends: %s',
    async (_name, file) => {
      const { reviewed, findings, notes } = await engine.review(file);
      expect(reviewed !== null || notes.length === 1).toBe(true);
      expect(defects(notes)).toEqual([]);
      expect(findings.length).toBeLessThanOrEqual(1000);
      expect(notes.length).toBeLessThanOrEqual(110);
    },
    PATIENCE_MS,
  );
});
