import { readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findKernelHelper, NEUTRON_DEFAULT_PAIRS, type Protocol } from '../../src/model/catalogue.ts';
import { eventually } from '../support/eventually.ts';
import { Machine } from './machine.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const IMAGES = process.env['PINHOLE_MACHINES'] ?? join(ROOT, 'dist/machines');
const PACKAGE = join(IMAGES, 'pinhole.deb');
const LAB = readFileSync(join(import.meta.dirname, 'lab.sh'), 'utf8');
const UNITS = 'pinhole-kernel pinhole-server pinhole-agent';
const FILE = 'fetched through a pinhole\n';
/** Exit statuses of curl: timed out; the server refused an address that is not the client's own. */
const CURL_WITHOUT_HELPER = { passive: 28, active: 30, tftp: 28 };
const WAYS = Object.keys(CURL_WITHOUT_HELPER);

/** The kernels that are tried, by the Debian release that has them. */
const KERNELS: Readonly<Record<string, string>> = { bullseye: '5.10.', bookworm: '6.1.', trixie: '6.12.' };
const SUITES = (process.env['PINHOLE_SUITES'] ?? Object.keys(KERNELS).join(' ')).split(' ');

const MANIFEST = {
  routers: [
    // Confined, which is the largest table that Pinhole writes: nft of every release has to read it.
    { name: 'edge', netns: 'edge', confine: true, helpers: NEUTRON_DEFAULT_PAIRS },
    { name: 'gateway', host_netns: true, helpers: [{ helper: 'ftp' }] },
  ],
};

/** All of them but amanda over TCP, which Neutron allows and no kernel has. */
const HELPERS = MANIFEST.routers.reduce((sum, { helpers }) => sum + helpers.length, -1);

interface StatusView {
  readonly helpers: readonly {
    readonly helper: string;
    readonly protocol: Protocol;
    readonly families: readonly { readonly status: string }[];
  }[];
}

