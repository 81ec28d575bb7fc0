import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { errorToData } from '../../src/model/errors.ts';
import { silentLogger } from '../../src/ports/logger.ts';
import { FramedSocket } from '../../src/sockets/framed-socket.ts';
import { encodeFrame, FrameDecoder } from '../../src/sockets/frames.ts';
import { TestClock } from '../support/test-clock.ts';

/** A socket in memory: what is written to it is kept, or, while `stuck`, stays unread. */
class Wire extends Duplex {
  readonly received: unknown[] = [];
  stuck = false;
  readonly #decoder = new FrameDecoder();

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    if (this.stuck) return;
    this.received.push(...this.#decoder.push(chunk));
    done();
  }
}

function open(limits: { maxReceived?: number; maxSent?: number; maxBacklog?: number } = {}) {
  const wire = new Wire();
  const messages: unknown[] = [];
  const warnings: string[] = [];
  let closed = false;
  const socket = new FramedSocket(wire as unknown as Socket, {
    name: 'the other end',
    logger: { ...silentLogger, warn: (_fields, text) => void warnings.push(text) },
    maxBacklog: 1_000,
    ...limits,
    onMessage: (message) => {
      if (message === 'bad') throw new Error('not a message that is known here');
      messages.push(message);
    },
    onClose: () => {
      closed = true;
    },
  });
  return { wire, socket, messages, warnings, isClosed: () => closed };
}

const settle = () => new TestClock().settle();

describe('a framed socket', () => {
  it('carries messages both ways, however their bytes are cut', async () => {
    const { wire, socket, messages } = open();
    socket.send({ a: 1 });
    socket.send('ü');
    for (const byte of Buffer.concat([encodeFrame([1, 2]), encodeFrame(null)])) wire.push(Buffer.from([byte]));
    await settle();
    expect(wire.received).toEqual([{ a: 1 }, 'ü']);
    expect(messages).toEqual([[1, 2], null]);
  });

  it.each([
    ['bytes that are no JSON', Buffer.from([0, 0, 0, 1, 0x7b])],
    ['a frame over the limit', encodeFrame('x'.repeat(200))],
    ['a message that its owner does not take', encodeFrame('bad')],
  ])('closes on %s, and tells its owner once', async (_what, bytes) => {
    const { wire, messages, warnings, isClosed } = open({ maxReceived: 100 });
    wire.push(bytes);
    await settle();
    expect([isClosed(), wire.destroyed, messages]).toEqual([true, true, []]);
    expect(warnings).toEqual(['the other end sent an invalid frame; closing its connection']);
  });

  it('cuts off an end that does not read', async () => {
    const { wire, socket, warnings, isClosed } = open({ maxBacklog: 1_000 });
    wire.stuck = true;
    for (let count = 0; count < 3; count++) socket.send('x'.repeat(600));
    await settle();
    expect(isClosed()).toBe(true);
    expect(warnings).toEqual(['the other end does not read; closing its connection']);
    socket.send('after that nothing happens');
  });

  it('refuses to send what is over the limit, and goes on', async () => {
    const { wire, socket } = open({ maxSent: 100 });
    expect(() => socket.send('x'.repeat(200))).toThrow(expect.objectContaining({ code: 'too-large' }));
    socket.send('short');
    await settle();
    expect(wire.received).toEqual(['short']);
  });

  it.each([
    ['is over the limit', 'x'.repeat(200), 'too-large'],
    ['cannot be written as JSON', 1n, 'internal'],
  ])('an answer that %s becomes an answer that says so', async (_what, answer, code) => {
    const { wire, socket } = open({ maxSent: 150 });
    const failed = (error: unknown) => ({ id: 1, code: errorToData(error).code });
    socket.reply({ id: 1, answer }, failed);
    socket.reply({ id: 2 }, failed);
    await settle();
    expect(wire.received).toEqual([{ id: 1, code }, { id: 2 }]);
  });
});
