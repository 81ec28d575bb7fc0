import { execFile, execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { samplesOf } from '../support/docs.ts';
import { eventually } from '../support/eventually.ts';
import { OwnMachine } from '../support/own-machine.ts';
import { PostgresCluster } from '../support/postgres.ts';
import { RabbitNode } from '../support/rabbitmq.ts';

const run = promisify(execFile);
/** Other runs of this test on the same machine have links and addresses of their own. */
const OWN = process.pid % 50_000;
const BRIDGE = `phfi${OWN}b`;
const NETWORK = `198.18.${(OWN % 250) + 1}`;
const MACHINES = ['server-1', 'server-2', 'host-1', 'host-2'] as const;
type Machine = (typeof MACHINES)[number];

const SAMPLES = samplesOf('docs/operations.md');
/** The commands of the page, in its order; each block is one. */
const COMMANDS = SAMPLES.filter(({ mark }) => mark.includes('fleet')).map(({ text }) => text);
const USE = SAMPLES.filter(({ mark }) => mark.includes('fleet-use')).map(({ text }) => text);

/**
 * The commands of docs/operations.md, as they stand but for the address of the database. They run on a machine that has RabbitMQ; the
 * other machines have folders, processes and networks of their own, and are reached by name. `ssh` runs a command there, and
 * `systemctl` starts what a unit starts. RabbitMQ itself runs outside, and reads the files that its machine has got.
 */
describe('a fleet from nothing, by the commands of the page', () => {
  const folder = mkdtempSync(join(tmpdir(), 'phfi-'));
  const rabbit = new RabbitNode();
  const postgres = new PostgresCluster();
  const machines = new Map<Machine, OwnMachine>();
  const path = join(folder, 'path');
  const hosts = [`${NETWORK}.1 mq-1`, ...MACHINES.map((name, index) => `${NETWORK}.${index + 11} ${name}`)].join('\n');
  let database = '';

  beforeAll(async () => {
    chmodSync(folder, 0o755);
    await Promise.all([rabbit.start(), postgres.start()]);
    chmodSync(postgres.directory, 0o755);
    database = await postgres.newDatabase();
    ip('link', 'add', BRIDGE, 'type', 'bridge');
    ip('address', 'add', `${NETWORK}.1/24`, 'dev', BRIDGE);
    ip('link', 'set', BRIDGE, 'up');
    for (const [index, name] of MACHINES.entries()) await addMachine(name, index);
    mkdirSync(path);
    program('rabbitmqctl', [...environment(rabbit), 'exec /usr/lib/rabbitmq/bin/rabbitmqctl "$@"']);
    program('systemctl', [
      `[ "$*" = "restart rabbitmq-server" ]`,
      `cp -r /etc/rabbitmq ${folder}/etc`,
      `touch ${folder}/restart`,
      waits('restart'),
    ]);
    program('ssh', ['machine=$1 script=$2', `read -r pid path < ${folder}/$machine`, enters('$pid', '$path')]);
    program('pinhole', [`exec ${process.execPath} ${join(import.meta.dirname, '../../bin/pinhole')} "$@"`]);
  }, 180_000);
  afterAll(async () => {
    for (const machine of machines.values()) await machine.close();
    removeLinks();
    await rabbit.stop();
    await postgres.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  async function addMachine(name: Machine, index: number): Promise<void> {
    const machine = await new OwnMachine().start();
    machines.set(name, machine);
    const end = endOf(index);
    ip('link', 'add', end, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(machine.pid));
    ip('link', 'set', end, 'master', BRIDGE, 'up');
    const units =
      'case $unit in pinhole-server | pinhole-agent) setsid pinhole "$(cut -c9- <<< $unit)" < /dev/null >> /run/$unit.log 2>&1 & ;; esac';
    writeFileSync(
      join(machine.directory, 'path/systemctl'),
      `#!/bin/bash\n[ "$1 $2" = "enable --now" ] || exit 1\nfor unit in "\${@:3}"; do ${units}; done\n`,
      { mode: 0o755 },
    );
    writeFileSync(join(folder, name), `${machine.pid} ${join(machine.directory, 'path')}\n`);
    const setUp = `echo '${hosts}' >> /etc/hosts; ip address add ${NETWORK}.${index + 11}/24 dev eth0; ip link set eth0 up; ip netns add edge`;
    expect(await machine.run(setUp)).toMatchObject({ code: 0 });
  }

  function program(name: string, lines: readonly string[]): void {
    writeFileSync(join(path, name), `#!/bin/bash\nset -e\n${lines.join('\n')}\n`, { mode: 0o755 });
  }

  /** Runs a script on the machine with RabbitMQ: an `/etc` of its own, whose changes stay in a folder of the test. */
  function onBroker(script: string): Promise<{ stdout: string; stderr: string }> {
    for (const name of ['upper', 'work']) mkdirSync(join(folder, name), { recursive: true });
    const overlay = `lowerdir=/etc,upperdir=${folder}/upper,workdir=${folder}/work`;
    const setUp = `mount -t overlay overlay -o ${overlay} /etc; mkdir -p /etc/rabbitmq; printf '127.0.0.1 localhost\\n%s\\n' '${hosts}' > /etc/hosts`;
    const env = { PATH: `${path}:${process.env['PATH']}`, HOME: folder, LANG: 'C.UTF-8' };
    return run('unshare', ['--mount', 'bash', '--norc', '-euo', 'pipefail', '-c', `${setUp}\ncd ${folder}\n${script}`], { env });
  }

  /** Does what the restart of RabbitMQ's service does: it reads the configuration that is there now. */
  async function restartOnRequest(): Promise<void> {
    await eventually(() => existsSync(join(folder, 'restart')), { what: 'the restart is asked for', timeoutMs: 30_000 });
    const settings = readFileSync(join(folder, 'etc/conf.d/50-pinhole.conf'), 'utf8')
      .replaceAll('/etc/rabbitmq', join(folder, 'etc'))
      .replace('listeners.ssl.default = ', `listeners.ssl.1 = ${NETWORK}.1:`);
    const file = join(rabbit.directory, 'rabbitmq.conf');
    writeFileSync(file, `${readFileSync(file, 'utf8')}${settings}`);
    rabbit.control('stop');
    await rabbit.restart();
    rmSync(join(folder, 'restart'));
  }

  const logs = async () => {
    const texts = await Promise.all(
      [...machines].map(async ([name, machine]) => `${name}: ${(await machine.run('cat /run/*.log || true')).output}`),
    );
    return texts.join('\n').slice(-8_000);
  };

  it('takes at most four commands', () => {
    expect(COMMANDS.length).toBeGreaterThan(0);
    expect(COMMANDS.length).toBeLessThanOrEqual(4);
    expect(USE).toHaveLength(1);
  });

  it('brings up two servers and two agents, which serve routers of both hosts', { timeout: 300_000 }, async () => {
    for (const command of COMMANDS) {
      const given = command.replace('postgresql://pinhole:PASSWORD@db/pinhole', `'${database}'`);
      const restarted = command.includes('systemctl restart rabbitmq-server') ? restartOnRequest() : null;
      await onBroker(given);
      await restarted;
    }
    const [use = ''] = USE;
    const other = use.split('\n')[0]?.replace('server-1', 'server-2');
    for (const asking of [use.split('\n')[0], other]) {
      const isUp = () =>
        onBroker(`${asking}\npinhole router list`).then(
          () => true,
          () => false,
        );
      await eventually(isUp, { what: 'both servers answer', timeoutMs: 60_000 }).catch(async (error) => {
        throw new Error(`${error.message}\n${await logs()}`);
      });
    }
    await onBroker(use);
    await onBroker(`${other}\npinhole router add west --host host-2 --netns edge\npinhole helper add west tftp`);
    const statuses = async () => {
      const { stdout } = await onBroker(`${other}\npinhole status --json`);
      return (JSON.parse(stdout) as { router: { host: string }; helpers: { families: { status: string }[] }[] }[]).flatMap(
        ({ router: { host }, helpers }) => helpers.flatMap(({ families }) => families.map(({ status }) => `${host} ${status}`)),
      );
    };
    let seen: string[] = [];
    const active = async () => {
      seen = await statuses();
      return seen.length === 4 && seen.every((status) => status.endsWith('ACTIVE'));
    };
    await eventually(active, { what: 'all helpers are ACTIVE', timeoutMs: 60_000 }).catch(async (error) => {
      throw new Error(`${error.message}\n${seen.join(', ')}\n${await logs()}`);
    });
    expect(new Set(seen)).toEqual(new Set(['host-1 ACTIVE', 'host-2 ACTIVE']));
    for (const [name, helper] of [
      ['host-1', 'ftp'],
      ['host-2', 'tftp'],
    ] as const)
      expect((await machines.get(name)?.run('ip netns exec edge nft list table inet pinhole'))?.output).toContain(`type "${helper}"`);
  });

  it('keys belong to the user of the processes, and no other user reads them', async () => {
    for (const machine of machines.values()) {
      const { output } = await machine.run('cd /etc/pinhole; stat -c "%n %a %U" key.pem pinhole.yaml cert.pem; stat -c %u key.pem');
      expect(
        output
          .split('\n')
          .slice(0, 3)
          .map((line) => line.split(' ').slice(0, 2).join(' ')),
      ).toEqual(['key.pem 600', 'pinhole.yaml 640', 'cert.pem 644']);
      expect(Number(output.trim().split('\n').at(-1))).toBeGreaterThan(0);
    }
  });

  it('goes on as it is if the first command and the joins are repeated', { timeout: 120_000 }, async () => {
    const [init = '', , ...joins] = COMMANDS;
    const { stdout } = await onBroker(`${init.trim().replace('postgresql://pinhole:PASSWORD@db/pinhole', `'${database}'`)} --json`);
    expect(JSON.parse(stdout)).toMatchObject({ written: [], imported: true });
    for (const join of joins) {
      const joined = await onBroker(join.replace(/ && systemctl[^']*/, ''));
      expect(joined.stdout.match(/: 0 files written/g)).toHaveLength(2);
    }
    expect(rabbit.control('list_permissions', '-p', 'pinhole')).toContain('pinhole-agent-host-2');
  });

  it('leaves the tables of another installation on a host alone, as that does its own', { timeout: 120_000 }, async () => {
    const machine = machines.get('host-1') as OwnMachine;
    const second = async (command: string) => {
      const client = 'export PINHOLE_URL=http://127.0.0.1:19797 PINHOLE_TOKEN=$(cat /run/second/data/admin-token)';
      return machine.run(`${client}\n${command}`);
    };
    const table = async (netns: string) => (await machine.run(`ip netns exec ${netns} nft -a list table inet pinhole`)).output;
    const ofFleet = await table('edge');
    const config = [
      'host: second',
      'listen: 127.0.0.1:19797',
      'agent: { listen: "127.0.0.1:19798" }',
      `kernel: { namespaces: ['*'], host_namespace: false }`,
    ].join('\n');
    await machine.run(`ip netns add own; mkdir /run/second; cat > /run/second/pinhole.yaml <<'END'\n${config}\nEND
setsid pinhole up --config /run/second/pinhole.yaml --data-dir /run/second/data < /dev/null > /run/second.log 2>&1 &`);
    const isUp = async () => (await second('pinhole router add own --netns own && pinhole router add theirs --netns edge')).code === 0;
    await eventually(isUp, { what: 'the second installation takes routers', timeoutMs: 60_000 }).catch(async (error) => {
      throw new Error(`${error.message}\n${(await machine.run('cat /run/second.log')).output.slice(-4_000)}`);
    });
    for (const router of ['own', 'theirs'])
      expect(await second(`pinhole helper add ${router} sip --protocol udp --no-wait`)).toMatchObject({ code: 0 });
    const shown = async () => (await second('pinhole status')).output;
    await eventually(async () => /own +sip .*ACTIVE/.test(await shown()), { what: 'it serves its own namespace', timeoutMs: 30_000 });
    await eventually(async () => /theirs +sip .*ERROR[\s\S]*belongs to installation [0-9a-f]{12}/.test(await shown()), {
      what: 'a reason',
    });
    expect(await table('edge')).toBe(ofFleet);
    const ofSecond = await table('own');
    await onBroker(`${USE[0]?.split('\n')[0]}\npinhole helper add edge tftp`);
    await eventually(async () => (await table('edge')).includes('type "tftp"'), { what: 'the fleet goes on', timeoutMs: 30_000 });
    expect(await table('own')).toBe(ofSecond);
  });

  it('the broker refuses a client without a certificate of the fleet', async () => {
    const connect = (argv: readonly string[]) =>
      run(
        'openssl',
        ['s_client', '-connect', `${NETWORK}.1:5671`, '-CAfile', join(folder, 'fleet/ca.pem'), '-verify_return_error', ...argv],
        { timeout: 5_000 },
      ).then(
        () => 'closed',
        (error) => `${error.stderr}`,
      );
    const own = ['-cert', join(folder, 'fleet/certificates/host-1-cert.pem'), '-key', join(folder, 'fleet/certificates/host-1-key.pem')];
    expect(await connect([])).toMatch(/certificate required|alert/);
    expect(await connect(own)).not.toMatch(/certificate required|alert certificate/);
  });
});

function ip(...argv: string[]): void {
  execFileSync('ip', argv, { stdio: 'pipe' });
}

/** The kernel frees the networks of machines, with the other ends of the links, some time after their processes. */
function removeLinks(): void {
  for (const name of [BRIDGE, ...MACHINES.map((_, index) => endOf(index))]) {
    try {
      ip('link', 'delete', name);
    } catch {
      // There is none.
    }
  }
}

/** The end of a machine's link at the bridge. */
function endOf(index: number): string {
  return `phfi${OWN}l${index + 1}`;
}

function environment(node: RabbitNode): string[] {
  return Object.entries(node.environment()).map(([name, value]) => `export ${name}='${value}'`);
}

function waits(name: string): string {
  return `while [ -e "$(dirname "$0")/../${name}" ]; do sleep 0.1; done`;
}

/** Runs `$script` in the namespaces of another machine, as an ssh session there. */
function enters(pid: string, path: string): string {
  return `export PATH="${path}:$PATH"\nexec nsenter -t "${pid}" -m -n -p --wd=/ bash --norc -euo pipefail -c "$script"`;
}
