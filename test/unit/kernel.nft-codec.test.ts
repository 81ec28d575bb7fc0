import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Attributes, attributeList, MessageWriter, messages, NFNL_SUBSYS_NFTABLES } from '../../src/kernel/linux/netlink.ts';
import * as nft from '../../src/kernel/linux/nft-constants.ts';
import {
  decodeChain,
  decodeComment,
  decodeObject,
  decodeRule,
  decodeSetElements,
  Foreign,
  type SetContent,
} from '../../src/kernel/linux/nft-decode.ts';
import { encodeReplacement } from '../../src/kernel/linux/nft-encode.ts';
import { TableReader } from '../../src/kernel/linux/nft-read.ts';
import type { Rule, Table } from '../../src/model/table.ts';
import { attributeListRaw, attributes, NftMemory } from '../support/nft-memory.ts';
import { runs } from '../support/runs.ts';
import { anyTable, renderedTable, rule } from '../support/tables.ts';

const BUFFER = Buffer.alloc(0);

const writer = new MessageWriter();

function written(table: Table | null): { memory: NftMemory; read: () => ReturnType<TableReader['read']> } {
  const memory = new NftMemory();
  memory.commit(encodeReplacement(table, writer).bytes);
  return { memory, read: () => new TableReader(memory, BUFFER).read() };
}

/** A rule's expressions as the kernel dumps them, with its sets. */
function dumped(one: Rule): { expressions: Buffer; sets: Map<string, SetContent> } {
  const { memory } = written({ comment: '', objects: [], chains: [{ name: 'c', rules: [one] }] });
  const sets = new Map<string, SetContent>();
  const dump = (type: number, ask: (out: Parameters<Parameters<typeof attributes>[0]>[0]) => void): Attributes[] => {
    const found: Attributes[] = [];
    memory.dump(request(type, attributes(ask)), BUFFER, (message) => found.push(Attributes.ofMessage(message)));
    return found;
  };
  for (const set of dump(nft.MSG.GETSET, () => undefined)) {
    const name = set.string(nft.SET.NAME);
    sets.set(name, { elements: dump(nft.MSG.GETSETELEM, (out) => out.string(nft.SETELEMS.SET, name)).flatMap(decodeSetElements) });
  }
  const [body] = dump(nft.MSG.GETRULE, () => undefined);
  return { expressions: body?.get(nft.RULE.EXPRESSIONS) ?? BUFFER, sets };
}

function request(type: number, body: Buffer): Buffer {
  const head = Buffer.alloc(20);
  head.writeUInt32LE(head.length + body.length, 0);
  head.writeUInt16LE((NFNL_SUBSYS_NFTABLES << 8) | type, 4);
  return Buffer.concat([head, body]);
}

/** The rule that the bytes say; null where they are none of Pinhole's. Any other error fails the test. */
function decoded(expressions: Buffer, sets: ReadonlyMap<string, SetContent>): Rule | null {
  try {
    return decodeRule(expressions, sets);
  } catch (error) {
    if (error instanceof Foreign) return null;
    throw error;
  }
}

/** Offsets of the bytes that attributes carry: neither heads nor padding. */
function payloadOffsets(data: Buffer, start = 0): number[] {
  const offsets: number[] = [];
  let at = start;
  for (const [type, value] of attributeListRaw(data)) {
    const isNest = (type & 0x8000) !== 0;
    offsets.push(...(isNest ? payloadOffsets(value, at + 4) : Array.from(value, (_, index) => at + 4 + index)));
    at += (4 + value.length + 3) & ~3;
  }
  return offsets;
}

describe('notes for nft', () => {
  /** NFTNL_UDATA_SET_* of libnftnl. With 4, DATA_TYPEOF, nft 0.9.8 calls a reader that it does not have for verdicts. */
  const [KEY_BYTE_ORDER, DATA_BYTE_ORDER, DATA_INTERVAL] = [0, 1, 6];

  function noteTypes(message: Parameters<typeof Attributes.ofMessage>[0]): number[] {
    const notes = Attributes.ofMessage(message).get(nft.SET.USERDATA) ?? BUFFER;
    const types: number[] = [];
    for (let at = 0; at < notes.length; at += 2 + (notes[at + 1] as number)) types.push(notes[at] as number);
    return types;
  }

  it('never say what the data of a map is, of which nft 0.9.8 dies', () => {
    const rules: Rule[] = [
      { matches: [{ kind: 'dport-in', protocol: 'tcp', ports: [2049] }], action: { kind: 'jump-by-helper', entries: [['ftp', 'c']] } },
      { matches: [], action: { kind: 'map-helper', protocol: 'tcp', entries: [[21, 'ftp-tcp']] } },
    ];
    const { bytes } = encodeReplacement({ comment: '', objects: [], chains: [{ name: 'c', rules }] }, writer);
    const sets = [...messages(bytes)].filter(({ type }) => type === ((NFNL_SUBSYS_NFTABLES << 8) | nft.MSG.NEWSET));
    expect(sets.map(noteTypes)).toEqual([
      [KEY_BYTE_ORDER],
      [KEY_BYTE_ORDER, DATA_BYTE_ORDER, DATA_INTERVAL],
      [KEY_BYTE_ORDER, DATA_INTERVAL],
    ]);
  });
});

