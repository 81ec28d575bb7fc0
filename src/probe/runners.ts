import { PORT } from '../contract/primitives.ts';
import type { Protocol } from '../model/catalogue.ts';
import { PinholeError } from '../model/errors.ts';
import type { Ports } from '../ports/ports.ts';
import type { Service, Which } from './channel.ts';
import type { ClientChannel } from './client-channel.ts';
import { type Control, TcpControl, UdpControl } from './control-client.ts';
import { type Awaited, type DataPair, DataPort, mediaDatagram, openPair, type PortRange, QUIET_DISTANCE } from './data-port.ts';
import type { Endpoint } from './endpoint.ts';
import { readPassive, writeEprt, writePort } from './ftp.ts';
import { writeOffer } from './irc.ts';
import { connectAndSay } from './reach.ts';
import { LOWEST_TARGET } from './reflector.ts';
import { cutMessage, readMessage, writeBye, writeInvite } from './sip.ts';
import { writeQuiet, writeRequest } from './tftp.ts';
import type { Mode, Trial } from './trials.ts';
import type { Hole, Passage } from './verdict.ts';

/** What a trial is run with. */
export interface Run {
  readonly trial: Trial;
  /** The name of the trial. */
  readonly id: string;
  readonly service: Service;
  /** The client's own address, and the reflector's, as the client knows them. */
  readonly own: string;
  readonly reflector: string;
  readonly channel: ClientChannel;
  /** Milliseconds to wait for each answer. */
  readonly waitMs: number;
  readonly dataPorts: PortRange;
  readonly ports: Ports;
}

/** What a trial did, as the client knows it. */
export interface Told {
  /** Why the control connection gave no answer; null: it did. */
  broken: string | null;
  /** The client's end of the control connection; null: there is none. */
  own: Endpoint | null;
  sent: string;
  received: string;
  holes: Hole[];
}

/** Datagrams are lost without a reason, so each is sent up to this many times. */
const ATTEMPTS = 3;

/** Runs a trial. It rejects only where the system or the channel fails. */
export async function runTrial(run: Run): Promise<Told> {
  const { mode } = run.trial;
  return mode === 'read' ? tftp(run) : converse(run, RUNNERS[mode]);
}

type Runner = (run: Run, control: Control) => Promise<Hole[]>;

/** What is done on the control connection, by the way of announcing. Each returns the holes that it tried. */
const RUNNERS: Readonly<Record<Exclude<Mode, 'read'>, Runner>> = {
  PORT: (run, control) => ftpActive(run, control, writePort),
  EPRT: (run, control) => ftpActive(run, control, writeEprt),
  PASV: ftpPassive,
  EPSV: ftpPassive,
  INVITE: sip,
  'DCC SEND': irc,
};

/** Runs a trial on a control connection, and keeps what was said on it. */
async function converse(run: Run, runner: Runner): Promise<Told> {
  const { trial, service, reflector, own, waitMs, ports } = run;
  const to = { address: reflector, port: service.port };
  const patience = { waitMs, clock: ports.clock };
  const told: Told = { broken: null, own: null, sent: '', received: '', holes: [] };
  let control: Control | null = null;
  try {
    control = await (trial.transport === 'tcp' ? TcpControl.open(to, own, patience) : UdpControl.open(to, own, patience));
    told.own = control.own;
    told.holes = await runner(run, control);
  } catch (error) {
    if (!(error instanceof PinholeError) || !['timeout', 'unreachable'].includes(error.code)) throw error;
    told.broken = error.message;
  } finally {
    told.sent = control?.sent ?? '';
    told.received = control?.received ?? '';
    control?.close();
  }
  return told;
}

async function ftpActive(run: Run, control: Control, write: (endpoint: Endpoint) => string): Promise<Hole[]> {
  await login(run, control);
  return withPair(run, 'tcp', async (pair) => {
    await exchange(control, write({ address: control.own.address, port: pair.announced.port }), '200');
    return [await toClient(run, 'tcp', pair)];
  });
}

