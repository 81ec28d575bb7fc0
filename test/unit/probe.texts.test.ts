import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as channel from '../../src/probe/channel.ts';
import { CONVERSATIONS } from '../../src/probe/conversations.ts';
import { mediaDatagram } from '../../src/probe/data-port.ts';
import { ENDPOINT, type Endpoint, readPort } from '../../src/probe/endpoint.ts';
import { readActive, readPassive, writeEprt, writeExtendedPassive, writePassive, writePort } from '../../src/probe/ftp.ts';
import { readOffer, writeOffer } from '../../src/probe/irc.ts';
import { cutMessage, MAX_SIP, readMessage, writeAnswer, writeBye, writeInvite } from '../../src/probe/sip.ts';
import { readDatagram, writeData, writeQuiet, writeRequest } from '../../src/probe/tftp.ts';
import { findTrial, MAX_TRIALS, TRIAL_ID, tokenOf, trialId } from '../../src/probe/trial-id.ts';
import { hostileText } from '../support/arbitraries.ts';
import { runs } from '../support/runs.ts';
import { expectShapeLaws, LAW_TIMEOUT_MS } from '../support/shape-laws.ts';

const port = fc.integer({ min: 1, max: 65_535 });
const ipv4: fc.Arbitrary<Endpoint> = fc.record({ address: fc.ipV4(), port });
const ipv6: fc.Arbitrary<Endpoint> = fc.record({ address: fc.ipV6().map((text) => text.toLowerCase()), port });
const endpoint = fc.oneof(ipv4, ipv6);
const hex = fc.string({ minLength: 16, maxLength: 16, unit: fc.constantFrom(...'0123456789abcdef') });
const trial = fc.tuple(hex, fc.integer({ min: 1, max: MAX_TRIALS })).map(([token, number]) => trialId(token, number));
/** Text of one character a byte, as it comes from a socket. */
const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 600 }).map((array) => Buffer.from(array).toString('latin1')),
  hostileText.map((text) => Buffer.from(text).toString('latin1')),
);
const lineEnd = fc.constantFrom('', '\n', '\r\n');