/** The steps depend on each other: one machine is installed, used, restarted and cleaned. */
describe.each(SUITES)('Debian %s with its own kernel', (suite) => {
  const machine = new Machine();

  beforeAll(() => machine.start(join(IMAGES, suite), PACKAGE));
  afterAll(() => machine.stop());

  const lab = (...words: string[]) => machine.run(`bash -s -- ${words.join(' ')} <<'LAB'\n${LAB}\nLAB`);

  /** Waits until every helper is ACTIVE in all its families, apart from those that no kernel has. @returns how many helpers are */
  async function allActive(): Promise<number> {
    let views: StatusView[] = [];
    const helpers = () => views.flatMap((view) => view.helpers).filter(({ helper, protocol }) => findKernelHelper(helper, protocol));
    const isActive = async () => {
      const { status, output } = await machine.run('pinhole status --json');
      if (status !== 0) return false;
      views = JSON.parse(output) as StatusView[];
      return helpers().length > 0 && helpers().every(({ families }) => families.every((family) => family.status === 'ACTIVE'));
    };
    await eventually(isActive, { what: 'all helpers are ACTIVE', timeoutMs: 1_200_000 });
    return helpers().length;
  }

  /** Namespaces that have a table of ours, by what nft lists. */
  const tables = () => machine.must('for n in edge client server; do ip netns exec $n nft list tables; done; nft list tables');

  it('keeps helpers in modules', async () => {
    expect(await machine.must('uname -r')).toMatch(new RegExp(`^${KERNELS[suite]}`));
    expect(await machine.must('find /lib/modules -name "nf_conntrack_ftp.ko*"')).not.toBe('');
  });

  it('installs the package, which starts nothing', async () => {
    // The disk ends with zeros, up to a whole sector.
    await machine.must(`head -c ${statSync(PACKAGE).size} /dev/vdb > /root/pinhole.deb && dpkg --install /root/pinhole.deb`);
    expect((await machine.run(`systemctl is-active ${UNITS}`)).output.trim().split('\n')).toEqual(['inactive', 'inactive', 'inactive']);
  });

  it('shows the demo, however slow the machine is', async () => {
    const { status, output } = await machine.run('pinhole demo --json');
    expect(output).toContain('"ok": true');
    expect(status).toBe(0);
  });

  it("assigns the twelve pairs of Neutron in a namespace, and one helper in the host's own", async () => {
    await machine.must(`systemctl enable --quiet --now ${UNITS}`);
    expect((await lab('build')).output).toBe('');
    for (const [way, exit] of Object.entries(CURL_WITHOUT_HELPER)) expect((await lab('fetch', way, '10')).status).toBe(exit);
    await machine.must(`cat > /root/routers.yaml <<'END'\n${JSON.stringify(MANIFEST)}\nEND\npinhole apply -f /root/routers.yaml`);
    expect(await allActive()).toBe(HELPERS);
  });

  it.each(WAYS)('lets packets of a download through NAT and the firewall: %s', async (way) => {
    expect(await lab('fetch', way)).toEqual({ status: 0, output: FILE });
  });

  it('starts the agent and the kernel process again after five quick deaths, and changes no rule meanwhile', async () => {
    const listing = () => machine.must('ip netns exec edge nft -a list table inet pinhole');
    const before = await listing();
    for (const unit of ['pinhole-agent', 'pinhole-kernel']) {
      await machine.must(`for death in 1 2 3 4 5; do
        was=$(systemctl show -p NRestarts --value ${unit}); systemctl kill --signal=KILL ${unit}
        until [ "$(systemctl show -p NRestarts --value ${unit})" != "$was" ] && [ "$(systemctl show -p MainPID --value ${unit})" != 0 ]; do sleep 0.1; done
      done`);
    }
    await machine.must(`until systemctl --quiet is-active ${UNITS}; do sleep 1; done`);
    expect(await allActive()).toBe(HELPERS);
    expect(await listing()).toBe(before);
  });

  it('restarts its units while a download works, and changes no rule', async () => {
    const listing = () => machine.must('ip netns exec edge nft -a list table inet pinhole');
    const before = await listing();
    await machine.must(`systemctl restart --no-block ${UNITS}`);
    expect(await lab('fetch', 'passive')).toEqual({ status: 0, output: FILE });
    await machine.must(`systemctl restart ${UNITS}`);
    expect(await allActive()).toBe(HELPERS);
    expect(await listing()).toBe(before);
  });

  it('is there again after a reboot, as soon as the namespaces are', async () => {
    await machine.reboot();
    await machine.must('until nft list table inet pinhole; do sleep 1; done');
    expect((await lab('build')).output).toBe('');
    expect(await allActive()).toBe(HELPERS);
    for (const way of WAYS) expect(await lab('fetch', way)).toEqual({ status: 0, output: FILE });
  });

  it("has a doctor that reads the rules of all programs with this release's nft, and lets FTP and TFTP pass", async () => {
    const { output } = await machine.run('pinhole doctor edge --json 2>/dev/null');
    const found = JSON.parse(output) as { check: string; result: string; detail: string }[];
    for (const name of ['ftp', 'tftp']) {
      const about = found.filter(({ check }) => check.startsWith(`${name} `));
      expect(about.filter(({ result }) => result === 'problem')).toEqual([]);
      expect(about.length).toBeGreaterThan(2);
    }
  });

  it('leaves no table, no file and no account after a purge', async () => {
    expect(await tables()).toContain('pinhole');
    await machine.must(`systemctl disable --quiet --now ${UNITS} && pinhole purge`);
    expect(await tables()).not.toContain('pinhole');
    await machine.must('dpkg --purge pinhole');
    expect(
      (
        await machine.run(
          'ls -d /var/lib/pinhole /etc/pinhole /run/pinhole /usr/lib/pinhole 2>/dev/null; getent passwd pinhole pinhole-kernel',
        )
      ).output,
    ).toBe('');
  });
});
