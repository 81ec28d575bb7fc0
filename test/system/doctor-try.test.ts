import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LinuxKernel } from '../../src/kernel/linux/linux-kernel.ts';
import { ownPrefix, removeOrphans } from '../../src/lab/scratch-network.ts';
import { silentLogger } from '../../src/ports/logger.ts';
import { CLI } from '../support/cli-path.ts';
import { AT } from '../support/doctor-labs/at.ts';
import { FAULTS, HEALTHY } from '../support/doctor-labs/index.ts';
import { type DoctorCase, DoctorLab } from '../support/doctor-labs/lab.ts';
import type { Traffic } from '../support/doctor-labs/traffic.ts';

const run = promisify(execFile);
const FAMILY = 'phe';

interface Row {
  check: string;
  result: 'ok' | 'note' | 'problem';
  detail: string;
}

/** The trial that does what the traffic of a case does; null: FTP over TLS, which a probe does not speak. */
function trialOf(traffic: Traffic): string | null {
  switch (traffic) {
    case 'passive':
    case 'inbound':
      return 'try ftp PASV tcp/21 ipv4';
    case 'epsv':
      return 'try ftp EPSV tcp/21 ipv4';
    case 'active':
      return 'try ftp PORT tcp/21 ipv4';
    case 'passive-v6':
      return 'try ftp EPSV tcp/21 ipv6';
    case 'active-v6':
      return 'try ftp EPRT tcp/21 ipv6';
    case 'tftp':
      return 'try tftp read udp/69 ipv4';
    case 'sip':
      return 'try sip INVITE udp/5060 ipv4';
    case 'irc':
      return 'try irc DCC SEND tcp/6667 ipv4';
    default:
      return null;
  }
}

/**
 * Each lab is tried twice with probes, through the router itself and in a copy of it, and then with real programs (curl with vsftpd or
 * tftpd, sipp, ngircd). All three have to agree.
 */
describe.concurrent('doctor --try in labs', () => {
  beforeAll(() => removeOrphans(FAMILY));

  const kernel = new LinuxKernel({ allowed: (netns) => netns.startsWith(ownPrefix(FAMILY)), logger: silentLogger });
  const labs = new Set<DoctorLab>();
  afterAll(async () => {
    for (const lab of labs) await lab.destroy();
    await kernel.close();
  });

  async function tried(lab: DoctorLab, ...flags: string[]): Promise<Row[]> {
    const argv = [CLI, 'doctor', '--netns', lab.router, '--try', '--json', ...flags];
    const { stdout } = await run(process.execPath, argv, { timeout: 280_000 }).catch((error: { code: number; stdout: string }) => {
      if (error.code !== 1 || error.stdout === '') throw error;
      return error;
    });
    const rows: Row[] | { error: unknown } = JSON.parse(stdout);
    if (!Array.isArray(rows)) throw new Error(JSON.stringify(rows));
    return rows.filter(({ check }) => check.startsWith('try '));
  }

  async function outcomes(staged: DoctorCase, number: number) {
    const lab = new DoctorLab(`${ownPrefix(FAMILY)}x${number}`, kernel);
    labs.add(lab);
    try {
      await lab.stage(staged);
      const target = staged.traffic === 'inbound' ? ['--target', AT.v4.lan] : [];
      const between = await tried(lab, '--client', lab.network.netns('client'), '--server', lab.network.netns('server'), ...target);
      const copy = await tried(lab, '--inside', 'lan', '--outside', 'wan');
      return { between, copy, real: await lab.fetch(staged) };
    } finally {
      await lab.destroy();
      labs.delete(lab);
    }
  }

  it.each([...FAULTS, ...HEALTHY].map((staged, number) => ({ number, ...staged })))(
    '$name',
    { timeout: 600_000 },
    async ({ number, ...staged }) => {
      const { between, copy, real } = await outcomes(staged, number);
      expect(real).toBe(staged.works);
      const trial = trialOf(staged.traffic);
      for (const rows of [between, copy]) {
        const row = rows.find(({ check }) => check === trial);
        if (trial === null) expect(rows).toContainEqual(expect.objectContaining({ result: 'note', detail: expect.stringMatching(/TLS/) }));
        else if (row?.detail.startsWith('not known: the copy lacks')) expect([rows, row.result]).toEqual([copy, 'note']);
        else expect({ trial, works: row?.result === 'ok', detail: row?.detail }).toMatchObject({ trial, works: real });
      }
    },
  );
});
