import { execFile } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEFAULT_CONFINEMENT } from '../../src/contract/confinement.ts';
import { KERNEL_HELPERS, NEUTRON_DEFAULT_PAIRS } from '../../src/model/catalogue.ts';
import { render } from '../../src/plan/render.ts';
import { tableText } from '../../src/plan/text.ts';
import type { Report } from '../../src/review/report.ts';
import { ALL_CAPABILITIES, desiredHelper, desiredRouter, parseScope } from '../support/arbitraries.ts';
import { CLI } from '../support/cli-path.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const CORPUS = join(ROOT, 'test/review/corpus');
const BATCH = join(CORPUS, 'early-return-in-batch');

interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function review(argv: readonly string[], { input = '', ...options }: { uid?: number; input?: string | Buffer } = {}): Promise<Run> {
  return new Promise((done) => {
    const command = { cwd: ROOT, maxBuffer: 64 * 1024 * 1024, ...options };
    const { stdin } = execFile(process.execPath, [CLI, 'review', ...argv], command, (error, stdout, stderr) =>
      done({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, stdout, stderr }),
    );
    // It may have stopped reading.
    stdin?.on('error', () => undefined).end(input);
  });
}

describe('pinhole review', () => {
  const folder = mkdtempSync(join(tmpdir(), 'pht-review-'));
  const write = (name: string, content: string | Buffer) => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };

  beforeAll(() => chmodSync(folder, 0o755));
  afterAll(() => rmSync(folder, { recursive: true }));

  it("finds nothing of medium or worse in Pinhole's own source, and every suppression there has its reason", async () => {
    const { code, stdout } = await review(['src', '--fail-on', 'medium', '--json']);
    const report = JSON.parse(stdout) as Report;
    expect(report.findings.map(({ subject, line, rule }) => `${subject}:${line} ${rule}`)).toEqual([]);
    expect(code).toBe(0);
    expect(report.subjects.length).toBeGreaterThan(200);
    expect(report.suppressed.every(({ suppressed }) => (suppressed?.length ?? 0) > 20)).toBe(true);
    expect(report.notes.filter(({ note }) => note.includes('suppression'))).toEqual([]);
  });

  it.each([
    ['scoped to a network', '192.0.2.0/24', false],
    ['for all clients, confined', null, true],
  ])("finds nothing of medium or worse in Pinhole's rulesets: all helpers %s", async (name, source, confined) => {
    const scope = source === null ? null : parseScope({ source, destination: null, in_interface: null });
    const file = write(`generated-${name.replaceAll(' ', '-')}.nft`, generated(scope, confined));
    const { code, stdout } = await review([file, '--fail-on', 'medium', '--format', 'list']);
    expect(code, stdout).toBe(0);
  });

  it('finds in its ruleset for all clients, not confined, only what the baseline accepts with a reason', async () => {
    const file = write('generated-open.nft', generated(null, false));
    const bare = JSON.parse((await review([file, '--json'])).stdout) as Report;
    expect(bare.findings.filter(({ severity }) => severity !== 'low' && severity !== 'info').map(({ rule }) => rule)).toEqual(
      Array(5).fill('slipstreaming-exposure'),
    );
    const { code } = await review([file, '--fail-on', 'medium', '--baseline', join(ROOT, 'test/review/generated.baseline.json')]);
    expect(code).toBe(0);
  });

  function generated(scope: ReturnType<typeof parseScope> | null, confined: boolean): string {
    const helpers = NEUTRON_DEFAULT_PAIRS.filter(({ helper, protocol }) => helper !== 'amanda' || protocol === 'udp').map(
      ({ helper, protocol, port }) => desiredHelper(helper, protocol, port, { scope }),
    );
    const { table } = render(
      desiredRouter(helpers, { confinement: confined ? DEFAULT_CONFINEMENT : null }),
      ALL_CAPABILITIES,
      new Date('2026-01-01T00:00:00Z'),
    );
    if (!table) throw new Error('no table');
    expect(table.objects.length).toBeGreaterThan(KERNEL_HELPERS.length - 4);
    return tableText(table);
  }

  it('exits 0 without --fail-on, and 1 if a finding reaches its severity', async () => {
    expect((await review([BATCH])).code).toBe(0);
    const failed = await review([BATCH, '--fail-on', 'high']);
    expect(failed.code).toBe(1);
    const [, count] = /(\d+) findings are high or worse/.exec(failed.stderr) ?? [];
    const machine = await review([BATCH, '--fail-on', 'high', '--json']);
    expect(machine.code).toBe(1);
    const found = (JSON.parse(machine.stdout) as Report).findings.filter(({ severity }) => severity === 'high');
    expect(found).toHaveLength(Number(count));
    expect((await review([BATCH, '--fail-on', 'critical'])).code).toBe(0);
  });

  it('exits 1 with --fail-on where a rule did not get to the end, whatever was found until then', async () => {
    const turn = '      x = self.m.get(i)\n      if not x: return\n      self.n.append(x)\n';
    const file = write('endless.py', `class A:\n  def f(self, ids):\n    for i in ids:\n${turn.repeat(700)}`);
    expect((await review([file])).stdout).toMatch(/Not finished: early-return-in-batch/);
    const gated = await review([file, '--fail-on', 'critical']);
    expect(gated.stderr).toMatch(/1 part of the subjects was not tried/);
    expect(gated.code).toBe(1);
  });

  const GOOD = 'def good(a):\n    b = a\n    return b\n\n\n'.repeat(6);
  it.each([
    ['a missing parenthesis', 'python.py', `${GOOD}def bad(:\n    return 1\n`],
    ['an operator too many', 'python.py', `${GOOD}def bad():\n    x = = 1\n    return x\n`],
    [
      'a file that it includes',
      'rules.nft',
      'include "other.nft"\ntable inet t {\n  chain c {\n    type filter hook forward priority 0; policy drop;\n  }\n}\n',
    ],
  ])('calls nothing clean that it did not try, and passes no gate: %s', async (_what, name, text) => {
    const file = write(name, text);
    const shown = await review([file]);
    expect([shown.code, shown.stdout]).toEqual([0, expect.stringMatching(/Not tried:/)]);
    expect(shown.stdout).not.toContain('Clean.');
    const gated = await review([file, '--fail-on', 'critical']);
    expect([gated.code, gated.stderr]).toEqual([1, expect.stringMatching(/1 part of the subjects was not tried/)]);
  });

  it.each([
    [['--types', 'CWE-1'], "'CWE-1' is not a known defect type"],
    [['--format', 'pdf'], 'by-type, list, json, sarif, markdown, html'],
    [['--kind', 'cobol'], '--kind'],
    [['--fail-on', 'bad'], '--fail-on'],
    [['--kernel', 'new'], '--kernel'],
    [['--baseline', '/nonexistent'], 'cannot be read'],
    [['--output', '/nonexistent/report'], '--output: /nonexistent/report cannot be written (ENOENT)'],
    [['--output', '/proc'], '--output: /proc cannot be written'],
    [['--write-baseline', '/nonexistent/baseline'], '--write-baseline: /nonexistent/baseline cannot be written (ENOENT)'],
  ])('%j is a usage error that says what would be right', async (argv, message) => {
    const { code, stderr } = await review([BATCH, ...argv]);
    expect(stderr).toContain(message);
    expect(code).toBe(2);
  });

  it('needs something to review', async () => {
    expect(await review([])).toMatchObject({ code: 2, stderr: expect.stringContaining('name files or folders') });
  });

  it('writes a baseline, and accepts the findings in it', async () => {
    const baseline = join(folder, 'baseline.json');
    expect((await review([BATCH, '--write-baseline', baseline])).code).toBe(0);
    expect((await review([BATCH, '--fail-on', 'info', '--baseline', baseline])).code).toBe(0);
  });

  it.each([
    ['what nft lists', 'nft', 'related-accept-bare/bad.nft'],
    ['what iptables-save prints', 'iptables', 'related-accept-bare/bad.iptables'],
  ])('reads %s from a pipe', async (_name, kind, file) => {
    const path = join(CORPUS, file);
    const fromPipe = JSON.parse((await review(['-', '--json'], { input: readFileSync(path) })).stdout) as Report;
    const fromFile = JSON.parse((await review([path, '--json', '--kind', kind])).stdout) as Report;
    expect(fromPipe.findings.map(({ subject }) => subject)).toContain('stdin');
    expect(fromPipe.findings.map(({ rule, line }) => [rule, line])).toEqual(fromFile.findings.map(({ rule, line }) => [rule, line]));
  });

  it.each([
    ['without any output', '', 'no ruleset, configuration or source'],
    ['of prose', 'once upon a time', 'no ruleset, configuration or source'],
    ['of bytes', Buffer.alloc(100), 'binary'],
    ['without end', Buffer.alloc(20 * 1024 * 1024, 'table inet x {\n}\n'), 'larger than 8 MiB'],
  ])('says that a pipe %s was not reviewed, and why', async (_name, input, why) => {
    const { code, stderr } = await review(['-'], { input });
    expect(stderr).toContain('stdin: ');
    expect(stderr).toContain(why);
    expect(code).toBe(1);
  });

  it('writes SARIF that the validator of code-scanning services accepts', async () => {
    const sarif = join(folder, 'report.sarif');
    await review([CORPUS, '--format', 'sarif', '--output', sarif]);
    const installed = join(ROOT, 'node_modules/@microsoft/sarif-multitool-linux/Sarif.Multitool');
    const tool = join(folder, 'multitool');
    cpSync(installed, tool);
    chmodSync(tool, 0o755);
    const output = await new Promise<string>((done) => {
      const env = { ...process.env, DOTNET_SYSTEM_GLOBALIZATION_INVARIANT: '1', DOTNET_BUNDLE_EXTRACT_BASE_DIR: join(folder, 'net') };
      execFile(tool, ['validate', sarif], { env, cwd: folder }, (_error, stdout, stderr) => done(stdout + stderr));
    });
    expect(output).toContain('Analysis completed successfully');
    expect(output.split('\n').filter((line) => / error /.test(line))).toEqual([]);
    expect(JSON.parse(readFileSync(sarif, 'utf8')).runs[0].results.length).toBeGreaterThan(60);
  });

  describe('what cannot be reviewed', () => {
    it('a file that is not there: exit 3', async () => {
      expect(await review([join(folder, 'nothing.py')])).toMatchObject({
        code: 3,
        stderr: expect.stringContaining('there is no such file or folder'),
      });
    });

    it.each<[string, () => string, string]>([
      ['a binary file', () => write('binary.py', Buffer.from([1, 0, 2, 0])), 'it is a binary file'],
      ['a ruleset of 10 MB', () => write('large.nft', `table inet t {\n${'# x\n'.repeat(2_600_000)}}\n`), 'larger than 8 MiB'],
      ['source of 2 MB', () => write('large.py', 'a = 1\n'.repeat(400_000)), 'larger than 1024 KiB'],
      ['text of another encoding', () => write('latin.py', Buffer.from([0x61, 0x20, 0x3d, 0x20, 0x22, 0xe4, 0x22])), 'not UTF-8'],
      ['a file of no known kind', () => write('notes.txt', 'hello'), 'set it with --kind'],
      ['a device', () => '/dev/zero', 'not a plain file'],
      ['source that is none', () => write('broken.py', 'def (:\n  ]]]\n'), 'cannot be parsed as Python'],
      ['a ruleset that is none', () => write('broken.nft', 'table inet {\n'), 'line 1: expected the name of a table'],
      ['JSON that is none', () => write('broken.json', '{"nftables": 1}'), 'expected {"nftables": […]}'],
      ['an INI file that is none', () => write('neutron.conf', 'option = 1\n'), 'line 1: option'],
    ])('%s: exit 1 and why', async (_name, make, message) => {
      const started = performance.now();
      const { code, stdout, stderr } = await review([make()]);
      expect(stdout.replace(/\s+/g, ' ') + stderr).toContain(message);
      expect(code).toBe(1);
      expect(performance.now() - started).toBeLessThan(10_000);
    });

    it('a file that may not be read: exit 1 and why', async () => {
      const closed = write('closed.py', 'a = 1\n');
      chmodSync(closed, 0o000);
      // Root reads every file, so another user runs the review.
      const { code, stderr } = await review([closed], process.getuid?.() === 0 ? { uid: 65534 } : {});
      expect(stderr).toContain('permission denied');
      expect(code).toBe(1);
    });

    it('files of unknown kinds in a folder are skipped, as are links and installed packages', async () => {
      const tree = join(folder, 'tree');
      mkdirSync(join(tree, 'node_modules/x'), { recursive: true });
      cpSync(join(BATCH, 'bad.py'), join(tree, 'bad.py'));
      cpSync(join(BATCH, 'bad.py'), join(tree, 'node_modules/x/bad.py'));
      writeFileSync(join(tree, 'picture.png'), Buffer.from([0x89, 0x50, 0, 0]));
      symlinkSync('..', join(tree, 'loop'));
      const { code, stdout } = await review([tree, '--json']);
      expect(code).toBe(0);
      expect((JSON.parse(stdout) as Report).subjects.map(({ name }) => name)).toEqual([join(tree, 'bad.py')]);
    });
  });

  describe('the second reader', () => {
    let server: Server;
    let asked: { authorization: string | undefined; body: { model: string; messages: { content: string }[] } } | null = null;
    let answer = '';
    const config = () =>
      write(
        'pinhole.yaml',
        `review:\n  llm:\n    url: http://127.0.0.1:${(server.address() as AddressInfo).port}/v1\n    model: small\n    key_file: ${write('key', 'sesame\n')}\n`,
      );
    const claim = (change: object = {}) => ({
      line: 6,
      end_line: 6,
      symbol: 'Agent.handle',
      cwe: 705,
      severity: 'medium',
      claim: '`return` leaves the rest of `ports`',
      evidence: [{ line: 6, quote: 'return' }],
      solution: 'continue',
      ...change,
    });
    const read = async (...claims: object[]) => {
      answer = JSON.stringify({ choices: [{ message: { content: JSON.stringify({ claims }) } }] });
      const { stdout } = await review([join(BATCH, 'bad.py'), '--second-reader', '--config', config(), '--json']);
      const report = JSON.parse(stdout) as Report;
      return { report, kept: report.findings.filter(({ rule }) => rule === 'second-reader') };
    };

    beforeAll(async () => {
      server = createServer((request, response) => {
        let text = '';
        request.on('data', (chunk) => {
          text += chunk;
        });
        request.on('end', () => {
          asked = { authorization: request.headers.authorization, body: JSON.parse(text) };
          response.writeHead(answer === '' ? 500 : 200, { 'content-type': 'application/json' }).end(answer);
        });
      });
      await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    });
    afterAll(() => void server.close());

    it('is asked with numbered lines and the key of its file, and its claims are marked as its own', async () => {
      const { kept, report } = await read(claim());
      expect(asked?.authorization).toBe('Bearer sesame');
      expect(asked?.body.model).toBe('small');
      expect(asked?.body.messages[1]?.content).toContain('\n6\t                return');
      expect(kept).toMatchObject([{ line: 6, symbol: 'Agent.handle', cwe: 705, confidence: 'likely' }]);
      expect(report.secondReader).toEqual({ claims: 1, dropped: 0 });
    });

    it.each<[string, object]>([
      ['a line that is not there', { line: 600, end_line: 600 }],
      ['a symbol that is not there', { symbol: 'Agent.destroy' }],
      ['a line outside of its symbol', { line: 1, end_line: 1, evidence: [{ line: 1, quote: 'class Agent:' }] }],
      ['a quote that the line does not say', { evidence: [{ line: 6, quote: 'os.system(ports)' }] }],
      ['evidence on other lines only', { evidence: [{ line: 7, quote: 'device.plug(port)' }] }],
      ['no evidence', { evidence: [] }],
      ['a name that the file does not have', { claim: '`subprocess` runs `ports`' }],
      ['a weakness that does not exist', { cwe: 999_999 }],
      ['a field that was not asked for', { exploit: 'rm -rf' }],
    ])('%s is dropped and counted', async (_name, change) => {
      const { kept, report } = await read(claim(change), claim());
      expect(kept).toHaveLength(1);
      expect(report.secondReader).toEqual({ claims: 2, dropped: 1 });
    });

    it('that answers something else changes nothing of the review', async () => {
      answer = JSON.stringify({ choices: [{ message: { content: 'The code appears to be well-structured.' } }] });
      const { stdout } = await review([join(BATCH, 'bad.py'), '--second-reader', '--config', config(), '--json']);
      expect((JSON.parse(stdout) as Report).findings.map(({ rule }) => rule)).toEqual(['early-return-in-batch']);
    });

    it('that fails, or is not configured, is an error that says so', async () => {
      answer = '';
      expect(await review([join(BATCH, 'bad.py'), '--second-reader', '--config', config()])).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('answered 500'),
      });
      expect(await review([BATCH, '--second-reader', '--config', write('empty.yaml', '{}\n')])).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('review.llm.url'),
      });
    });

    it('is not asked without the option', async () => {
      asked = null;
      await review([join(BATCH, 'bad.py'), '--config', config()]);
      expect(asked).toBeNull();
      expect(existsSync(join(folder, 'key'))).toBe(true);
    });
  });
});