describe('law: what is written is read back', () => {
  it('holds for any table that the types allow', () => {
    fc.assert(
      fc.property(anyTable, (table) => {
        expect(written(table).read()).toEqual({ generation: 2, table, foreign: [] });
      }),
      runs(),
    );
  });

  it('holds for every table that Pinhole renders, and for none', () => {
    fc.assert(
      fc.property(renderedTable, (table) => {
        expect(written(table).read()).toEqual({ generation: 2, table, foreign: [] });
      }),
      runs(0.3),
    );
  });

  it('holds when a table takes the place of another one', () => {
    fc.assert(
      fc.property(anyTable, fc.option(anyTable), (before, after) => {
        const { memory, read } = written(before);
        memory.commit(encodeReplacement(after).bytes);
        expect(read().table).toEqual(after);
      }),
      runs(0.1),
    );
  });
});

describe('law: no other rule reads as one of ours', () => {
  it('one byte of an expression makes it another rule, or foreign', () => {
    fc.assert(
      fc.property(rule, fc.nat(), fc.integer({ min: 1, max: 255 }), (one, position, difference) => {
        const { expressions, sets } = dumped(one);
        const offsets = payloadOffsets(expressions);
        const at = offsets[position % offsets.length] ?? 0;
        const changed = Buffer.from(expressions);
        changed[at] = (changed[at] ?? 0) ^ difference;
        expect(decoded(changed, sets)).not.toEqual(one);
      }),
      runs(),
    );
  });

  const HEAD = { matches: [], action: { kind: 'drop' } } as const satisfies Rule;
  const ports = { matches: [{ kind: 'dport-in', protocol: 'tcp', ports: [20, 31] }], action: { kind: 'drop' } } as const satisfies Rule;

  /** The rule with the data of its expressions named `name` made anew: `edit` returns what comes behind their attributes. */
  function edited(one: Rule, name: string, more: Buffer): { expressions: Buffer; sets: Map<string, SetContent> } {
    const { expressions, sets } = dumped(one);
    const list = [...attributeList(expressions)].map(([, data]) => new Attributes(data));
    const bytes = attributes((out) => {
      for (const expression of list) {
        out.nest(nft.LIST_ELEM, () => {
          const data = expression.get(nft.EXPR.DATA) ?? BUFFER;
          out.string(nft.EXPR.NAME, expression.string(nft.EXPR.NAME));
          out.attribute(nft.EXPR.DATA | 0x8000, expression.string(nft.EXPR.NAME) === name ? Buffer.concat([data, more]) : data);
        });
      }
    });
    return { expressions: bytes, sets };
  }

  it('tcp dport != { 20, 31 } is not tcp dport { 20, 31 }', () => {
    const { expressions, sets } = edited(
      ports,
      'lookup',
      attributes((out) => out.u32(nft.LOOKUP.FLAGS, 1)),
    );
    expect(decoded(dumped(ports).expressions, dumped(ports).sets)).toEqual(ports);
    expect(decoded(expressions, sets)).toBeNull();
  });

  it('a lookup in a verdict map is no lookup in a set', () => {
    const { expressions, sets } = edited(
      ports,
      'lookup',
      attributes((out) => out.u32(nft.LOOKUP.DREG, nft.REG_VERDICT)),
    );
    expect(decoded(expressions, sets)).toBeNull();
  });

  it('a shift is no mask', () => {
    const one: Rule = { matches: [{ kind: 'ct-state', state: 'new' }], action: HEAD.action };
    const { expressions, sets } = edited(
      one,
      'bitwise',
      attributes((out) => out.u32(nft.BITWISE.OP, 1)),
    );
    expect(decoded(expressions, sets)).toBeNull();
  });

  it('tcp dport { 20-30 } is not tcp dport { 20, 31 }: the end of a range is no port', () => {
    const { expressions, sets } = dumped(ports);
    const element = (port: number, flags: number) =>
      attributes((out) =>
        out.nest(nft.SETELEMS.ELEMENTS, () =>
          out.nest(nft.LIST_ELEM, () => {
            out.nest(nft.ELEM.KEY, () => out.attribute(nft.DATA.VALUE, Buffer.of(0, port)));
            if (flags) out.u32(nft.ELEM.FLAGS, flags);
          }),
        ),
      );
    const range = [element(20, 0), element(31, 1)].flatMap((bytes) => decodeSetElements(new Attributes(bytes)));
    const [name = ''] = sets.keys();
    expect(decoded(expressions, new Map([[name, { elements: range }]]))).toBeNull();
    const plain = [element(20, 0), element(31, 0)].flatMap((bytes) => decodeSetElements(new Attributes(bytes)));
    expect(decoded(expressions, new Map([[name, { elements: plain }]]))).toEqual(ports);
  });

  const expression = (name: string, data: Parameters<typeof attributes>[0]) =>
    attributes((out) =>
      out.nest(nft.LIST_ELEM, () => {
        out.string(nft.EXPR.NAME, name);
        out.nest(nft.EXPR.DATA, () => data(out));
      }),
    );

  it('meta l4proto tcp @th,16,8 21, half a port, is foreign and breaks no read', () => {
    const half = (bytes: Buffer) =>
      expression('cmp', (out) =>
        out
          .u32(nft.CMP.SREG, nft.REG_1)
          .u32(nft.CMP.OP, nft.CMP_OP.EQ)
          .nest(nft.CMP.DATA, () => out.attribute(nft.DATA.VALUE, bytes)),
      );
    const rule = Buffer.concat([
      expression('meta', (out) => out.u32(nft.META.DREG, nft.REG_1).u32(nft.META.KEY, nft.META_KEY.L4PROTO)),
      half(Buffer.of(nft.L4_NUMBER.tcp)),
      expression('payload', (out) =>
        out.u32(nft.PAYLOAD.DREG, nft.REG_1).u32(nft.PAYLOAD.BASE, nft.BASE.TRANSPORT).u32(nft.PAYLOAD.OFFSET, 2).u32(nft.PAYLOAD.LEN, 1),
      ),
      half(Buffer.of(21)),
      dumped(HEAD).expressions,
    ]);
    expect(decoded(rule, new Map())).toBeNull();
  });

  it('iifname "eth*" is not iifname "eth", and a counter is no rule', () => {
    const wildcard = Buffer.concat([
      expression('meta', (out) => out.u32(nft.META.DREG, nft.REG_1).u32(nft.META.KEY, nft.META_KEY.IIFNAME)),
      expression('cmp', (out) =>
        out
          .u32(nft.CMP.SREG, nft.REG_1)
          .u32(nft.CMP.OP, nft.CMP_OP.EQ)
          .nest(nft.CMP.DATA, () => out.attribute(nft.DATA.VALUE, Buffer.from('eth'))),
      ),
      dumped(HEAD).expressions,
    ]);
    expect(decoded(wildcard, new Map())).toBeNull();
    expect(
      decoded(
        expression('counter', () => undefined),
        new Map(),
      ),
    ).toBeNull();
    expect(decoded(Buffer.concat([dumped(HEAD).expressions, dumped(HEAD).expressions]), new Map())).toBeNull();
  });
});