describe('what one end writes the other reads', () => {
  it('FTP: PORT and 227 name an IPv4 endpoint', () => {
    fc.assert(
      fc.property(ipv4, lineEnd, (one, end) => {
        expect(readActive(writePort(one) + end)).toEqual(one);
        expect(readPassive(writePassive(one) + end, 'another')).toEqual(one);
      }),
      runs(),
    );
  });

  it('FTP: EPRT names an endpoint of either family, 229 a port of the peer', () => {
    fc.assert(
      fc.property(endpoint, lineEnd, (one, end) => {
        expect(readActive(writeEprt(one) + end)).toEqual(one);
        expect(readPassive(writeExtendedPassive(one.port) + end, one.address)).toEqual(one);
      }),
      runs(),
    );
  });

  it('IRC: an offer names an IPv4 endpoint', () => {
    fc.assert(
      fc.property(ipv4, lineEnd, (one, end) => {
        expect(readOffer(writeOffer(one) + end)).toEqual(one);
      }),
      runs(),
    );
  });

  it('SIP: INVITE and its answer name where audio is wanted, and are whole messages in a stream', () => {
    fc.assert(
      fc.property(trial, fc.constantFrom('tcp', 'udp'), endpoint, endpoint, bytes, (id, transport, client, media, rest) => {
        const call = { id, transport, client, reflector: { address: client.address, port: 5060 } } as const;
        const invite = writeInvite(call, media);
        expect(cutMessage(invite + rest)).toBe(invite.length);
        expect(cutMessage(invite.slice(0, -1))).toBeNull();
        const read = readMessage(invite);
        expect(read?.media).toEqual(media);
        expect(findTrial(invite)).toBe(id);
        const answer = read && writeAnswer(read, client);
        expect(readMessage(answer ?? '')?.media).toEqual(client);
        expect(readMessage(writeBye(call))?.media).toBeNull();
      }),
      runs(),
    );
  });

  it('TFTP: a request is told from the datagram that no helper reads, and both name the trial', () => {
    fc.assert(
      fc.property(trial, (id) => {
        expect(readDatagram(writeRequest(id))).toBe('request');
        expect(readDatagram(writeQuiet(id))).toBe('quiet');
        for (const text of [writeRequest(id), writeQuiet(id), writeData(id)]) expect(findTrial(text)).toBe(id);
      }),
      runs(),
    );
  });

  it('a trial is found in any text that names it, and belongs to its session', () => {
    fc.assert(
      fc.property(hex, fc.integer({ min: 1, max: MAX_TRIALS }), (token, number) => {
        const id = trialId(token, number);
        expect(id).toMatch(TRIAL_ID);
        expect(findTrial(`USER ${id}\r\n`)).toBe(id);
        expect(tokenOf(id)).toBe(token);
      }),
      runs(),
    );
  });

  it.each(
    Object.entries({
      endpoint: ENDPOINT,
      question: channel.QUESTION,
      welcome: channel.WELCOME,
      seen: channel.SEEN,
      reached: channel.REACHED,
    }),
  )('the channel: %s', (_name, shape) => expectShapeLaws(shape), LAW_TIMEOUT_MS);

  it('the channel: questions, results and errors pass through their frames', () => {
    fc.assert(
      fc.property(trial, fc.nat(), bytes, (id, number, text) => {
        const question = { ask: 'reach', id: number, trial: id, which: 'quiet', wait: 500 } as const;
        expect(channel.readQuestion(channel.writeQuestion(question))).toEqual(question);
        const seen = { received: channel.toBase64(text), sent: '', from: null, at: null, announced: null };
        const { result, error } = channel.readAnswer(channel.writeResult(number, channel.SEEN, seen));
        expect([channel.readResult(channel.SEEN, result), error]).toEqual([seen, null]);
        expect(channel.fromBase64(seen.received)).toBe(text);
        expect(channel.readAnswer(channel.writeError(number, 'no'))).toEqual({ id: number, result: null, error: 'no' });
      }),
      runs(),
    );
  });
});

describe('an ALG that looks for addresses anywhere', () => {
  it('finds none on the channel', () => {
    fc.assert(
      fc.property(endpoint, (one) => {
        const seen = { received: channel.toBase64(writeEprt(one)), sent: '', from: one, at: one, announced: one };
        const frame = JSON.stringify(channel.writeResult(1, channel.SEEN, seen));
        expect(frame).not.toContain(one.address);
      }),
      runs(),
    );
  });
});

describe('no answer over UDP is larger than what came', () => {
  it('whatever the addresses', () => {
    fc.assert(
      fc.property(trial, endpoint, endpoint, (id, client, reflector) => {
        const invite = writeInvite({ id, transport: 'udp', client, reflector }, client);
        const read = readMessage(invite);
        expect(read && writeAnswer(read, reflector).length).toBeLessThanOrEqual(invite.length);
        expect(mediaDatagram(id).length).toBeLessThanOrEqual(invite.length);
        expect(writeData(id).length).toBeLessThanOrEqual(writeRequest(id).length);
      }),
      runs(),
    );
  });
});

