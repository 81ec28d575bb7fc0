import { readdirSync } from 'node:fs';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { cweUrl, PILLAR_IDS, PILLARS, pillarOf, WEAKNESSES } from '../../src/review/cwe.ts';
import { ALL_RULES, type ListedRule } from '../../src/review/rules.ts';
import { type CorpusFile, corpus } from '../support/corpus.ts';
import { reviewOne } from '../support/review.ts';

/**
 * The pages of the rules, generated from the descriptions of the rules and from their examples in the corpus. `vitest -u` writes
 * them; CI only compares.
 */
const FOLDER = '../../docs/review';
const FILES = corpus();
const FENCES: Readonly<Record<string, string>> = { '.py': 'python', '.ts': 'typescript', '.yaml': 'yaml', '.xml': 'xml', '.ini': 'ini' };
const FAMILIES = {
  ruleset: 'rulesets (and configuration that assigns helpers)',
  configuration: 'configuration',
  source: 'source code',
} as const;

function examples(rule: string, isBad: boolean): CorpusFile[] {
  return FILES.filter((file) => file.rule === rule && file.expected.some((one) => one.endsWith(` ${rule}`)) === isBad);
}

function code({ path, subject }: CorpusFile): string {
  return `\`\`\`${FENCES[extname(path)] ?? ''}\n${subject.text.trim()}\n\`\`\``;
}

async function said(rule: string, file: CorpusFile): Promise<string[]> {
  const { findings } = await reviewOne(file.subject, { kernel: file.kernel });
  return findings.filter((one) => one.rule === rule).map(({ line, claim }) => `- line ${line}: ${claim}.`);
}

async function page({ family, rule }: ListedRule): Promise<string> {
  const pillar = pillarOf(rule.cwe);
  const [bad, good] = [examples(rule.id, true)[0], examples(rule.id, false)[0]];
  const findings = bad ? await said(rule.id, bad) : [];
  const heading = findings.length === 1 ? 'Finding:' : 'Findings:';
  const example = bad ? ['## Example', '', code(bad), '', heading, '', ...findings, ''] : [];
  const clean = good ? ['## Clean', '', code(good), ''] : [];
  return [
    `# ${rule.id}`,
    '',
    `${(rule.title[0] ?? '').toUpperCase()}${rule.title.slice(1)}. In ${FAMILIES[family]}.`,
    '',
    `[CWE-${rule.cwe}](${cweUrl(rule.cwe)}) ${WEAKNESSES[rule.cwe].name}, under [CWE-${pillar}](${cweUrl(pillar)}) ${PILLARS[pillar]} · ${rule.severity}`,
    '',
    rule.why,
    '',
    ...example,
    '## Remedy',
    '',
    rule.remedy,
    '',
    ...clean,
    `If the code is intended: \`pinhole-review: ignore ${rule.id} -- why\` in a comment on the line or above it.`,
    '',
  ].join('\n');
}

function index(): string {
  const sections = PILLAR_IDS.flatMap((pillar) => {
    const rules = ALL_RULES.filter(({ rule }) => pillarOf(rule.cwe) === pillar);
    const rows = rules.map(
      ({ family, rule }) => `| [${rule.id}](${rule.id}.md) | ${rule.title} | CWE-${rule.cwe} | ${rule.severity} | ${family} |`,
    );
    return [`## CWE-${pillar}: ${PILLARS[pillar]}`, '', '| rule | finds | type | severity | in |', '|---|---|---|---|---|', ...rows, ''];
  });
  return [
    '# Rules of `pinhole review`',
    '',
    'The rules are grouped by the pillars of CWE-1000. [Using Pinhole](../usage.md#security-review) says how to run them.',
    'JSON reports follow [report.schema.json](report.schema.json).',
    '',
    ...sections,
  ].join('\n');
}

describe("the rules' pages", () => {
  it.each(ALL_RULES.map((one) => [one.rule.id, one] as const))('%s matches the rule and its example', async (id, one) => {
    await expect(await page(one)).toMatchFileSnapshot(`${FOLDER}/${id}.md`);
  });

  it('are listed', async () => {
    await expect(index()).toMatchFileSnapshot(`${FOLDER}/README.md`);
  });

  it('exist for the existing rules only', () => {
    const pages = readdirSync(fileURLToPath(new URL(`${FOLDER}/`, import.meta.url))).filter((name) => name.endsWith('.md'));
    expect(pages.sort()).toEqual([...ALL_RULES.map(({ rule }) => `${rule.id}.md`), 'README.md'].sort());
  });
});
