import { afterAll, describe, expect, it } from 'vitest';
import { ALL_RULES } from '../../src/review/rules.ts';
import { type CorpusFile, corpus } from '../support/corpus.ts';
import { places, reviewOne } from '../support/review.ts';

const FILES = corpus();
const MIN_RECALL = 0.9;

interface Score {
  found: number;
  missed: number;
  false: number;
}

async function findingsOf({ subject, kernel }: CorpusFile): Promise<string[]> {
  const report = await reviewOne(subject, { kernel });
  if (!report.reviewed) throw new Error(`${subject.name} was not reviewed: ${report.notes[0]?.note}`);
  return places(report);
}

describe('the labelled corpus', () => {
  const scores = new Map<string, Score>(ALL_RULES.map(({ rule }) => [rule.id, { found: 0, missed: 0, false: 0 }]));

  it('has at least sixty files, half of them clean', () => {
    const clean = FILES.filter(({ expected }) => expected.length === 0);
    expect(FILES.length).toBeGreaterThanOrEqual(60);
    expect(clean.length * 2).toBeGreaterThanOrEqual(FILES.length);
  });

  it.each(FILES.map((file) => [file.path, file] as const))('%s: every finding is labelled', async (_path, file) => {
    const found = await findingsOf(file);
    const rest = [...file.expected];
    for (const one of found) {
      const at = rest.indexOf(one);
      const score = scores.get(one.split(' ')[1] as string) as Score;
      if (at < 0) score.false++;
      else {
        score.found++;
        rest.splice(at, 1);
      }
    }
    for (const one of rest) (scores.get(one.split(' ')[1] as string) as Score).missed++;
    expect(found.filter((one) => !file.expected.includes(one))).toEqual([]);
  });

  it('has a place to find and a clean look-alike for every rule', () => {
    for (const { rule } of ALL_RULES) {
      const own = FILES.filter((file) => file.rule === rule.id);
      expect(
        own.some(({ expected }) => expected.some((one) => one.endsWith(` ${rule.id}`))),
        `a place to find for ${rule.id}`,
      ).toBe(true);
      expect(
        own.some(({ expected }) => !expected.some((one) => one.endsWith(` ${rule.id}`))),
        `a look-alike for ${rule.id}`,
      ).toBe(true);
    }
  });

  it('is reviewed with precision 1 and recall of at least 0.9', () => {
    const total = [...scores.values()].reduce(
      (sum, one) => ({ found: sum.found + one.found, missed: sum.missed + one.missed, false: sum.false + one.false }),
      { found: 0, missed: 0, false: 0 },
    );
    expect(total.found / (total.found + total.false)).toBe(1);
    expect(total.found / (total.found + total.missed)).toBeGreaterThanOrEqual(MIN_RECALL);
    const poor = [...scores].filter(([, { found, missed }]) => found < MIN_RECALL * (found + missed)).map(([rule]) => rule);
    expect(poor, 'rules with less than that').toEqual([]);
  });

  afterAll(() => {
    const lines = [...scores].map(([rule, { found, missed, false: wrong }]) => {
      const share = (part: number, whole: number) => (whole === 0 ? '   -' : (part / whole).toFixed(2));
      return `${rule.padEnd(32)} precision ${share(found, found + wrong)}  recall ${share(found, found + missed)}  (${found} of ${found + missed}, ${wrong} false)`;
    });
    process.stdout.write(`\n${lines.join('\n')}\n`);
  });
});
