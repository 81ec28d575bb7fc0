import { netmaskByte, parseNetwork } from '../../model/address.ts';
import type { Protocol } from '../../model/catalogue.ts';
import { type Action, type Chain, type HelperObject, type Match, type Rule, TABLE_NAME, type Table } from '../../model/table.ts';
import {
  MessageWriter,
  NFNL_BATCH_GENID,
  NFNL_MSG_BATCH_BEGIN,
  NFNL_MSG_BATCH_END,
  NFNL_SUBSYS_NFTABLES,
  NLM_F_ACK,
  NLM_F_APPEND,
  NLM_F_CREATE,
  NLM_F_REQUEST,
} from './netlink.ts';
import * as nft from './nft-constants.ts';

/** A transaction as bytes, with what each message is about by its sequence number: the kernel names a failure by that. */
export interface Batch {
  readonly bytes: Buffer;
  readonly labels: ReadonlyMap<number, Label>;
}

/** What a message is about; `object` where it makes one. */
export interface Label {
  readonly text: string;
  readonly object?: string;
}

/**
 * Replaces `table inet pinhole` as a whole (null: removes it) in one transaction, whatever stands there: adding first makes
 * the deletion valid where there is none. The bytes are those of `writer` and live until its next use.
 * @param generation of the ruleset: once another commit has changed it, the kernel refuses the transaction with ERESTART; 0 for any
 */
export function encodeReplacement(table: Table | null, writer = new MessageWriter(), generation = 0): Batch {
  return new BatchEncoder(writer.reset()).encode(table, generation);
}

class BatchEncoder {
  readonly #out: MessageWriter;
  readonly #labels = new Map<number, Label>();
  #sequence = 0;
  #setId = 0;

  constructor(out: MessageWriter) {
    this.#out = out;
  }

  encode(table: Table | null, generation: number): Batch {
    this.#envelope(NFNL_MSG_BATCH_BEGIN, (out) => generation !== 0 && out.u32(NFNL_BATCH_GENID, generation));
    this.#message(nft.MSG.NEWTABLE, 0, 'table', (out) => out.string(nft.TABLE.NAME, TABLE_NAME).u32(nft.TABLE.FLAGS, 0));
    this.#message(nft.MSG.DELTABLE, table ? 0 : NLM_F_ACK, 'table', (out) => out.string(nft.TABLE.NAME, TABLE_NAME));
    if (table) this.#table(table);
    this.#envelope(NFNL_MSG_BATCH_END);
    return { bytes: this.#out.bytes(), labels: this.#labels };
  }

  #table(table: Table): void {
    this.#tableHead(table.comment);
    for (const chain of table.chains) this.#chain(chain);
    for (const object of table.objects) this.#object(object);
    for (const chain of table.chains) for (const rule of chain.rules) this.#rule(chain.name, rule);
    this.#message(nft.MSG.NEWTABLE, NLM_F_ACK, 'table', (out) => out.string(nft.TABLE.NAME, TABLE_NAME).u32(nft.TABLE.FLAGS, 0));
  }

  #envelope(type: number, body: (out: MessageWriter) => void = () => undefined): void {
    const sequence = this.#sequence++;
    this.#out.begin(type, NLM_F_REQUEST, { family: 0, sequence, resource: NFNL_SUBSYS_NFTABLES });
    body(this.#out);
    this.#out.end();
  }

  #message(message: number, flags: number, label: string | Label, body: (out: MessageWriter) => void): void {
    const sequence = this.#sequence++;
    this.#labels.set(sequence, typeof label === 'string' ? { text: label } : label);
    this.#out.begin((NFNL_SUBSYS_NFTABLES << 8) | message, NLM_F_REQUEST | flags, { family: nft.NFPROTO_INET, sequence });
    body(this.#out);
    this.#out.end();
  }