async function ftpPassive(run: Run, control: Control): Promise<Hole[]> {
  await login(run, control);
  const { mode } = run.trial;
  const answer = await exchange(control, mode, mode === 'PASV' ? '227' : '229');
  const target = readPassive(answer, run.reflector);
  if (!target) throw new PinholeError('unreachable', `the answer to ${mode} names no port`);
  return [await toReflector(run, 'tcp', target.port)];
}

async function login(run: Run, control: Control): Promise<void> {
  await line(control, 'the greeting', '220');
  await exchange(control, `USER ${run.id}`, '230');
}

async function irc(run: Run, control: Control): Promise<Hole[]> {
  await exchange(control, `USER ${run.id} 0 * :probe`, ':');
  return withPair(run, 'tcp', async (pair) => {
    await exchange(control, writeOffer({ address: control.own.address, port: pair.announced.port }), ':');
    return [await toClient(run, 'tcp', pair)];
  });
}

async function sip(run: Run, control: Control): Promise<Hole[]> {
  const reflector = { address: run.reflector, port: run.service.port };
  const call = { id: run.id, transport: run.trial.transport, client: control.own, reflector };
  return withPair(run, 'udp', async (pair) => {
    control.say(writeInvite(call, { address: control.own.address, port: pair.announced.port }));
    const answer = await control.hear('INVITE', (text) => {
      const length = cutMessage(text);
      return typeof length === 'number' ? { value: readMessage(text.slice(0, length)), length } : null;
    });
    if (!answer?.media) throw new PinholeError('unreachable', 'the answer to INVITE names no port');
    const holes = await Promise.all([toClient(run, 'udp', pair), toReflector(run, 'udp', answer.media.port)]);
    control.sayLast(writeBye(call));
    return holes;
  });
}

/** The answer to a request comes from a new port. A second port sends what no helper reads: its answer shows a path that is open. */
async function tftp(run: Run): Promise<Told> {
  const to = { address: run.reflector, port: run.service.port };
  const awaited = { trial: run.id, from: null, isEcho: false };
  const [announced, quiet] = [await anyPort(run, awaited), await anyPort(run, awaited)];
  const sent = writeRequest(run.id);
  try {
    const send = () => {
      announced.send(Buffer.from(sent, 'latin1'), to);
      quiet.send(Buffer.from(writeQuiet(run.id), 'latin1'), to);
    };
    const own = { address: run.own, port: announced.port };
    const told = { own, sent, received: '' };
    if (!(await arrives(run, send))) return { ...told, broken: `no request arrived at udp port ${to.port}`, holes: [] };
    const hole = await toClient(run, 'udp', { announced, quiet }, send);
    return { ...told, broken: null, holes: [hole] };
  } finally {
    announced.close();
    quiet.close();
  }
}

async function anyPort({ own }: Run, awaited: Awaited): Promise<DataPort> {
  const port = await DataPort.open('udp', { address: own, port: 0 }, awaited);
  if (!port) throw new Error('no free port');
  return port;
}

/** Sends until the reflector has seen it. */
async function arrives({ id, channel, waitMs, ports }: Run, send: () => void): Promise<boolean> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    send();
    // The channel is another connection, and may be faster.
    for (const part of [0.02, 0.08, 0.23]) {
      if ((await channel.seen(id)).from) return true;
      await ports.clock.sleep(waitMs * part);
    }
  }
  return (await channel.seen(id)).from !== null;
}

/** Runs work with a pair of data ports of the client's. */
async function withPair<T>(run: Run, transport: Protocol, work: (pair: DataPair) => Promise<T>): Promise<T> {
  const awaited = { trial: run.id, from: null, isEcho: false };
  const pair = await openPair(transport, run.own, awaited, { range: run.dataPorts, chance: run.ports.chance });
  try {
    return await work(pair);
  } finally {
    pair.announced.close();
    pair.quiet.close();
  }
}

