import { execFile } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/config.ts';
import { readPolicyFile } from '../../src/config/policy-file.ts';
import { Policy } from '../../src/control/policy/policy.ts';
import { readManifest } from '../../src/manifest/read-file.ts';
import { CliGrammar } from '../support/cli-grammar.ts';
import { CLI } from '../support/cli-path.ts';
import {
  allSamples,
  indentedBlocks,
  MARKED,
  pages,
  ROOT,
  readPage,
  type Sample,
  samplesOf,
  TIERS,
  type Tier,
  UNMARKED,
} from '../support/docs.ts';
import { simpleCommands } from '../support/shell-words.ts';
import { TestServer } from '../support/test-server.ts';

const run = promisify(execFile);
const SAMPLES = allSamples();
const PACKAGE = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string; scripts: Record<string, string> };

function of(...tiers: Tier[]): (readonly [string, Sample])[] {
  return SAMPLES.filter(({ mark: [tier] }) => tiers.some((one) => one === tier)).map((sample) => [sample.place, sample]);
}

/** The problem with the label of a block, or null. */
function problemOfLabel({ language, mark: [tier] }: Sample): string | null {
  const tiers = MARKED[language];
  if (tiers === undefined) {
    if (tier !== undefined) return `a block of '${language}' is not run, and needs no mark`;
    return UNMARKED.some((one) => one === language) ? null : `'${language}' says of no block what it is`;
  }
  return tiers.some((one) => one === tier) ? null : `a block of '${language}' needs a comment above: <!-- sample: ${tiers.join('|')} -->`;
}

describe('every block of the documents', () => {
  it.each(SAMPLES.map((sample) => [sample.place, sample] as const))('%s says how it is checked', (_place, sample) => {
    expect(problemOfLabel(sample)).toBeNull();
  });

  it.each(pages())('%s has fenced blocks only', (page) => {
    expect(indentedBlocks(page)).toEqual([]);
  });

  it('exists: each tier has samples', () => {
    expect(TIERS.filter((tier) => of(tier).length === 0)).toEqual([]);
  });

  it('is refused without a mark, without a language, and in a tier that does not suit it', () => {
    const labels = ['```yaml', '```', '<!-- sample: run -->\n```yaml', '<!-- sample: config -->\n```yaml'];
    const problems = labels.map((label) => samplesOf('page.md', `${label}\na: 1\n\`\`\`\n`).map(problemOfLabel)[0]);
    expect(problems.map((problem) => problem === null)).toEqual([false, false, false, true]);
  });
});

describe('links', () => {
  it.each(pages())('%s: each leads to a file and a heading in the repository', (page) => {
    const targets = [...readPage(page).matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)/g)];
    const broken = targets.filter(([, path = '', anchor]) => {
      const target = path === '' ? page : join(dirname(page), path);
      if (!existsSync(join(ROOT, target))) return true;
      return anchor !== undefined && !anchorsOf(target).includes(anchor);
    });
    expect(broken.map(([link]) => link)).toEqual([]);
  });

  it.each(pages())('%s: each path of a source file that it names exists', (page) => {
    const named = [...readPage(page).matchAll(/`((?:bench|docs|packaging|scripts|src|test)\/[\w./-]+)`/g)].map(([, path = '']) => path);
    expect(named.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  });

  /** Anchors of headings, as the usual hosts of repositories make them: lower case, no punctuation, dashes for blanks. */
  function anchorsOf(page: string): string[] {
    const headings = [...readPage(page).matchAll(/^#+ (.+)$/gm)].map(([, text = '']) => text);
    return headings.map((text) =>
      text
        .toLowerCase()
        .replace(/[^\w -]/g, '')
        .replaceAll(' ', '-'),
    );
  }
});

describe('YAML samples', () => {
  const server = new TestServer();
  beforeAll(async () => {
    await server.start();
  });
  afterAll(() => server.close());

  const file = (text: string) => {
    const path = join(server.directory, 'sample.yaml');
    writeFileSync(path, text);
    return path;
  };

  it.each(of('config'))('%s is a configuration that Pinhole reads', (_place, { text, mark }) => {
    const config = loadConfig({ config: file(text) }, {});
    if (mark.includes('defaults')) expect(config).toEqual(loadConfig({ config: file('') }, {}));
  });

  it('the configuration file of the package, uncommented, is one that Pinhole reads', () => {
    const text = readFileSync(join(ROOT, 'packaging/debian/pinhole.yaml'), 'utf8').replace(/^# ?(?=\s*[a-z_]+:)/gm, '');
    expect(loadConfig({ config: file(text) }, {})).toMatchObject({ host: 'network-1', bus: { vhost: 'pinhole' } });
  });

  it.each(of('policy'))('%s is a policy file whose rules all have an effect', (_place, { text }) => {
    expect(new Policy(readPolicyFile(file(text))).unused).toEqual([]);
  });

  it.each(of('manifest'))('%s is applied, once', async (_place, { text }) => {
    const path = file(text);
    const { routers } = readManifest(path).manifest;
    const apply = async (...flags: string[]) => {
      const env = { ...process.env, PINHOLE_URL: server.url, PINHOLE_TOKEN: server.token };
      return (await run(process.execPath, [CLI, 'apply', '-f', path, ...flags], { env })).stdout;
    };
    const things = routers.reduce((sum, { helpers }) => sum + 1 + helpers.length, 0);
    expect(await apply('--prune', '--dry-run')).toContain(`${things} things would change`);
    await apply('--prune');
    expect(await apply('--prune')).toBe('nothing to change\n');
    writeFileSync(path, 'routers: []\n');
    await apply('--prune');
  });
});

describe('shell samples', () => {
  const grammar = new CliGrammar();

  it.each(of('run', 'parse'))('%s is shell, and its commands exist', { timeout: 60_000 }, async (_place, { text }) => {
    await run('bash', ['-n', '-c', text]);
    for (const words of simpleCommands(text)) expect({ words, problem: await problemOf(words) }).toEqual({ words, problem: null });
  });

  async function problemOf([program = '', ...rest]: readonly string[]): Promise<string | null> {
    if (program === 'pinhole' || program === 'bin/pinhole') return grammar.problemOf(rest);
    const [verb = '', ...more] = rest;
    if (program === 'npm')
      return verb === 'test' || (PACKAGE.scripts[more[0] ?? ''] && verb === 'run') ? null : 'package.json has no such script';
    if (program === 'systemctl') return problemOfUnits(more);
    if (program === 'apt') return more.every((word) => word.includes(`_${PACKAGE.version}_`)) ? null : `the version is ${PACKAGE.version}`;
    if (program === 'node' || program === 'bash') return existsSync(join(ROOT, verb)) ? null : `there is no ${verb}`;
    return null;
  }

  function problemOfUnits(words: readonly string[]): string | null {
    const unknown = words
      .filter((word) => word.startsWith('pinhole'))
      .find((unit) => !existsSync(join(ROOT, 'packaging/systemd', `${unit}.service`)));
    return unknown === undefined ? null : `there is no unit ${unknown}`;
  }

  it.each([
    ['helper ad edge ftp', "'pinhole helper ad' is not a command"],
    ['router add', 'an argument is missing'],
    ['router list edge', 'too many arguments'],
    ['helper add edge ftp --prot udp', '--prot is not an option'],
    ['helper add edge ftp --port', '--port needs a value'],
  ])('pinhole %s is refused', async (line, problem) => {
    const [words = []] = simpleCommands(`pinhole ${line} | cat > file # and a comment`);
    expect(await grammar.problemOf(words.slice(1))).toContain(problem);
  });
});
