import { type Rule, TABLE_NAME, type Table } from '../../model/table.ts';
import { Attributes, type Message, MessageWriter, NFNL_SUBSYS_NFTABLES, NLM_F_DUMP, NLM_F_REQUEST } from './netlink.ts';
import type { NetlinkSocket } from './netlink-socket.ts';
import * as nft from './nft-constants.ts';
import { decodeChain, decodeComment, decodeObject, decodeRule, decodeSetElements, Foreign, type SetContent } from './nft-decode.ts';

export interface TableRead {
  readonly generation: number;
  readonly table: Table | null;
  readonly foreign: readonly string[];
}

/** Other transactions may commit between the parts of a read; then it is done again. */
const MAX_TRIES = 20;

/** What a reader asks of its socket. */
export type NetlinkRequests = Pick<NetlinkSocket, 'get' | 'dump' | 'nextSequence'>;

/** Reads `table inet pinhole`, and nothing of anyone else's, from one namespace. */
export class TableReader {
  readonly #socket: NetlinkRequests;
  readonly #buffer: Buffer;
  readonly #out = new MessageWriter();

  constructor(socket: NetlinkRequests, buffer: Buffer) {
    this.#socket = socket;
    this.#buffer = buffer;
  }

  generation(): number {
    const reply = this.#get(nft.MSG.GETGEN, () => undefined);
    return reply ? Attributes.ofMessage(reply).u32(nft.GEN.ID) : 0;
  }

  /** The table's stamp alone; null where there is no table. */
  comment(): string | null {
    const head = this.#head();
    return head && decodeComment(head.get(nft.TABLE.USERDATA));
  }

  read(): TableRead {
    for (let attempt = 1; ; attempt++) {
      const generation = this.generation();
      const content = this.#content();
      if (content && this.generation() === generation) return { generation, ...content };
      if (attempt === MAX_TRIES) return { generation, table: null, foreign: ['the ruleset changes faster than it can be read'] };
    }
  }

  #head(): Attributes | null {
    const reply = this.#get(nft.MSG.GETTABLE, (out) => out.string(nft.TABLE.NAME, TABLE_NAME));
    return reply && Attributes.ofMessage(reply);
  }

  /** @returns null when the ruleset changed meanwhile */
  #content(): { table: Table | null; foreign: string[] } | null {
    const head = this.#head();
    if (!head) return { table: null, foreign: [] };
    const foreign: string[] = [];
    const guard = <T>(decode: () => T): T[] => {
      try {
        return [decode()];
      } catch (error) {
        if (!(error instanceof Foreign)) throw error;
        foreign.push(error.message);
        return [];
      }
    };
    const objects = this.#dump(nft.MSG.GETOBJ, nft.OBJ.TABLE);
    const setNames = this.#dump(nft.MSG.GETSET, nft.SET.TABLE)?.map((set) => set.string(nft.SET.NAME));
    const rules = this.#dump(nft.MSG.GETRULE, nft.RULE.TABLE);
    if (!objects || !setNames || !rules) return null;
    const sets = new Map<string, SetContent>();
    for (const name of setNames) {
      const elements = this.#elements(name);
      if (!elements) return null;
      sets.set(name, { elements });
    }
    const byChain = new Map<string, Rule[]>();
    for (const rule of rules) {
      const chain = rule.string(nft.RULE.CHAIN);
      const decoded = guard(() => decodeRule(rule.get(nft.RULE.EXPRESSIONS) ?? Buffer.alloc(0), sets));
      byChain.set(chain, [...(byChain.get(chain) ?? []), ...decoded]);
    }
    const chains = this.#chains(new Set(byChain.keys()), objects.length + setNames.length, head.u32(nft.TABLE.USE));
    if (!chains) return null;
    const table: Table = {
      comment: decodeComment(head.get(nft.TABLE.USERDATA)),
      objects: objects.flatMap((object) => guard(() => decodeObject(object))).sort((a, b) => (a.name < b.name ? -1 : 1)),
      chains: chains.flatMap((chain) => guard(() => decodeChain(chain, byChain.get(chain.string(nft.CHAIN.NAME)) ?? []))),
    };
    if (head.u32(nft.TABLE.FLAGS) !== 0) foreign.push(`table flags ${head.u32(nft.TABLE.FLAGS)}`);
    return { table, foreign };
  }

  /**
   * Our chains by name, as rules and jumps tell them: a dump of chains cannot be narrowed to a table and would list
   * those of every program. Only if the table's use count says that there are more, the chains are dumped and sifted.
   */
  #chains(names: ReadonlySet<string>, others: number, use: number): Attributes[] | null {
    const named = [...names].flatMap((name) => {
      const reply = this.#get(nft.MSG.GETCHAIN, (out) => out.string(nft.CHAIN.TABLE, TABLE_NAME).string(nft.CHAIN.NAME, name));
      return reply ? [Attributes.ofMessage(reply)] : [];
    });
    const chains = named.length + others === use ? named : this.#dump(nft.MSG.GETCHAIN, nft.CHAIN.TABLE);
    return chains?.sort((a, b) => a.u64(nft.CHAIN.HANDLE) - b.u64(nft.CHAIN.HANDLE)) ?? null;
  }

  #elements(set: string): SetContent['elements'] | null {
    const elements: SetContent['elements'][number][] = [];
    const consistent = this.#socket.dump(
      this.#request(nft.MSG.GETSETELEM, NLM_F_DUMP, (out) => out.string(nft.SETELEMS.TABLE, TABLE_NAME).string(nft.SETELEMS.SET, set)),
      this.#buffer,
      (message) => {
        const copy = { ...message, payload: Buffer.from(message.payload) };
        elements.push(...decodeSetElements(Attributes.ofMessage(copy)));
      },
    );
    return consistent ? elements : null;
  }

  #dump(message: number, tableAttribute: number): Attributes[] | null {
    const found: Attributes[] = [];
    const request = this.#request(message, NLM_F_DUMP, (out) => out.string(tableAttribute, TABLE_NAME));
    const consistent = this.#socket.dump(request, this.#buffer, (reply) => {
      const copy = Attributes.ofMessage({ ...reply, payload: Buffer.from(reply.payload) });
      if (reply.family === nft.NFPROTO_INET && copy.string(tableAttribute) === TABLE_NAME) found.push(copy);
    });
    return consistent ? found : null;
  }

  #get(message: number, body: (out: MessageWriter) => void): Message | null {
    return this.#socket.get(this.#request(message, 0, body), this.#buffer);
  }

  #request(message: number, flags: number, body: (out: MessageWriter) => void): Buffer {
    const family = message === nft.MSG.GETGEN ? 0 : nft.NFPROTO_INET;
    this.#out
      .reset()
      .begin((NFNL_SUBSYS_NFTABLES << 8) | message, NLM_F_REQUEST | flags, { family, sequence: this.#socket.nextSequence() });
    body(this.#out);
    return this.#out.end().bytes();
  }
}
