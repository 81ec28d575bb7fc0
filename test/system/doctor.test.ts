import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Diagnosis } from '../../src/contract/diagnosis.ts';
import { diagnose } from '../../src/diagnosis/diagnosis.ts';
import { LinuxKernel } from '../../src/kernel/linux/linux-kernel.ts';
import { ownPrefix, removeOrphans } from '../../src/lab/scratch-network.ts';
import { silentLogger } from '../../src/ports/logger.ts';
import { FAULTS, HEALTHY } from '../support/doctor-labs/index.ts';
import { type DoctorCase, DoctorLab } from '../support/doctor-labs/lab.ts';

const FAMILY = 'phd';
const PINHOLE = resolve(import.meta.dirname, '../../bin/pinhole');

/** What the kernel says in the labs, for `test/unit/diagnosis.test.ts`: `PINHOLE_DOCTOR_RECORD=1` writes it anew. */
const RECORD = resolve(import.meta.dirname, '../support/doctor-labs/recorded.jsonl');
/** Characters. Larger rulesets are left out. */
const MAX_RECORD = 24_000;

/** A line of the table that `PINHOLE_DOCTOR_TABLE=1` prints. */
interface Tried {
  readonly name: string;
  readonly traffic: string;
  readonly works: boolean;
  readonly says: string;
}

const lines = (found: readonly Diagnosis[], result: Diagnosis['result']) =>
  found.filter((one) => one.result === result).map(({ check, detail }) => `${check}: ${detail}`);

/** Each lab is a network of its own, so some are tried at the same time: a transfer that fails mostly waits. */
describe.concurrent('doctor in labs', () => {
  const kernel = new LinuxKernel({ allowed: (netns) => netns.startsWith(ownPrefix(FAMILY)), logger: silentLogger });
  const labs = new Set<DoctorLab>();
  const tried: Tried[] = [];
  const recorded: { readonly number: number; readonly line: string }[] = [];
  beforeAll(() => removeOrphans(FAMILY));
  afterAll(async () => {
    for (const lab of labs) await lab.destroy();
    await kernel.close();
    if (process.env['PINHOLE_DOCTOR_TABLE'] !== undefined) process.stdout.write(tableOf(tried));
    if (process.env['PINHOLE_DOCTOR_RECORD'] !== undefined) writeFileSync(RECORD, textOf(recorded));
  });

  /** Builds a lab for as long as it is used. */
  async function inLab<T>(name: string, use: (lab: DoctorLab) => Promise<T>): Promise<T> {
    const lab = new DoctorLab(`${ownPrefix(FAMILY)}${name}`, kernel);
    labs.add(lab);
    try {
      return await use(lab);
    } finally {
      await lab.destroy();
      labs.delete(lab);
    }
  }

  /** What doctor finds, and whether real traffic passes. */
  function examined(staged: DoctorCase, number: number): Promise<{ found: Diagnosis[]; works: boolean }> {
    return inLab(`x${number}`, async (lab) => {
      await lab.stage(staged);
      const facts = await kernel.allRules(lab.router);
      recorded.push({ number, line: JSON.stringify({ name: staged.name, facts }) });
      const found = diagnose(facts);
      const works = await lab.fetch(staged);
      tried.push({
        name: staged.name,
        traffic: staged.traffic,
        works,
        says: [...lines(found, 'problem'), ...lines(found, 'note')][0] ?? 'ok',
      });
      return { found, works };
    });
  }

  const numbered = (cases: readonly DoctorCase[], from: number) => cases.map((staged, index) => ({ number: from + index, ...staged }));

  it.each(numbered(FAULTS, 0))('names the fault: $name', async ({ number, ...staged }) => {
    const { found, works } = await examined(staged, number);
    expect(works).toBe(staged.works);
    const { cause } = staged;
    const problems = lines(found, 'problem');
    if (cause instanceof RegExp) {
      expect(problems.join('\n')).toMatch(cause);
      expect(problems.filter((line) => !cause.test(line))).toEqual([]);
    } else {
      expect(problems).toEqual([]);
      expect(lines(found, 'note').join('\n')).toMatch(cause?.unknown ?? /^$/);
    }
  });

  it.each(numbered(HEALTHY, FAULTS.length))('reports no problem: $name', async ({ number, ...staged }) => {
    const { found, works } = await examined(staged, number);
    expect(works).toBe(true);
    expect(lines(found, 'problem')).toEqual([]);
    expect(lines(found, 'ok')).not.toEqual([]);
  });

  it('prints problems first, in 80 columns, and exits with 1', async () => {
    const [fault] = FAULTS;
    await inLab('cli', async (lab) => {
      await lab.stage(fault as DoctorCase);
      const run = (...argv: string[]) =>
        promisify(execFile)(PINHOLE, ['doctor', '--netns', lab.router, ...argv]).then(
          ({ stdout }) => ({ code: 0, stdout }),
          ({ code, stdout }: { code: number; stdout: string }) => ({ code, stdout }),
        );
      const { code, stdout } = await run();
      expect(code).toBe(1);
      expect(stdout).toMatch(/^problem {2}ftp tcp\/21 ipv4 passive\n/);
      expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
      expect(JSON.parse((await run('--json')).stdout)[0]).toMatchObject({
        result: 'problem',
        detail: expect.stringContaining('by its policy'),
      });
      const named = await run('--from', '10.79.1.2', '--to', '10.79.3.2', '--json');
      expect(named.stdout).toContain('lan → other');
      expect(named.stdout).not.toContain('lan → wan');
    });
  });
});

function textOf(recorded: readonly { readonly number: number; readonly line: string }[]): string {
  const small = recorded.filter(({ line }) => line.length <= MAX_RECORD).sort((a, b) => a.number - b.number);
  return small.map(({ line }) => `${line}\n`).join('');
}

function tableOf(tried: readonly Tried[]): string {
  const rows = tried.map(({ name, traffic, works, says }) => `| ${name} | ${traffic} | ${works ? 'passes' : 'fails'} | ${says} |`);
  return `| lab | traffic | really | doctor |\n|---|---|---|---|\n${rows.join('\n')}\n`;
}
