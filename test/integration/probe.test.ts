import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { type Service, writeQuestion } from '../../src/probe/channel.ts';
import { type PathReport, probePath } from '../../src/probe/client.ts';
import { ClientChannel } from '../../src/probe/client-channel.ts';
import { writePort } from '../../src/probe/ftp.ts';
import { Reflector, type ReflectorOptions } from '../../src/probe/reflector.ts';
import type { Limits } from '../../src/probe/sessions.ts';
import { writeInvite } from '../../src/probe/sip.ts';
import { writeRequest } from '../../src/probe/tftp.ts';
import { trialId } from '../../src/probe/trial-id.ts';
import { PROBED } from '../../src/probe/trials.ts';
import { encodeFrame } from '../../src/sockets/frames.ts';
import { CLI } from '../support/cli-path.ts';
import { eventually } from '../support/eventually.ts';
import { realPorts } from '../support/ports.ts';
import { TestClock } from '../support/test-clock.ts';

/** Ports of these tests. Each test listens at an address of its own on loopback, so that they do not collide. */
const CHANNEL = 9799;
const SERVICES: readonly Service[] = [
  { helper: 'ftp', transport: 'tcp', port: 2121 },
  { helper: 'tftp', transport: 'udp', port: 2069 },
  { helper: 'sip', transport: 'udp', port: 5070 },
  { helper: 'sip', transport: 'tcp', port: 5070 },
  { helper: 'irc', transport: 'tcp', port: 6670 },
];
const DATA_PORTS = { low: 42_000, high: 48_000 };
const PORTS = realPorts;

const open: { close(): unknown }[] = [];
afterEach(() => {
  for (const one of open.splice(0).reverse()) one.close();
});

let next = 10;
/** An address of loopback for each reflector: 127.0.0.0/8 is all ours. */
function freshAddress(): string {
  return `127.77.${process.pid % 250}.${next++}`;
}

async function reflectorAt(address: string, options: Partial<ReflectorOptions> & { clock?: TestClock } = {}): Promise<Reflector> {
  const { clock, ...rest } = options;
  const reflector = new Reflector(
    { addresses: [address], services: SERVICES, channel: { port: CHANNEL }, dataPorts: DATA_PORTS, ...rest },
    clock ? { ...PORTS, clock } : PORTS,
  );
  await reflector.start();
  open.push(reflector);
  return reflector;
}

async function probe(reflector: string, waitMs = 5000): Promise<PathReport> {
  return probePath({ reflector, channel: { port: CHANNEL }, only: PROBED, waitMs, dataPorts: DATA_PORTS }, PORTS);
}

async function session(address: string) {
  const channel = await ClientChannel.open(address, { port: CHANNEL }, 5000, PORTS);
  open.push(channel);
  const { token } = await channel.hello();
  return { channel, trial: (number: number) => trialId(token, number) };
}

async function tcp(
  address: string,
  port: number,
): Promise<{ socket: Socket; text: () => string; say: (line: string) => void; isClosed: () => boolean }> {
  const socket = connect({ host: address, port });
  let text = '';
  let closed = false;
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
  });
  socket
    .on('error', () => undefined)
    .on('close', () => {
      closed = true;
    });
  open.push({ close: () => socket.destroy() });
  await new Promise<void>((resolve) => socket.once('connect', resolve));
  return { socket, text: () => text, say: (line) => socket.write(line, 'latin1'), isClosed: () => closed };
}

async function udp(address: string): Promise<{ socket: UdpSocket; received: Buffer[] }> {
  const socket = createSocket('udp4');
  const received: Buffer[] = [];
  socket.on('message', (message) => received.push(message));
  await new Promise<void>((resolve) => socket.bind(0, address, resolve));
  open.push(socket);
  return { socket, received };
}

describe('a path without anything in it', () => {
  it.each([
    ['IPv4', freshAddress()],
    ['IPv6', '::1'],
  ])('%s: every trial passes, and no ALG is claimed', async (_what, address) => {
    await reflectorAt(address);
    const { trials, own, seen } = await probe(address);
    expect(trials.map(({ trial, data, alg, rewritten }) => [trial.helper, trial.mode, data, alg, rewritten])).toEqual(
      trials.map(({ trial }) => [trial.helper, trial.mode, 'passed', 'unknown', { toReflector: [], toClient: [] }]),
    );
    expect(trials).toHaveLength(address === '::1' ? 5 : 8);
    expect(own).toBe(seen);
  });

  it('several clients at a time have no effect on each other', async () => {
    const address = freshAddress();
    await reflectorAt(address);
    const paths = await Promise.all([probe(address), probe(address), probe(address)]);
    expect(paths.flatMap(({ trials }) => trials.map(({ data }) => data))).toEqual(new Array(24).fill('passed'));
  });

  it('a session leaves nothing behind', async () => {
    const address = freshAddress();
    const reflector = await reflectorAt(address);
    await probe(address);
    await eventually(() => reflector.sessions === 0);
  });
});