  #tableHead(comment: string): void {
    const text = Buffer.from(`${comment}\0`, 'latin1');
    this.#message(nft.MSG.NEWTABLE, 0, 'table', (out) =>
      out
        .string(nft.TABLE.NAME, TABLE_NAME)
        .u32(nft.TABLE.FLAGS, 0)
        .attribute(nft.TABLE.USERDATA, Buffer.concat([Buffer.from([nft.UDATA.TABLE_COMMENT, text.length]), text])),
    );
  }

  #chain({ name, base }: Chain): void {
    this.#message(nft.MSG.NEWCHAIN, NLM_F_CREATE, `chain ${name}`, (out) => {
      out.string(nft.CHAIN.TABLE, TABLE_NAME).string(nft.CHAIN.NAME, name);
      if (!base) return;
      out.string(nft.CHAIN.TYPE, 'filter').u32(nft.CHAIN.POLICY, 1);
      out.nest(nft.CHAIN.HOOK, () => out.u32(nft.HOOK.HOOKNUM, nft.HOOK_NUMBER[base.hook]).u32(nft.HOOK.PRIORITY, base.priority));
    });
  }

  #object({ name, type, protocol, family }: HelperObject): void {
    const label = { text: `ct helper ${name} (type "${type}" protocol ${protocol} l3proto ${family})`, object: name };
    this.#message(nft.MSG.NEWOBJ, NLM_F_CREATE, label, (out) => {
      out.string(nft.OBJ.TABLE, TABLE_NAME).string(nft.OBJ.NAME, name).u32(nft.OBJ.TYPE, nft.OBJECT_CT_HELPER);
      out.nest(nft.OBJ.DATA, () => {
        out.string(nft.CT_HELPER.NAME, type);
        if (family !== 'inet') out.u16(nft.CT_HELPER.L3PROTO, family === 'ip' ? nft.NFPROTO_IPV4 : nft.NFPROTO_IPV6);
        out.u8(nft.CT_HELPER.L4PROTO, nft.L4_NUMBER[protocol]);
      });
    });
  }

  /** Anonymous sets have to be made, filled, and then referred to by id within the same transaction. */
  #rule(chain: string, rule: Rule): void {
    const label = `rule in chain ${chain}`;
    const setOfMatch = rule.matches.map((match) => (match.kind === 'dport-in' ? this.#portSet(match.ports, label) : 0));
    const setOfAction = this.#actionSet(rule.action, label);
    this.#message(nft.MSG.NEWRULE, NLM_F_CREATE | NLM_F_APPEND, label, (out) => {
      out.string(nft.RULE.TABLE, TABLE_NAME).string(nft.RULE.CHAIN, chain);
      out.nest(nft.RULE.EXPRESSIONS, () => {
        for (const [index, match] of rule.matches.entries()) encodeMatch(out, match, setOfMatch[index] as number);
        encodeAction(out, rule.action, setOfAction);
      });
    });
  }

  #actionSet(action: Action, label: string): number {
    if (action.kind === 'map-helper') return this.#helperMap(action.entries, label);
    if (action.kind === 'jump-by-helper') return this.#verdictMap(action.entries, label);
    return 0;
  }

  #portSet(ports: readonly number[], label: string): number {
    const definition = { name: SET_NAME.ports, flags: 0, keyType: nft.NFT_DATATYPE.INET_SERVICE, keyLength: 2, udata: nft.UDATA.portKey };
    return this.#set(definition, ports.length, label, (out) => {
      for (const port of ports) out.nest(nft.LIST_ELEM, () => elementKey(out, portBytes(port)));
    });
  }

  #helperMap(entries: readonly (readonly [number, string])[], label: string): number {
    const definition = {
      name: SET_NAME.helpers,
      flags: nft.SET_FLAG.OBJECT,
      keyType: nft.NFT_DATATYPE.INET_SERVICE,
      keyLength: 2,
      udata: nft.UDATA.portObjectMap,
    };
    return this.#set(definition, entries.length, label, (out) => {
      for (const [port, object] of entries) {
        out.nest(nft.LIST_ELEM, () => elementKey(out, portBytes(port)).string(nft.ELEM.OBJREF, object));
      }
    });
  }

  #verdictMap(entries: readonly (readonly [string, string])[], label: string): number {
    const definition = {
      name: SET_NAME.verdicts,
      flags: nft.SET_FLAG.MAP,
      keyType: nft.NFT_DATATYPE.STRING,
      keyLength: nft.HELPER_NAME_LEN,
      udata: nft.UDATA.helperVerdictMap,
    };
    return this.#set(definition, entries.length, label, (out) => {
      for (const [type, chain] of entries) {
        out.nest(nft.LIST_ELEM, () => {
          elementKey(out, padded(type, nft.HELPER_NAME_LEN));
          out.nest(nft.ELEM.DATA, () => verdict(out, nft.NFT_JUMP, chain));
        });
      }
    });
  }

  #set(definition: SetDefinition, size: number, label: string, elements: (out: MessageWriter) => void): number {
    const id = ++this.#setId;
    const { name, flags, keyType, keyLength, udata } = definition;
    this.#message(nft.MSG.NEWSET, NLM_F_CREATE, label, (out) => {
      out.string(nft.SET.TABLE, TABLE_NAME).string(nft.SET.NAME, name);
      out.u32(nft.SET.FLAGS, nft.SET_FLAG.ANONYMOUS | nft.SET_FLAG.CONSTANT | flags);
      out.u32(nft.SET.KEY_TYPE, keyType).u32(nft.SET.KEY_LEN, keyLength);
      if (flags & nft.SET_FLAG.MAP) out.u32(nft.SET.DATA_TYPE, nft.DATA_TYPE_VERDICT).u32(nft.SET.DATA_LEN, 0);
      if (flags & nft.SET_FLAG.OBJECT) out.u32(nft.SET.OBJ_TYPE, nft.OBJECT_CT_HELPER);
      out
        .u32(nft.SET.ID, id)
        .nest(nft.SET.DESC, () => out.u32(nft.SET_DESC_SIZE, size))
        .attribute(nft.SET.USERDATA, udata);
    });
    this.#message(nft.MSG.NEWSETELEM, NLM_F_CREATE, label, (out) => {
      out.string(nft.SETELEMS.TABLE, TABLE_NAME).string(nft.SETELEMS.SET, name).u32(nft.SETELEMS.SET_ID, id);
      out.nest(nft.SETELEMS.ELEMENTS, () => elements(out));
    });
    return id;
  }
}