/** Lets the reflector come to both ports. @param before runs before each attempt over UDP */
async function toClient(run: Run, transport: Protocol, pair: DataPair, before?: () => void): Promise<Hole> {
  const knock = transport === 'tcp' ? knockTcp : knockUdp;
  const [announced, quiet] = await Promise.all([knock(run, 'announced', pair.announced, before), knock(run, 'quiet', pair.quiet, before)]);
  const target = announced.target ?? { address: run.own, port: pair.announced.port };
  return { direction: 'to-client', target, announced: announced.passage, quiet: quiet.passage };
}

interface Knock {
  readonly passage: Passage;
  readonly target: Endpoint | null;
}

async function knockTcp({ id, channel, waitMs, ports }: Run, which: Which, port: DataPort): Promise<Knock> {
  const { outcome, target } = await channel.reach(id, which, waitMs);
  if (outcome === 'not-tried') return { passage: 'untried', target };
  // What the reflector sent before it answered may still be on its way.
  if (outcome === 'connected') return { passage: (await port.heard(waitMs, ports.clock)) ? 'passed' : 'silent', target };
  if (port.isHeard) return { passage: 'passed', target };
  return { passage: outcome === 'refused' ? 'refused' : 'silent', target };
}

async function knockUdp({ id, channel, waitMs, ports }: Run, which: Which, port: DataPort, before?: () => void): Promise<Knock> {
  let isSent = false;
  let target: Endpoint | null = null;
  for (let attempt = 0; attempt < ATTEMPTS && !port.isHeard; attempt++) {
    if (attempt > 0) before?.();
    const reached = await channel.reach(id, which, waitMs);
    isSent ||= reached.outcome === 'sent';
    target = reached.target ?? target;
    await port.heard(waitMs / ATTEMPTS, ports.clock);
  }
  return { passage: port.isHeard ? 'passed' : isSent ? 'silent' : 'untried', target };
}

/**
 * Goes to the announced port of the reflector and to the other one: always at the address that the client knows, whatever the
 * announcement says, because a reflector may be hostile too.
 */
async function toReflector(run: Run, transport: Protocol, port: number): Promise<Hole> {
  const target = { address: run.reflector, port };
  if (port < LOWEST_TARGET || port + QUIET_DISTANCE > PORT.max)
    return { direction: 'to-reflector', target, announced: 'untried', quiet: 'untried' };
  const go = transport === 'tcp' ? goTcp : goUdp;
  const [announced, quiet] = await Promise.all([go(run, target), go(run, { ...target, port: port + QUIET_DISTANCE })]);
  return { direction: 'to-reflector', target, announced, quiet };
}

async function goTcp({ id, own, waitMs, ports }: Run, target: Endpoint): Promise<Passage> {
  const said = `${id}\n`;
  const { outcome } = await connectAndSay(target, { address: own, port: 0 }, said, { waitMs, clock: ports.clock, answer: said });
  return outcome === 'connected' ? 'passed' : outcome;
}

async function goUdp(run: Run, target: Endpoint): Promise<Passage> {
  const port = await anyPort(run, { trial: run.id, from: run.reflector, isEcho: false });
  try {
    for (let attempt = 0; attempt < ATTEMPTS && !port.isHeard; attempt++) {
      port.send(mediaDatagram(run.id), target);
      await port.heard(run.waitMs / ATTEMPTS, run.ports.clock);
    }
    return port.isHeard ? 'passed' : 'silent';
  } finally {
    port.close();
  }
}

/** Says a line and waits for the answer's first line. @param start which an answer that goes on has */
async function exchange(control: Control, text: string, start: string): Promise<string> {
  control.say(`${text}\r\n`);
  return line(control, text.split(' ', 1)[0] ?? '', start);
}

/** @throws PinholeError `unreachable` for a line that does not begin with `start` */
async function line(control: Control, what: string, start: string): Promise<string> {
  const found = await control.hear(what, (text) => {
    const end = text.indexOf('\n');
    return end < 0 ? null : { value: text.slice(0, end).trimEnd(), length: end + 1 };
  });
  if (!found.startsWith(start)) throw new PinholeError('unreachable', `${what}: the answer is '${found.slice(0, 60)}'`);
  return found;
}