describe('a reflector among strangers', () => {
  it('connects to the address that the control connection came from, whatever the announcement says', async () => {
    const address = freshAddress();
    await reflectorAt(address);
    const victim = freshAddress();
    const bystander: Server = createServer();
    let reached = 0;
    bystander.on('connection', () => reached++);
    await new Promise<void>((resolve) => bystander.listen(46_001, victim, resolve));
    open.push(bystander);
    const { channel, trial } = await session(address);
    const control = await tcp(address, 2121);
    control.say(`USER ${trial(1)}\r\n`);
    await eventually(() => control.text().includes('230'));
    control.say(`${writePort({ address: victim, port: 46_001 })}\r\n`);
    await eventually(() => control.text().includes('200'));
    const { outcome, target } = await channel.reach(trial(1), 'announced', 1000);
    expect({ outcome, target }).toEqual({ outcome: 'refused', target: { address: '127.0.0.1', port: 46_001 } });
    expect((await channel.seen(trial(1))).announced).toEqual({ address: victim, port: 46_001 });
    expect(reached).toBe(0);
  });

  it('connects to no port below 1024, and a bounded number of times', async () => {
    const address = freshAddress();
    await reflectorAt(address);
    const { channel, trial } = await session(address);
    for (const [number, port] of [
      [1, 22],
      [2, 46_003],
    ] as const) {
      const control = await tcp(address, 2121);
      control.say(`USER ${trial(number)}\r\n`);
      await eventually(() => control.text().includes('230'));
      control.say(`${writePort({ address: '127.0.0.1', port })}\r\n`);
      await eventually(() => control.text().includes('200'));
    }
    expect(await channel.reach(trial(1), 'announced', 1000)).toMatchObject({ outcome: 'not-tried', why: 'port 22 is below 1024' });
    for (let at = 0; at < 8; at++) expect((await channel.reach(trial(2), 'announced', 1000)).outcome).toBe('refused');
    expect((await channel.reach(trial(2), 'announced', 1000)).outcome).toBe('not-tried');
  });

  it('sends no datagram to a sender that names no session, or whose address is not the session’s', async () => {
    const address = freshAddress();
    await reflectorAt(address);
    const { channel, trial } = await session(address);
    const other = freshAddress();
    const [own, stranger, forged] = [await udp('127.0.0.1'), await udp('127.0.0.1'), await udp(other)];
    const invite = (id: string, from: string) => {
      const client = { address: from, port: 5060 };
      return Buffer.from(writeInvite({ id, transport: 'udp', client, reflector: { address, port: 5070 } }, client), 'latin1');
    };
    stranger.socket.send(invite(`${'0'.repeat(16)}-1`, '127.0.0.1'), 5070, address);
    forged.socket.send(invite(trial(2), other), 5070, address);
    forged.socket.send(Buffer.from(writeRequest(trial(3)), 'latin1'), 2069, address);
    const bytes = invite(trial(1), '127.0.0.1');
    own.socket.send(bytes, 5070, address);
    await eventually(() => own.received.length > 0);
    expect(own.received[0]?.length).toBeLessThanOrEqual(bytes.length);
    // Datagrams to one socket keep their order on loopback: by now the first three have been read.
    expect([stranger.received, forged.received]).toEqual([[], []]);
    for (const number of [2, 3]) {
      expect((await channel.seen(trial(number))).from).toBeNull();
      expect((await channel.reach(trial(number), 'announced', 1000)).outcome).toBe('not-tried');
    }
    expect(forged.received).toEqual([]);
  });

  it('answers the trials of a session to that session alone', async () => {
    const address = freshAddress();
    await reflectorAt(address);
    const [one, another] = [await session(address), await session(address)];
    await expect(another.channel.seen(one.trial(1))).rejects.toThrow('this is no trial of your session');
    await expect(another.channel.reach(one.trial(1), 'announced', 500)).rejects.toThrow('this is no trial of your session');
  });

  it('closes connections that name no trial in time, name an unknown one, or are another protocol', async () => {
    const address = freshAddress();
    const clock = new TestClock();
    await reflectorAt(address, { clock });
    const [silent, channel] = [await tcp(address, 2121), await tcp(address, CHANNEL)];
    await eventually(() => silent.text().includes('220'));
    await clock.advance(5000);
    await eventually(() => silent.isClosed() && channel.isClosed());
    const unknown = await tcp(address, 2121);
    unknown.say(`USER ${'0'.repeat(16)}-1\r\n`);
    const garbage = await tcp(address, 5070);
    garbage.say('x'.repeat(5000));
    await eventually(() => unknown.isClosed() && garbage.isClosed());
  });

  it('opens no data port for a stranger', async () => {
    const address = freshAddress();
    await reflectorAt(address);
    const control = await tcp(address, 2121);
    control.say('PASV\r\n');
    await eventually(() => control.isClosed());
    expect(control.text()).toBe('220 Pinhole probe\r\n');
  });

  it('closes a channel that breaks the framing, sends a frame over the limit, or asks before hello', async () => {
    const address = freshAddress();
    await reflectorAt(address);
    const garbage = await tcp(address, CHANNEL);
    garbage.socket.write(encodeFrame({ sealed: 'bm8=' }));
    const large = await tcp(address, CHANNEL);
    large.socket.write(Buffer.from([0x7f, 0xff, 0xff, 0xff]));
    await eventually(() => garbage.isClosed() && large.isClosed());
    const channel = await ClientChannel.open(address, { port: CHANNEL }, 5000, PORTS);
    open.push(channel);
    await expect(channel.seen(`${'0'.repeat(16)}-1`)).rejects.toThrow('this is no trial of your session');
  });

  it('has room for a bounded number of connections of one address', async () => {
    const address = freshAddress();
    const limits: Partial<Limits> = { controlsPerAddress: 3 };
    await reflectorAt(address, { limits });
    const sockets: Awaited<ReturnType<typeof tcp>>[] = [];
    for (let at = 0; at < 4; at++) sockets.push(await tcp(address, 2121));
    await eventually(() => sockets[3]?.isClosed() === true);
    sockets[0]?.socket.destroy();
    await eventually(async () => {
      const again = await tcp(address, 2121);
      await eventually(() => again.text() !== '' || again.isClosed());
      return again.text() !== '';
    });
  });

  it('closes the channel and the data ports of a session whose time is over', async () => {
    const address = freshAddress();
    const clock = new TestClock();
    await reflectorAt(address, { clock, limits: { sessionMs: 60_000 } });
    const { trial } = await session(address);
    const control = await tcp(address, 2121);
    control.say(`USER ${trial(1)}\r\n`);
    await eventually(() => control.text().includes('230'));
    control.say('EPSV\r\n');
    await eventually(() => control.text().includes('229'));
    const port = Number(/\|\|\|(\d+)\|/.exec(control.text())?.[1]);
    const data = await tcp(address, port);
    await clock.advance(60_000);
    await eventually(() => data.isClosed());
    await expect(connects(address, port)).resolves.toBe(false);
  });

  it('answers at most a bounded number of questions at a time', async () => {
    const address = freshAddress();
    await reflectorAt(address);
    const flood = await tcp(address, CHANNEL);
    for (let id = 0; id < 200; id++) flood.socket.write(encodeFrame(writeQuestion({ ask: 'hello', id, version: 1 })));
    await eventually(() => flood.isClosed());
  });
});