describe('hostile texts', () => {
  it('announce nothing, and no reader throws', () => {
    fc.assert(
      fc.property(bytes, (text) => {
        for (const found of [readActive(text), readOffer(text), readPassive(text, '::1'), readMessage(text)?.media ?? null])
          if (found) expect(readPort(String(found.port))).toBe(found.port);
        const length = cutMessage(text);
        if (typeof length === 'number') expect(length).toBeLessThanOrEqual(text.length);
      }),
      runs(),
    );
  });

  it.each([
    ['a number above 255', readActive('PORT 10,0,0,256,1,1')],
    ['five numbers', readActive('PORT 10,0,0,1,1')],
    ['port 0', readActive('PORT 10,0,0,1,0,0')],
    ['a family that is not the address’s', readActive('EPRT |1|::1|5000|')],
    ['a port above 65535', readActive('EPRT |1|10.0.0.1|65536|')],
    ['a command after another', readActive('USER x\r\nPORT 10,0,0,1,1,1')],
    ['a name for an address', readActive('EPRT |1|localhost|5000|')],
    ['a passive answer without its code', readPassive('200 (10,0,0,1,1,1)', '::1')],
    ['a DCC address of 33 bits', readOffer('PRIVMSG a :\u0001DCC SEND f 4294967296 5000 1\u0001')],
    ['an offer in a quotation', readOffer('PRIVMSG a :see \u0001DCC SEND f 1 5000 1\u0001')],
    ['a port with letters', readPort('50x')],
  ])('%s announces nothing', (_what, found) => expect(found).toBeNull());

  it('a SIP stream without an end, or with a length beyond all bounds, is given up', () => {
    expect(cutMessage('x'.repeat(MAX_SIP + 1))).toBe('broken');
    expect(cutMessage('INVITE sip:a SIP/2.0\r\nContent-Length: 99999\r\n\r\n')).toBe('broken');
  });
});

describe('the reflector’s side of a conversation', () => {
  const opened = { address: '192.0.2.9', port: 50_000 };
  async function converse(helper: keyof typeof CONVERSATIONS, text: string) {
    const heard: Endpoint[] = [];
    const answer = await CONVERSATIONS[helper].answer(text, { hear: (one) => void heard.push(one), open: async () => opened });
    return { answer, heard };
  }

  it('FTP: understands active and passive, and refuses the rest', async () => {
    expect(await converse('ftp', 'PORT 10,0,0,1,195,80\r\n')).toEqual({
      answer: '200 Command okay\r\n',
      heard: [{ address: '10.0.0.1', port: 50_000 }],
    });
    expect((await converse('ftp', 'eprt |2|2001:db8::1|50000|\r\n')).heard).toEqual([{ address: '2001:db8::1', port: 50_000 }]);
    expect((await converse('ftp', 'PASV\r\n')).answer).toBe('227 Entering Passive Mode (192,0,2,9,195,80)\r\n');
    expect((await converse('ftp', 'EPSV\r\n')).answer).toBe('229 Entering Extended Passive Mode (|||50000|)\r\n');
    expect((await converse('ftp', 'PORT x\r\n')).answer).toBe('501 Not understood\r\n');
    expect((await converse('ftp', 'DELE x\r\n')).answer).toBe('502 Not implemented\r\n');
    expect((await converse('ftp', 'USER x\r\n')).answer).toBe('230 Logged in\r\n');
  });

  it('IRC: welcomes, and hears offers', async () => {
    expect((await converse('irc', 'USER x 0 * :probe\r\n')).answer).toBe(':pinhole 001 probe :Welcome\r\n');
    const offer = await converse('irc', `${writeOffer({ address: '10.0.0.1', port: 50_000 })}\r\n`);
    expect(offer).toEqual({ answer: ':pinhole NOTICE probe :heard\r\n', heard: [{ address: '10.0.0.1', port: 50_000 }] });
    expect((await converse('irc', 'PRIVMSG a :hi\r\n')).answer).toBe(':pinhole NOTICE probe :not understood\r\n');
    expect((await converse('irc', 'NICK a\r\n')).answer).toBe('');
  });

  it('SIP: answers an INVITE that announces audio, and nothing else', async () => {
    const call = { id: 'a', transport: 'udp', client: opened, reflector: opened } as const;
    expect((await converse('sip', writeInvite(call, opened))).heard).toEqual([opened]);
    expect(await converse('sip', writeBye(call))).toEqual({ answer: '', heard: [] });
    expect(await converse('sip', 'hello')).toEqual({ answer: '', heard: [] });
  });

  it('lines have an end', () => {
    const { cut } = CONVERSATIONS.ftp;
    expect([cut('USER'), cut('USER x\r\nPASV'), cut('x'.repeat(513))]).toEqual([null, 8, 'broken']);
  });
});