describe('decoders of hostile bytes', () => {
  /** What a rule becomes on the way: cut short, or a run of its bytes written over. */
  const spoilt = fc.tuple(rule, fc.nat(), fc.uint8Array({ maxLength: 12 }), fc.boolean()).map(([one, position, noise, isCut]) => {
    const { expressions, sets } = dumped(one);
    const at = position % expressions.length;
    if (isCut) return { expressions: expressions.subarray(0, at), sets };
    const bytes = Buffer.from(expressions);
    bytes.set(noise.subarray(0, bytes.length - at), at);
    return { expressions: bytes, sets };
  });

  it('give a rule or say foreign, and end', () => {
    fc.assert(
      fc.property(spoilt, ({ expressions, sets }) => {
        decoded(expressions, sets);
      }),
      runs(),
    );
  });

  it('take sets whose elements are anything', () => {
    const elements = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 4 });
    fc.assert(
      fc.property(rule, elements, (one, list) => {
        const { expressions, sets } = dumped(one);
        const read = list.flatMap((bytes) => [
          ...decodeSetElements(new Attributes(Buffer.from(bytes))),
          { key: Buffer.from(bytes), object: '', chain: '' },
        ]);
        decoded(expressions, new Map([...sets.keys()].map((name) => [name, { elements: read }])));
      }),
      runs(),
    );
  });

  it('take any bytes as a chain, an object, a comment', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (raw) => {
        const bytes = Buffer.from(raw);
        expect(typeof decodeComment(bytes)).toBe('string');
        for (const decode of [() => decodeObject(new Attributes(bytes)), () => decodeChain(new Attributes(bytes), [])]) {
          try {
            decode();
          } catch (error) {
            expect(error).toBeInstanceOf(Foreign);
          }
        }
      }),
      runs(),
    );
  });

  it('refuse an object that is no helper, and a base chain that is no filter, drops, or hooks elsewhere', () => {
    const object = attributes((out) => out.string(nft.OBJ.NAME, 'c').u32(nft.OBJ.TYPE, 1));
    expect(() => decodeObject(new Attributes(object))).toThrow(Foreign);
    const chain = (type: string, policy: number, hook: number) =>
      new Attributes(
        attributes((out) => {
          out.string(nft.CHAIN.NAME, 'c').string(nft.CHAIN.TYPE, type).u32(nft.CHAIN.POLICY, policy);
          out.nest(nft.CHAIN.HOOK, () => out.u32(nft.HOOK.HOOKNUM, hook).u32(nft.HOOK.PRIORITY, -150));
        }),
      );
    expect(decodeChain(chain('filter', 1, 2), [])).toEqual({ name: 'c', base: { hook: 'forward', priority: -150 }, rules: [] });
    for (const wrong of [chain('nat', 1, 2), chain('filter', 0, 2), chain('filter', 1, 4)])
      expect(() => decodeChain(wrong, [])).toThrow(Foreign);
  });

  it('reads no comment where there is none', () => {
    expect(decodeComment(undefined)).toBe('');
    expect(decodeComment(Buffer.of(7, 1, 65))).toBe('');
  });
});

