import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Attributes, attributeList, MessageWriter, messages } from '../../src/kernel/linux/netlink.ts';

const attribute = fc.oneof(
  fc.record({ kind: fc.constant('u8' as const), value: fc.integer({ min: 0, max: 0xff }) }),
  fc.record({ kind: fc.constant('u16' as const), value: fc.integer({ min: 0, max: 0xffff }) }),
  fc.record({ kind: fc.constant('u32' as const), value: fc.integer({ min: 0, max: 0xffffffff }) }),
  fc.record({ kind: fc.constant('u64' as const), value: fc.maxSafeNat() }),
  fc.record({ kind: fc.constant('string' as const), value: fc.stringMatching(/^[ -~]{0,300}$/) }),
);

describe('MessageWriter', () => {
  it('writes what Attributes reads, however often its buffer has to grow on the way', () => {
    fc.assert(
      fc.property(fc.array(attribute, { minLength: 1, maxLength: 40 }), fc.integer({ min: 0, max: 17_000 }), (list, before) => {
        const out = new MessageWriter();
        out.begin(1, 0, { family: 1, sequence: 7 }).attribute(1, Buffer.alloc(before));
        list.forEach(({ kind, value }, index) => {
          if (kind === 'string') out.string(index + 2, value);
          else out[kind](index + 2, value);
        });
        const [message] = [...messages(out.end().bytes())];
        const read = Attributes.ofMessage(message as NonNullable<typeof message>);
        for (const [index, { kind, value }] of list.entries()) expect(read[kind](index + 2)).toBe(value);
      }),
    );
  });

  it.each(['u8', 'u16', 'u32', 'u64'] as const)('writes a %s that is the first thing past the end of its buffer', (kind) => {
    for (let filler = 16_300; filler < 16_390; filler++) {
      const out = new MessageWriter();
      out.begin(1, 0, { family: 1, sequence: 7 }).attribute(1, Buffer.alloc(filler));
      expect(Attributes.ofMessage([...messages(out[kind](2, 5).end().bytes())][0] as never)[kind](2)).toBe(5);
    }
  });
});

describe('readers of netlink', () => {
  it('take any bytes without an error or an endless loop', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        const data = Buffer.from(bytes);
        for (const message of messages(data)) Attributes.ofMessage(message);
        expect([...attributeList(data)].length).toBeLessThanOrEqual(100);
      }),
    );
  });
});