/** `%d` is the kernel's: it numbers anonymous sets. */
export const SET_NAME = { ports: '__set%d', helpers: '__objmap%d', verdicts: '__map%d' } as const;

interface SetDefinition {
  readonly name: string;
  readonly flags: number;
  readonly keyType: number;
  readonly keyLength: number;
  readonly udata: Buffer;
}

function elementKey(out: MessageWriter, key: Uint8Array): MessageWriter {
  return out.nest(nft.ELEM.KEY, () => out.attribute(nft.DATA.VALUE, key));
}

function encodeMatch(out: MessageWriter, match: Match, setId: number): void {
  switch (match.kind) {
    case 'ct-state':
      loadCt(out, nft.CT_KEY.STATE);
      bitwise(out, nativeU32(nft.CT_STATE_BITS[match.state]));
      compare(out, nft.CMP_OP.NEQ, nativeU32(0));
      return;
    case 'l4proto':
      loadMeta(out, nft.META_KEY.L4PROTO);
      compare(out, match.not ? nft.CMP_OP.NEQ : nft.CMP_OP.EQ, Buffer.of(nft.L4_NUMBER[match.protocol]));
      return;
    case 'in-interface':
      loadMeta(out, nft.META_KEY.IIFNAME);
      compare(out, nft.CMP_OP.EQ, padded(match.name, nft.IFNAMSIZ));
      return;
    case 'address':
      encodeAddress(out, match.side, match.cidr);
      return;
    case 'dport':
      loadPort(out, match.protocol);
      compare(out, nft.CMP_OP.EQ, portBytes(match.port));
      return;
    case 'dport-below':
      loadPort(out, match.protocol);
      compare(out, nft.CMP_OP.LT, portBytes(match.port));
      return;
    case 'dport-in':
      loadPort(out, match.protocol);
      expression(out, 'lookup', () =>
        out.string(nft.LOOKUP.SET, SET_NAME.ports).u32(nft.LOOKUP.SREG, nft.REG_1).u32(nft.LOOKUP.SET_ID, setId),
      );
      return;
    case 'rate-over':
      expression(out, 'limit', () => {
        out.u64(nft.LIMIT.RATE, match.perSecond).u64(nft.LIMIT.UNIT, 1).u32(nft.LIMIT.BURST, match.burst);
        out.u32(nft.LIMIT.TYPE, 0).u32(nft.LIMIT.FLAGS, nft.LIMIT_INVERT);
      });
  }
}

function encodeAction(out: MessageWriter, action: Action, setId: number): void {
  switch (action.kind) {
    case 'set-helper':
      expression(out, 'objref', () => out.u32(nft.OBJREF.IMM_TYPE, nft.OBJECT_CT_HELPER).string(nft.OBJREF.IMM_NAME, action.object));
      return;
    case 'map-helper':
      loadPort(out, action.protocol);
      expression(out, 'objref', () =>
        out.u32(nft.OBJREF.SET_SREG, nft.REG_1).string(nft.OBJREF.SET_NAME, SET_NAME.helpers).u32(nft.OBJREF.SET_ID, setId),
      );
      return;
    case 'jump-by-helper':
      loadCt(out, nft.CT_KEY.HELPER);
      expression(out, 'lookup', () => {
        out.string(nft.LOOKUP.SET, SET_NAME.verdicts).u32(nft.LOOKUP.SREG, nft.REG_1);
        out.u32(nft.LOOKUP.DREG, nft.REG_VERDICT).u32(nft.LOOKUP.SET_ID, setId);
      });
      return;
    case 'jump':
      immediate(out, nft.NFT_JUMP, action.chain);
      return;
    case 'drop':
      immediate(out, nft.NF_DROP, null);
  }
}