describe('TableReader', () => {
  const table: Table = {
    comment: 'stamp',
    objects: [{ name: 'ftp-tcp', type: 'ftp', protocol: 'tcp', family: 'inet' }],
    chains: [{ name: 'assign', rules: [{ matches: [], action: { kind: 'set-helper', object: 'ftp-tcp' } }] }],
  };

  it('reads the stamp alone', () => {
    expect(new TableReader(written(table).memory, BUFFER).comment()).toBe('stamp');
    expect(new TableReader(written(null).memory, BUFFER).comment()).toBeNull();
  });

  it("tells others' rules in our table as foreign, and reads the rest", () => {
    const { memory, read } = written(table);
    memory.addAlienRule(
      'assign',
      attributes((out) => out.nest(nft.LIST_ELEM, () => out.string(nft.EXPR.NAME, 'counter'))),
    );
    expect(read()).toMatchObject({ table, foreign: ['expression counter'] });
  });

  it('reads again when others commit half-way', () => {
    const { memory, read } = written(table);
    let commits = 3;
    memory.onRequest = (type) => {
      if (type === nft.MSG.GETRULE && commits-- > 0) memory.generation++;
    };
    expect(read()).toEqual({ generation: 5, table, foreign: [] });
  });

  it('gives up on a ruleset that never holds still, and does not call it empty', () => {
    const { memory, read } = written(table);
    memory.onRequest = () => {
      memory.generation++;
    };
    expect(read()).toMatchObject({ table: null, foreign: ['the ruleset changes faster than it can be read'] });
  });
});

describe('encodeReplacement', () => {
  it('labels every message by its sequence number, objects by name', () => {
    fc.assert(
      fc.property(anyTable, (table) => {
        const { bytes, labels } = encodeReplacement(table);
        const numbers = [...messages(bytes)].map(({ sequence }) => sequence);
        expect(numbers).toEqual(numbers.map((_, index) => index));
        expect([...labels.keys()]).toEqual(numbers.slice(1, -1));
        expect([...labels.values()].flatMap(({ object }) => object ?? [])).toEqual(table.objects.map(({ name }) => name));
      }),
      runs(0.1),
    );
  });
});