async function connects(address: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port });
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
    open.push({ close: () => socket.destroy() });
  });
}

describe('the commands', () => {
  async function run(...argv: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
    const child = spawn(process.execPath, [CLI, 'probe', ...argv]);
    open.push({ close: () => child.kill('SIGKILL') });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
    return { code, stdout, stderr };
  }

  async function started(...argv: string[]): Promise<{ child: ChildProcess; line: string }> {
    const child = spawn(process.execPath, [CLI, 'probe', 'reflector', ...argv]);
    open.push({ close: () => child.kill('SIGKILL') });
    let line = '';
    child.stdout.on('data', (chunk) => {
      line += chunk;
    });
    await eventually(() => line.includes('\n'));
    return { child, line };
  }

  it('reflector says where it listens; client says what arrived; SIGTERM ends the reflector', async () => {
    const address = freshAddress();
    const flags = ['--ftp', '2121', '--tftp', '2069', '--sip', '5070', '--irc', 'off'];
    const { child, line } = await started('--address', address, '--json', ...flags);
    expect(JSON.parse(line)).toMatchObject({ addresses: [address], channel_port: CHANNEL });
    const { code, stdout } = await run('client', address, '--json', '--only', 'ftp,irc');
    expect(code).toBe(0);
    const { paths, unreachable } = JSON.parse(stdout);
    expect(paths[0].trials.map(({ helper, mode, data }: Record<string, string>) => `${helper} ${mode} ${data}`)).toEqual([
      'ftp PORT passed',
      'ftp EPRT passed',
      'ftp PASV passed',
      'ftp EPSV passed',
    ]);
    expect(unreachable).toEqual([]);
    const ended = new Promise((resolve) => child.on('close', resolve));
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
  });

  it('without a reflector the client ends with exit status 5, and says where it looked', async () => {
    const address = freshAddress();
    const { code, stderr } = await run('client', address);
    expect([code, stderr]).toEqual([5, `pinhole: No reflector at ${address}:${CHANNEL}: connect ECONNREFUSED ${address}:${CHANNEL}.\n`]);
  });

  it('a port in use is named, and so is a wrong flag', async () => {
    const address = freshAddress();
    await started('--address', address, '--ftp', '2121', '--tftp', 'off', '--sip', 'off', '--irc', 'off');
    const again = await run('reflector', '--address', address, '--ftp', '2121');
    expect([again.code, again.stderr]).toEqual([
      1,
      `pinhole: Another program listens on tcp port ${CHANNEL} at ${address}: use another port, or stop it.\n`,
    ]);
    const wrong = await run('client', address, '--only', 'ftp,h323');
    expect([wrong.code, wrong.stderr]).toEqual([2, "pinhole: --only: 'h323' is none of ftp, tftp, sip, irc\n"]);
  });
});
