import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PinholeError } from '../../src/model/errors.ts';
import { encodeFrame, FrameDecoder } from '../../src/sockets/frames.ts';
import { runs } from '../support/runs.ts';

/** The bytes in pieces that end at any place. */
function pieces(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].toSorted((a, b) => a - b);
  return at.slice(1).map((end, index) => bytes.subarray(at[index], end));
}

describe('law: a receiver gets the messages that were sent', () => {
  it('in order and whole, however the stream is cut', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue({ maxDepth: 2 }), { maxLength: 5 }), fc.array(fc.nat(), { maxLength: 8 }), (messages, cuts) => {
        const sent = messages.map((message) => JSON.parse(JSON.stringify(message)));
        const decoder = new FrameDecoder();
        const stream = Buffer.concat(sent.map((message) => encodeFrame(message)));
        expect(pieces(stream, cuts).flatMap((piece) => decoder.push(piece))).toEqual(sent);
      }),
      runs(),
    );
  });

  it('byte by byte', () => {
    const decoder = new FrameDecoder();
    const frames = Buffer.concat([encodeFrame({ a: 'ä' }), encodeFrame([1])]);
    expect([...frames].flatMap((byte) => decoder.push(Buffer.of(byte)))).toEqual([{ a: 'ä' }, [1]]);
  });
});

describe('FrameDecoder', () => {
  it('takes any bytes for messages, or says once what is wrong with them', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 12 }), { maxLength: 6 }), (chunks) => {
        const decoder = new FrameDecoder(64);
        try {
          for (const chunk of chunks) decoder.push(Buffer.from(chunk));
        } catch (error) {
          expect(error).toBeInstanceOf(PinholeError);
          expect(error).toMatchObject({ code: expect.stringMatching(/^(too-large|invalid-message)$/) });
        }
      }),
      runs(),
    );
  });

  it('refuses a length over its limit before the message is there', () => {
    const head = Buffer.alloc(4);
    head.writeUInt32BE(65);
    expect(() => new FrameDecoder(64).push(head)).toThrow('a message of 65 bytes is over the limit of 64');
  });

  it('refuses what is no UTF-8, and what is no JSON', () => {
    for (const body of [Buffer.of(0x22, 0xff, 0x22), Buffer.from('{')]) {
      const head = Buffer.alloc(4);
      head.writeUInt32BE(body.length);
      expect(() => new FrameDecoder().push(Buffer.concat([head, body]))).toThrow('a message is not JSON in UTF-8');
    }
  });
});

describe('encodeFrame', () => {
  it('counts bytes, not characters, against its limit', () => {
    expect(encodeFrame('äää', 8).length).toBe(12);
    expect(() => encodeFrame('ääää', 8)).toThrow('a message of 10 bytes is over the limit of 8');
  });
});
