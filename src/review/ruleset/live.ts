import { Reader } from '../../contract/reader.ts';
import { InvalidInput } from '../../model/errors.ts';
import { readIptablesSave } from './iptables.ts';
import { type Chain, chainKey, type HelperObject, type Ruleset } from './model.ts';
import { readNftJson } from './nft-json.ts';

/**
 * The rules of a running namespace: nft's JSON and listing, and the output of iptables-save and ip6tables-save, because nft
 * cannot show iptables matches.
 */
export interface LiveRules {
  /** `nft -j list ruleset`. */
  readonly nft: string;
  /** `nft -a list ruleset`: line numbers and handles refer to it. */
  readonly listing: string;
  /** Output of iptables-save; null: nft shows all matches, or the host has no such program. The same goes for ip6tables. */
  readonly iptables: string | null;
  readonly ip6tables: string | null;
}

/** Characters of each part. */
const MAX = 64 * 1024 * 1024;

/** The rules as the text of a subject of kind `live`, without what a caller's object has beside them. {@link liveParts} is its inverse. */
export function liveText({ nft, listing, iptables, ip6tables }: LiveRules): string {
  return JSON.stringify({ nft, listing, iptables, ip6tables });
}

/**
 * Reads {@link liveText}.
 * @throws InvalidInput that names the field
 */
export function liveParts(text: string, name = 'live rules'): LiveRules {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new InvalidInput('ruleset', `${name}: not the rules of a namespace.`);
  }
  const fields = new Reader(value, name).object('nft', 'listing', 'iptables', 'ip6tables');
  const saved = (field: Reader) => field.nullable((one) => one.string(MAX));
  return {
    nft: fields.nft.string(MAX),
    listing: fields.listing.string(MAX),
    iptables: saved(fields.iptables),
    ip6tables: saved(fields.ip6tables),
  };
}

/** The lines that line numbers of a live subject count: those of the listings, one after the other. */
export function liveLines({ listing, iptables, ip6tables }: LiveRules): string[] {
  return [listing, iptables ?? '', ip6tables ?? ''].flatMap(linesIn);
}

function linesIn(text: string): string[] {
  return text === '' ? [] : text.replace(/\n$/, '').split('\n');
}

/**
 * Reads {@link liveText}. Tables of iptables come from iptables-save, the others from nft.
 * @throws InvalidInput
 */
export function readLive(text: string, name: string): Ruleset {
  const live = liveParts(text, name);
  const nft = atDevices(atLines(readNftJson(live.nft, name), linesOf(live.listing)), live.listing.split('\n'));
  let before = linesIn(live.listing).length;
  const others = [live.iptables, live.ip6tables].flatMap((saved) => {
    if (saved === null) return [];
    const read = shifted(readIptablesSave(saved, name), before);
    before += linesIn(saved).length;
    return [read];
  });
  const tables = new Set(others.flatMap(({ chains }) => chains.map(({ family, table }) => `${family} ${table}`)));
  const isSaved = ({ family, table }: Chain) => tables.has(`${family} ${table}`);
  return {
    format: 'nft-json',
    chains: [...nft.chains.filter((chain) => !isSaved(chain)), ...others.flatMap(({ chains }) => chains)],
    helpers: nft.helpers,
    unread: [...nft.unread, ...others.flatMap(({ unread }) => unread)],
  };
}

/** Lines of chains, objects and rules in the output of `nft -a list ruleset`. Keys: `chain …`, `ct helper …` and `rule … HANDLE`. */
function linesOf(listing: string): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  let table = '';
  let chain = '';
  let start: number | null = null;
  for (const [index, content] of listing.split('\n').entries()) {
    const [, newTable] = /^table (\S+ \S+) \{/.exec(content) ?? [];
    const [, kind = '', block] = /^\t(chain|ct helper) (\S+) \{/.exec(content) ?? [];
    if (newTable !== undefined) table = newTable;
    else if (block !== undefined) {
      chain = kind === 'chain' ? `${table} ${block}` : '';
      found.set(`${kind} ${table} ${block}`, index + 1);
    } else if (/^\t?\}/.test(content)) chain = '';
    else if (chain !== '' && !/^\t\t(type \S+ hook|policy|comment) /.test(content)) {
      // A rule that spans several lines has its handle on the last one.
      start ??= index + 1;
      const handle = /# handle (\d+)$/.exec(content)?.[1];
      if (handle === undefined) continue;
      found.set(`rule ${chain} ${handle}`, start);
    }
    start = null;
  }
  return found;
}

/** Devices of the hooks ingress and egress: nft 1.0.6 leaves them out of its JSON. */
function atDevices(ruleset: Ruleset, listing: readonly string[]): Ruleset {
  const named = (chain: Chain) => {
    const [, devices] = /^\t\ttype \S+ hook (?:in|e)gress devices? (?:= )?(.*) priority /.exec(listing[chain.line] ?? '') ?? [];
    return devices?.match(/[^\s"{},]+/g) ?? null;
  };
  const chains = ruleset.chains.map((chain) => {
    const devices = chain.base && !chain.base.devices ? named(chain) : null;
    return devices && chain.base ? { ...chain, base: { ...chain.base, devices } } : chain;
  });
  return { ...ruleset, chains };
}

/** A ruleset from JSON, which has no lines, with the lines of its listing. */
function atLines(ruleset: Ruleset, lines: ReadonlyMap<string, number>): Ruleset {
  const lineOf = (key: string, fallback: number) => lines.get(key) ?? fallback;
  return {
    ...ruleset,
    chains: ruleset.chains.map((chain) => ({
      ...chain,
      line: lineOf(`chain ${chainKey(chain)}`, chain.line),
      rules: chain.rules.map((rule) => ({ ...rule, line: lineOf(`rule ${chainKey(chain)} ${rule.nftHandle}`, rule.line) })),
    })),
    helpers: ruleset.helpers.map((helper): HelperObject => ({ ...helper, line: lineOf(`ct helper ${chainKey(helper)}`, helper.line) })),
  };
}

/** A ruleset whose lines begin further down. */
function shifted(ruleset: Ruleset, by: number): Ruleset {
  return {
    ...ruleset,
    chains: ruleset.chains.map((chain) => ({
      ...chain,
      line: chain.line + by,
      rules: chain.rules.map((rule) => ({ ...rule, line: rule.line + by })),
    })),
    unread: ruleset.unread.map((one) => ({ ...one, line: one.line + by })),
  };
}
