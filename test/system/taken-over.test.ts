import { execFile } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ownPrefix, ScratchNetwork } from '../../src/lab/scratch-network.ts';
import { filterOf } from '../../src/sandbox/filter.ts';
import { eventually } from '../support/eventually.ts';
import { TestPinhole } from '../support/pinhole.ts';

const PREFIX = `${ownPrefix('pht')}-taken`;
const SCRIPT = resolve(import.meta.dirname, 'peers/taken-over.py');
const DOCUMENT = readFileSync(resolve(import.meta.dirname, '../../SECURITY.md'), 'utf8');
const NAMES = ['server', 'agent', 'kernel', 'opener'] as const;
/** Capabilities of a process, and whether it is in a network namespace of its own. */
const RIGHTS = { server: '', agent: '', kernel: ',+net_admin', opener: ',+net_admin,+sys_admin' } as const;

/** The table of SECURITY.md: what each process can do, by its row and column. */
function documented(): Record<string, Record<string, boolean>> {
  const rows = /\| a process that is taken over \|.*\n\|[-|]+\n((?:\|.*\n)+)/.exec(DOCUMENT)?.[1]?.trim().split('\n') ?? [];
  const cells = rows.map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
  return Object.fromEntries(
    NAMES.map((name, column) => [name, Object.fromEntries(cells.map(([what, ...may]) => [what as string, may[column] === 'yes']))]),
  );
}

/** A process that is taken over: a program with its user, group, capabilities, namespace and filter of system calls. */
describe('a process that is taken over', () => {
  const network = new ScratchNetwork(PREFIX);
  const pinhole = new TestPinhole(PREFIX);

  beforeAll(async () => {
    await network.addHost('a');
    await pinhole.start();
    const { id } = await pinhole.addRouter(network.netns('a'));
    await pinhole.addHelper(id, 'ftp', 'tcp', 21);
    await pinhole.settled(id);
    await eventually(() => existsSync(pinhole.instance.files.agentState), { what: 'the agent has saved its state' });
  });
  afterAll(async () => {
    await pinhole.stop();
    await network.destroy();
  });

  async function tried(name: (typeof NAMES)[number]): Promise<Record<string, boolean>> {
    const pids = pinhole.instance.pids();
    const { files } = pinhole.instance;
    const { uid, gid } = statSync(join('/proc', String(pids.get(name))));
    const capabilities = `-all${RIGHTS[name]}`;
    const options = {
      files,
      others: NAMES.filter((other) => other !== name).map((other) => pids.get(other)),
      netns: `/run/netns/${network.netns('a')}`,
      filter: filterOf(name, process.arch)?.toString('hex'),
    };
    const user = ['--reuid', String(uid), '--regid', String(gid), '--clear-groups', '--no-new-privs'];
    const rights = ['--inh-caps', capabilities, '--ambient-caps', capabilities, '--bounding-set', capabilities];
    const argv = ['setpriv', ...user, ...rights, '--', '/usr/bin/python3', SCRIPT, JSON.stringify(options)];
    const { stdout } = await promisify(execFile)('nsenter', [`--net=/proc/${pids.get(name)}/ns/net`, '--', ...argv], { cwd: '/' });
    return JSON.parse(stdout);
  }

  it.each(NAMES)('reaches what SECURITY.md says, and nothing else: the %s', async (name) => {
    const wanted = documented()[name];
    expect(Object.keys(wanted ?? {}).length).toBeGreaterThan(10);
    expect(await tried(name)).toEqual(wanted);
  });
});
