import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HOST_NETNS } from '../../src/contract/netns.ts';
import { loadLibc } from '../../src/kernel/linux/libc.ts';
import { LocalOpener } from '../../src/kernel/linux/opener.ts';
import { RemoteOpener } from '../../src/kernel/linux/remote-opener.ts';
import { ownPrefix, ScratchNetwork } from '../../src/lab/scratch-network.ts';
import { eventually } from '../support/eventually.ts';
import { TestPinhole } from '../support/pinhole.ts';
import { realPorts } from '../support/ports.ts';
import { startOpener } from '../support/real-kernel.ts';

const PREFIX = `${ownPrefix('pht')}-op`;

/** Sends messages to a socket as some user, and prints what comes back; `gone` for a connection that ended. */
const CLIENT = `import json, socket, sys
for message in json.loads(sys.argv[2]):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.settimeout(10)
    try:
        s.connect(sys.argv[1])
        s.send(bytes(message))
        data, fds, flags, peer = socket.recv_fds(s, 16384, 8)
        print(len(fds), data.decode() or 'gone')
    except (ConnectionError, PermissionError) as error: print(0, 'gone')`;

describe('the opener', () => {
  const network = new ScratchNetwork(PREFIX);
  const directory = mkdtempSync(join(tmpdir(), 'pht-opener-'));
  const libc = loadLibc();
  let process_: Awaited<ReturnType<typeof startOpener>>;

  beforeAll(async () => {
    await network.addHost('a');
    process_ = await startOpener(PREFIX, directory);
  });
  afterAll(async () => {
    await process_.stop();
    await network.destroy();
    rmSync(directory, { recursive: true });
  });

  const send = async (messages: readonly (readonly number[])[], user = 0) => {
    const argv = ['--reuid', String(user), '--clear-groups', '/usr/bin/python3', '-c', CLIENT, process_.socket, JSON.stringify(messages)];
    return (await promisify(execFile)('setpriv', argv)).stdout.trim().split('\n');
  };
  const text = (value: unknown) => [...Buffer.from(JSON.stringify(value))];

  it('opens sockets in the namespaces of its configuration only', async () => {
    const other = new ScratchNetwork(`${ownPrefix('pht')}-no`);
    try {
      await other.addHost('b');
      const answers = await send([
        text({ ask: 'open', netns: network.netns('a'), kinds: ['netfilter', 'lock'] }),
        text({ ask: 'open', netns: other.netns('b'), kinds: ['netfilter'] }),
        text({ ask: 'allRules', netns: other.netns('b') }),
        text({ ask: 'open', netns: `${PREFIX}-absent`, kinds: ['netfilter'] }),
        text({ ask: 'open', netns: `../netns/${PREFIX}-a`, kinds: ['netfilter'] }),
      ]);
      expect(answers[0]).toMatch(/^2 .*"is":"opened"/);
      expect(answers.slice(1).map((answer) => /^0 .*"code":"([^"]+)"/.exec(answer)?.[1])).toEqual([
        'netns-denied',
        'netns-denied',
        'netns-not-found',
        'invalid-message',
      ]);
    } finally {
      await other.destroy();
    }
  });

  it('answers the users of its options only, also where the socket lets others in', async () => {
    await promisify(execFile)('chmod', ['777', directory, process_.socket]);
    expect(await send([text({ ask: 'openNew' })], 65_533)).toEqual(['0 gone']);
    expect(await send([text({ ask: 'openNew' })])).toEqual(['1 {"is":"done"}']);
  });

  it('survives garbage, and closes what is sent beside it', async () => {
    const garbage = [
      [0],
      [...Buffer.from('{')],
      text({ ask: 'fork' }),
      text([]),
      text({ ask: 'open', netns: '/', kinds: Array(5).fill('lock') }),
    ];
    const answers = await send([...garbage, text({ ask: 'host' })]);
    expect(answers.slice(0, -1).every((answer) => answer.includes('"is":"failed"'))).toBe(true);
    expect(answers.at(-1)).toContain('"is":"host"');
  });

  it('sees the same as a process that enters namespaces itself', async () => {
    const local = new LocalOpener(libc);
    const remote = new RemoteOpener(libc, process_.socket, realPorts.clock);
    try {
      await network.nft('a', 'table inet theirs { chain c { type filter hook input priority 0; }; }');
      expect(remote.host()).toEqual(local.host());
      for (const netns of [network.netns('a'), HOST_NETNS]) {
        expect(remote.inode(netns)).toBe(local.inode(netns));
        const [here, there] = await Promise.all([local.allRules(netns), remote.allRules(netns)]);
        expect({ ...there, network: null }).toEqual({ ...here, network: null });
      }
      expect((await remote.allRules(network.netns('a'))).listing).toContain('table inet theirs');
    } finally {
      local.close();
      remote.close();
    }
  });

  it('costs new namespaces their time only, while it is stopped: what is served stays ACTIVE', async () => {
    const pinhole = new TestPinhole(PREFIX);
    try {
      await pinhole.start();
      const served = await pinhole.addRouter(network.netns('a'));
      await pinhole.addHelper(served.id, 'ftp', 'tcp', 21);
      await pinhole.settled(served.id);
      const [opener, kernel] = (['opener', 'kernel'] as const).map((name) => pinhole.instance.pids().get(name) as number) as [
        number,
        number,
      ];
      process.kill(opener, 'SIGSTOP');
      await network.addHost('late');
      const late = await pinhole.addRouter(network.netns('late'));
      await pinhole.addHelper(late.id, 'ftp', 'tcp', 21);
      const first = async (id: string) => (await pinhole.status(id)).helpers[0]?.families[0];
      await eventually(async () => (await first(late.id))?.reason.includes('pinhole opener') === true, {
        what: 'the cause is told',
        timeoutMs: 30_000,
      });
      await pinhole.addHelper(served.id, 'tftp', 'udp', 69);
      const isActive = async (id: string) =>
        (await pinhole.status(id)).helpers.every(({ families }) => families.every(({ status }) => status === 'ACTIVE'));
      await eventually(() => isActive(served.id), { what: 'a served router is changed meanwhile', timeoutMs: 30_000 });
      expect(pinhole.instance.pids().get('kernel')).toBe(kernel);
      // The supervisor ends it, or the test lets it go on: the router is served either way.
      if (pinhole.instance.pids().get('opener') === opener) process.kill(opener, 'SIGCONT');
      await eventually(() => isActive(late.id), { what: 'the late router is served', timeoutMs: 60_000 });
      expect(pinhole.instance.pids().get('kernel')).toBe(kernel);
    } finally {
      await pinhole.stop();
    }
  }, 180_000);
});