/** Offsets of the addresses in the IPv4 and IPv6 headers. */
export const ADDRESS_OFFSET = { ipv4: { source: 12, destination: 16 }, ipv6: { source: 8, destination: 24 } } as const;

function encodeAddress(out: MessageWriter, side: 'source' | 'destination', cidr: string): void {
  const network = parseNetwork(cidr, 'cidr');
  const length = network.bytes.length;
  loadMeta(out, nft.META_KEY.NFPROTO);
  compare(out, nft.CMP_OP.EQ, Buffer.of(network.family === 'ipv4' ? nft.NFPROTO_IPV4 : nft.NFPROTO_IPV6));
  loadPayload(out, nft.BASE.NETWORK, ADDRESS_OFFSET[network.family][side], length);
  if (network.prefix < length * 8) bitwise(out, Buffer.from(network.bytes.map((_, index) => netmaskByte(network.prefix, index))));
  compare(out, nft.CMP_OP.EQ, Buffer.from(network.bytes));
}

function loadPort(out: MessageWriter, protocol: Protocol): void {
  loadMeta(out, nft.META_KEY.L4PROTO);
  compare(out, nft.CMP_OP.EQ, Buffer.of(nft.L4_NUMBER[protocol]));
  loadPayload(out, nft.BASE.TRANSPORT, 2, 2);
}

function loadMeta(out: MessageWriter, key: number): void {
  expression(out, 'meta', () => out.u32(nft.META.DREG, nft.REG_1).u32(nft.META.KEY, key));
}

function loadCt(out: MessageWriter, key: number): void {
  expression(out, 'ct', () => out.u32(nft.CT.DREG, nft.REG_1).u32(nft.CT.KEY, key));
}

function loadPayload(out: MessageWriter, base: number, offset: number, length: number): void {
  expression(out, 'payload', () =>
    out.u32(nft.PAYLOAD.DREG, nft.REG_1).u32(nft.PAYLOAD.BASE, base).u32(nft.PAYLOAD.OFFSET, offset).u32(nft.PAYLOAD.LEN, length),
  );
}

function compare(out: MessageWriter, operation: number, value: Uint8Array): void {
  expression(out, 'cmp', () => {
    out.u32(nft.CMP.SREG, nft.REG_1).u32(nft.CMP.OP, operation);
    out.nest(nft.CMP.DATA, () => out.attribute(nft.DATA.VALUE, value));
  });
}

function bitwise(out: MessageWriter, mask: Buffer): void {
  expression(out, 'bitwise', () => {
    out.u32(nft.BITWISE.SREG, nft.REG_1).u32(nft.BITWISE.DREG, nft.REG_1).u32(nft.BITWISE.LEN, mask.length);
    out.nest(nft.BITWISE.MASK, () => out.attribute(nft.DATA.VALUE, mask));
    out.nest(nft.BITWISE.XOR, () => out.attribute(nft.DATA.VALUE, Buffer.alloc(mask.length)));
  });
}

function immediate(out: MessageWriter, code: number, chain: string | null): void {
  expression(out, 'immediate', () => {
    out.u32(nft.IMMEDIATE.DREG, nft.REG_VERDICT);
    out.nest(nft.IMMEDIATE.DATA, () => verdict(out, code, chain));
  });
}

function verdict(out: MessageWriter, code: number, chain: string | null): void {
  out.nest(nft.DATA.VERDICT, () => {
    out.u32(nft.VERDICT.CODE, code);
    if (chain !== null) out.string(nft.VERDICT.CHAIN, chain);
  });
}

function expression(out: MessageWriter, name: string, data: () => void): void {
  out.nest(nft.LIST_ELEM, () => {
    out.string(nft.EXPR.NAME, name);
    out.nest(nft.EXPR.DATA, data);
  });
}

function portBytes(port: number): Buffer {
  return Buffer.of(port >> 8, port & 0xff);
}

/** ct state is a host-endian bit field. */
function nativeU32(value: number): Buffer {
  return Buffer.from(Uint32Array.of(value).buffer);
}

function padded(text: string, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  bytes.write(text, 0, length - 1, 'latin1');
  return bytes;
}
