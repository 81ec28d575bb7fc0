import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { OWN_DEFECT, ReviewEngine } from '../../src/review/engine.ts';
import { SUBJECT_KINDS, type SubjectKind } from '../../src/review/subject.ts';
import { corpus } from '../support/corpus.ts';
import { hostileFiles } from '../support/hostile-files.ts';
import { subject } from '../support/review.ts';

const engine = new ReviewEngine();
const FILES = corpus();
/** In full they are the bench's. */
const SHARE = process.env['PINHOLE_SOAK'] ? 1 : 0.1;
const RUNS = process.env['PINHOLE_SOAK'] ? 20_000 : 300;

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

const defects = (notes: readonly { note: string }[]) => notes.map(({ note }) => note).filter((note) => note.startsWith(OWN_DEFECT));

describe('garbage', () => {
  afterAll(() => engine.close());

  it('of any kind is reviewed or refused, never a crash, and claims stay within it', async () => {
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
  });

  it('that is nothing at all gives no finding', async () => {
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
  });

  it.each<[string, SubjectKind, string]>([
    ['brackets', 'python', '('.repeat(200_000)],
    ['nested calls', 'python', `${'f('.repeat(20_000)}${')'.repeat(20_000)}`],
    ['nested blocks', 'typescript', `${'{'.repeat(5000)}${'}'.repeat(5000)}`],
    ['a chain of operators', 'typescript', `const a = 1${' + 1'.repeat(20_000)};`],
    ['braces', 'nft', 'table t {'.repeat(20_000)],
    ['sets', 'nft', `table inet t {\nchain c {\ntcp dport { ${'1,'.repeat(100_000)} } accept\n}\n}\n`],
    [
      'chains that call each other',
      'nft',
      `table inet t {\n${Array.from({ length: 60 }, (_, i) => `chain c${i} {\n${i === 0 ? 'type filter hook forward priority 0;\n' : ''}${Array.from({ length: 60 }, (__, j) => `jump c${j}`).join('\n')}\n}`).join('\n')}\n}\n`,
    ],
    ['JSON', 'nft-json', `${'['.repeat(100_000)}`],
    ['XML', 'firewalld', '<a>'.repeat(50_000)],
    ['YAML', 'pinhole', `a: ${'['.repeat(2000)}`],
    [
      'an alias bomb',
      'pinhole',
      `a: &a [1,1]\n${Array.from({ length: 30 }, (_, i) => `${String.fromCharCode(98 + i)}x: &x${i} [*${i === 0 ? 'a' : `x${i - 1}`}, *${i === 0 ? 'a' : `x${i - 1}`}]`).join('\n')}\n`,
    ],
  ])('of %s ends', async (_name, kind, text) => {
    const { findings, notes } = await engine.review(subject('x', kind, text));
    expect(findings).toEqual([]);
    expect(defects(notes)).toEqual([]);
  });

  it.each(hostileFiles(SHARE).map((file) => [file.name, file] as const))('that keeps a reviewer busy ends: %s', async (_name, file) => {
    const { reviewed, findings, notes } = await engine.review(file);
    expect(reviewed !== null || notes.length === 1).toBe(true);
    expect(defects(notes)).toEqual([]);
    expect(findings.length).toBeLessThanOrEqual(1000);
    expect(notes.length).toBeLessThanOrEqual(110);
  });
});
