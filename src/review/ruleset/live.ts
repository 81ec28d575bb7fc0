import { InvalidInput } from '../../model/errors.ts';
import { Reader } from '../../model/reader.ts';
import { readIptablesSave } from './iptables.ts';
import type { Chain, Ruleset } from './model.ts';
import { readNftJson } from './nft-json.ts';

/** The rules of a running namespace: nft's JSON, and what iptables says of its own tables, whose matches nft cannot show. */
export interface LiveRules {
  readonly nft: string;
  readonly iptables: string | null;
  readonly ip6tables: string | null;
}

const MAX = 64 * 1024 * 1024;

export function liveText(rules: LiveRules): string {
  return JSON.stringify(rules);
}

/** The parts of {@link liveText}, as they are. @throws InvalidInput */
export function liveParts(text: string, name = 'live rules'): LiveRules {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new InvalidInput('ruleset', `${name}: not the rules of a namespace.`);
  }
  const fields = new Reader(value, name).object('nft', 'iptables', 'ip6tables');
  const saved = (field: Reader) => field.nullable((one) => one.string(MAX));
  return { nft: fields.nft.string(MAX), iptables: saved(fields.iptables), ip6tables: saved(fields.ip6tables) };
}

/** Reads {@link liveText}. @throws InvalidInput */
export function readLive(text: string, name: string): Ruleset {
  const live = liveParts(text, name);
  const nft = readNftJson(live.nft, name);
  const others = [live.iptables, live.ip6tables].flatMap((one) => (one === null ? [] : [readIptablesSave(one, name)]));
  const isSaved = (chain: Chain) =>
    others.some(({ chains }) => chains.some(({ family, table }) => family === chain.family && table === chain.table));
  return {
    format: 'nft-json',
    chains: [...nft.chains.filter((chain) => !isSaved(chain)), ...others.flatMap(({ chains }) => chains)],
    helpers: nft.helpers,
    unread: [...nft.unread, ...others.flatMap(({ unread }) => unread)],
  };
}
