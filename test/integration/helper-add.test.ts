import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ServerClient } from '../../src/agent/server-client.ts';
import { LocalBusClient } from '../../src/bus/local.ts';
import { paths } from '../../src/config/config.ts';
import type { DesiredRouter } from '../../src/contract/desired-router.ts';
import type { StatusValue } from '../../src/contract/status.ts';
import { capabilityKey, KERNEL_HELPERS } from '../../src/model/catalogue.ts';
import { CLI } from '../support/cli-path.ts';
import { eventually } from '../support/eventually.ts';
import { realPorts } from '../support/ports.ts';
import { STORES } from '../support/stores.ts';
import { onTerminal } from '../support/terminal.ts';
import { TestServer } from '../support/test-server.ts';

const run = promisify(execFile);
/** A kernel without TFTP over IPv6, and without SANE. */
const KERNEL = {
  kernelRelease: 'test',
  helpers: KERNEL_HELPERS.flatMap(({ type, protocol, families }) => families.map((family) => capabilityKey(type, protocol, family))).filter(
    (key) => key !== 'tftp/udp/ipv6' && !key.startsWith('sane/'),
  ),
  missingNat: [],
  conntrackEvents: true,
};

describe.each(STORES)('declaring a helper, on %s', (store) => {
  const server = new TestServer('', { store });
  let bus: LocalBusClient;
  let agent: ServerClient;

  beforeAll(async () => {
    await server.start();
    bus = new LocalBusClient(paths(server.config).busSocket, realPorts);
    agent = new ServerClient(bus, 'one');
    await eventually(async () => (await agent.pullAll(null).catch(() => null)) !== null);
    const startedAt = new Date().toISOString();
    await agent.reportState({ startedAt, interval: 60, configurations: { kernel: KERNEL }, verification: null });
  });
  afterAll(async () => {
    await bus.close();
    await server.close();
  });

  const environment = () => ({ ...process.env, PINHOLE_URL: server.url, PINHOLE_TOKEN: server.token });
  const pinhole = (...argv: string[]) =>
    run(process.execPath, [CLI, ...argv], { env: environment() }).then(
      ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
      ({ code, stdout, stderr }) => ({ code, stdout, stderr }),
    );
  const onHost = (name: string) => server.newRouter({ name, host: 'one', netns: name });

  /** Once the router has so many helpers, tells that the last one has this status, as an agent does that has applied them. */
  async function tells(id: string, count: number, status: StatusValue, reason = ''): Promise<void> {
    const pulled = async () => (await agent.pullAll(null)).pulled?.routers.find((router) => router.id === id);
    let router: DesiredRouter | undefined;
    await eventually(async () => {
      router = await pulled();
      return router?.helpers.length === count;
    });
    const { revision, helpers } = router as DesiredRouter;
    const verifiedAt = new Date().toISOString();
    const told = helpers.map(({ id: helperId }) => ({ helperId, families: [{ family: 'ipv4' as const, status, reason, verifiedAt }] }));
    await agent.reportStatus([{ routerId: router?.id as DesiredRouter['id'], revision, reason: '', drifts: 0, helpers: told }], verifiedAt);
  }

  it('warns of a helper that can never work, or gets nothing, in /v1 and never in the shape of Neutron', async () => {
    const path = `/v1/routers/${await onHost('warned')}/helpers`;
    const add = async (fields: object) => (await server.call('POST', path, fields)).body;
    expect((await add({ protocol: 'udp', port: 5060, helper: 'sip' })).warnings).toEqual([]);
    const amanda = await add({ protocol: 'udp', port: 5060, helper: 'tftp' });
    expect(amanda.warnings).toMatchObject([
      { code: 'partly-impossible', message: 'this kernel does not have the helper tftp for udp over ipv6 (module nf_conntrack_tftp)' },
      { code: 'shadowed', message: 'gets no connections: other helpers of this router come first (sip udp/5060)' },
    ]);
    expect((await add({ protocol: 'tcp', port: 6566, helper: 'sane' })).warnings.map(({ code }: { code: string }) => code)).toEqual([
      'impossible',
      'impossible',
    ]);
    const moved = await server.call('PUT', `${path}/${amanda.id}`, { port: 69 });
    expect(moved.body.warnings).toMatchObject([{ code: 'partly-impossible' }]);
    expect((await server.call('GET', `${path}/${amanda.id}`)).body).not.toHaveProperty('warnings');
    const neutron = await server.call('POST', path.replace('/v1', '/v2.0').replace('/helpers', '/conntrack_helpers'), {
      conntrack_helper: { protocol: 'tcp', port: 10080, helper: 'amanda' },
    });
    expect([neutron.status, Object.keys(neutron.body.conntrack_helper).sort()]).toEqual([201, ['helper', 'id', 'port', 'protocol']]);
  });

  it('warns of each helper of a file, and of one in all routers with a label', async () => {
    const file = join(server.directory, 'routers.yaml');
    const helpers = [{ helper: 'sip', protocol: 'udp' }, { helper: 'tftp', port: 5060, source: '192.0.2.0/24' }, { helper: 'sane' }];
    const routers = ['file-a', 'file-b'].map((name) => ({ name, netns: name, host: 'one', labels: { of: 'file' }, helpers }));
    writeFileSync(file, JSON.stringify({ routers }));
    const applied = await pinhole('apply', '-f', file);
    expect(applied).toMatchObject({ code: 0, stdout: expect.stringContaining('8 things changed') });
    const warnings = (applied.stderr as string).trim().split('\n').sort();
    expect(warnings).toHaveLength(2 * (1 + 2));
    expect(warnings.filter((line) => line.includes('sip'))).toEqual(
      ['a', 'b'].map(
        (name) =>
          `pinhole: warning: router file-${name}, sip udp/5060: partly-shadowed: does not get all connections in its scope: other helpers of this router come first (tftp udp/5060 from 192.0.2.0/24)`,
      ),
    );
    const again = await pinhole('apply', '-f', file, '--json');
    expect(JSON.parse(again.stdout)).toEqual({ steps: [], warnings: [] });
    const bulk = await pinhole('helper', 'add', '-l', 'of=file', 'irc', '--port', '6566', '--json');
    expect(JSON.parse(bulk.stdout).warnings).toMatchObject([]);
    const lost = await pinhole('helper', 'add', '-l', 'of=file', 'snmp', '--in-interface', 'lan');
    expect(lost.stderr.match(/^pinhole: warning: router file-[ab], snmp udp\/161: impossible: /gm)).toHaveLength(2);
    expect(lost.stdout).toContain('2 things changed');
  });

  it('prints warnings beside the helper, also in JSON', async () => {
    await onHost('printed');
    await pinhole('helper', 'add', 'printed', 'irc', '--port', '21');
    const added = await pinhole('helper', 'add', 'printed', 'sane', '--port', '21', '--json');
    expect(added.code).toBe(0);
    expect(added.stderr).toBe(
      ['ipv4', 'ipv6']
        .map(
          (family) =>
            `pinhole: warning: impossible: this kernel does not have the helper sane for tcp over ${family} (module nf_conntrack_sane)\n`,
        )
        .join(''),
    );
    expect(JSON.parse(added.stdout)).toMatchObject({ helper: 'sane', warnings: [{ code: 'impossible' }, { code: 'impossible' }] });
  });

  it('waits until the helper is live, and says so', async () => {
    const id = await onHost('live');
    const [added] = await Promise.all([pinhole('helper', 'add', 'live', 'ftp', '--wait', '60'), tells(id, 1, 'ACTIVE')]);
    expect(added).toMatchObject({ code: 0, stderr: '', stdout: expect.stringMatching(/\n\nipv4 {2}ACTIVE\n$/) });
  });

  it('exits with 1 where the helper is not live, and says why', async () => {
    const id = await onHost('refused');
    const [added] = await Promise.all([
      pinhole('helper', 'add', 'refused', 'ftp', '--wait', '60', '--json'),
      tells(id, 1, 'ERROR', 'the kernel refused it'),
    ]);
    expect(added).toMatchObject({ code: 1, stderr: 'pinhole: ftp is declared, and is not live over ipv4\n' });
    expect(JSON.parse(added.stdout)).toMatchObject({
      helper: 'ftp',
      router: 'refused',
      families: [{ family: 'ipv4', status: 'ERROR', reason: 'the kernel refused it' }],
    });
  });

  it('exits with 1 where the time is over, and where no agent serves the router', async () => {
    await onHost('slow');
    const late = await pinhole('helper', 'add', 'slow', 'ftp', '--wait', '1');
    expect([late.code, late.stdout]).toEqual([1, expect.stringContaining('PENDING\n  the agent on one has not reported yet\n')]);
    await server.newRouter({ name: 'unserved' });
    const never = await pinhole('helper', 'add', 'unserved', 'ftp', '--wait', '3600');
    expect([never.code, never.stdout]).toEqual([1, expect.stringContaining('PENDING\n  no host serves this router\n')]);
  });

  it('does not take the status of an older revision for that of a change', async () => {
    const id = await onHost('changed');
    await pinhole('helper', 'add', 'changed', 'ftp');
    await tells(id, 1, 'ACTIVE');
    const set = await pinhole('helper', 'set', 'changed', 'ftp', '--port', '2121', '--wait', '1');
    expect([set.code, set.stdout]).toEqual([1, expect.stringContaining('2121')]);
    await tells(id, 1, 'ACTIVE');
    expect((await pinhole('helper', 'set', 'changed', 'ftp', '--port', '2121', '--wait', '60')).code).toBe(0);
  });

  it('waits by itself on a terminal, and only there', async () => {
    await server.newRouter({ name: 'shown' });
    const add = (port: string, ...rest: string[]) => [process.execPath, CLI, 'helper', 'add', 'shown', 'ftp', '--port', port, ...rest];
    const shown = await onTerminal(80, add('21'), environment());
    expect([shown.code, shown.lines]).toEqual([1, expect.arrayContaining(['ipv4 ipv6  PENDING', '  no host serves this router'])]);
    const waived = await onTerminal(80, add('22', '--no-wait'), environment());
    expect([waived.code, waived.lines.join('\n')]).toEqual([0, expect.not.stringContaining('PENDING')]);
    expect((await pinhole('helper', 'add', 'shown', 'ftp', '--port', '23')).code).toBe(0);
  });

  it('refuses to wait for many helpers at once, and for what is no time', async () => {
    expect((await pinhole('helper', 'add', '-l', 'a=b', 'ftp', '--wait')).stderr).toContain('--wait is about one helper.');
    expect(await pinhole('helper', 'add', 'live', 'tftp', '--wait', 'x')).toMatchObject({ code: 2 });
    expect((await pinhole('helper', 'list', 'live')).stdout).not.toContain('tftp');
  });

  describe('asks, for a word that it does not know, about the nearest that it knows', () => {
    beforeAll(async () => {
      await server.newRouter({ name: 'berlin-7' });
      await pinhole('helper', 'add', 'berlin-7', 'tftp');
    });

    it.each([
      ['a helper', ['helper', 'add', 'berlin-7', 'fpt'], "Conntrack Helper fpt is not allowed. Did you mean 'ftp'?"],
      [
        'a helper that the server refuses',
        ['helper', 'add', 'berlin-7', 'SIP', '--protocol', 'udp', '--port', '5060'],
        "Did you mean 'sip'?",
      ],
      ['a helper to change to', ['helper', 'set', 'berlin-7', 'tftp', '--helper', 'tfpt'], "Did you mean 'tftp'?"],
      ['a helper of a router', ['helper', 'rm', 'berlin-7', 'tfpt'], "Conntrack Helper tfpt could not be found. Did you mean 'tftp'?"],
      ['a router', ['router', 'show', 'berlin7'], "Router berlin7 could not be found. Did you mean 'berlin-7'?"],
      ['a command', ['statsu'], '(Did you mean status?)'],
      ['a subcommand', ['helper', 'ad'], '(Did you mean add?)'],
      ['an option', ['router', 'list', '--jsn'], '(Did you mean --json?)'],
    ])('%s', async (_, argv, question) => {
      const { code, stderr } = await pinhole(...argv);
      expect(code).toBeGreaterThan(0);
      expect(stderr).toContain(question);
    });

    it('and nothing where no word is near', async () => {
      expect((await pinhole('router', 'show', 'xyzzy')).stderr).toBe('pinhole: Router xyzzy could not be found.\n');
    });
  });
});
