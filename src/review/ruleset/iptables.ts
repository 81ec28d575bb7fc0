import { InvalidInput } from '../../model/errors.ts';
import { lookUp } from '../../model/look-up.ts';
import { exactOfIptables } from './iptables-exact.ts';
import {
  type Action,
  type Chain,
  MAX_RULES,
  type Match,
  type MatchKey,
  match,
  type NftFamily,
  ports,
  type Rule,
  type Ruleset,
  ranges,
  tooManyRules,
} from './model.ts';

/** Hooks of the built-in chains. */
const HOOKS: Readonly<Record<string, string>> = {
  PREROUTING: 'prerouting',
  INPUT: 'input',
  FORWARD: 'forward',
  OUTPUT: 'output',
  POSTROUTING: 'postrouting',
};
/** Priorities of the tables at their hooks (enum nf_ip_hook_priorities, linux/netfilter_ipv4.h). */
const TABLES: Readonly<Record<string, number>> = { raw: -300, mangle: -150, nat: -100, filter: 0, security: 50 };

/**
 * Reads the output of `iptables-save` and `ip6tables-save`, also one after the other.
 * @param name of the subject, for errors
 * @throws InvalidInput that names the line
 */
export function readIptablesSave(text: string, name: string): Ruleset {
  const chains = new Map<string, Chain>();
  const unread: { line: number; text: string }[] = [];
  let family: NftFamily = guessFamily(text);
  let table: string | null = null;
  let rules = 0;
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = index + 1;
    const fail = (problem: string) => new InvalidInput('ruleset', `${name}: line ${line}: ${problem}.`);
    const trimmed = raw.trim();
    if (/^#.*\bip6tables(-\w+)*-save\b/.test(trimmed)) family = 'ip6';
    else if (/^#.*\biptables(-\w+)*-save\b/.test(trimmed)) family = 'ip';
    if (trimmed === '' || trimmed.startsWith('#')) continue;
    if (trimmed.startsWith('*')) table = trimmed.slice(1);
    else if (trimmed === 'COMMIT') table = null;
    else if (table === null) throw fail('a rule or chain before any table (a line like *filter)');
    else if (trimmed.startsWith(':')) {
      const [chain = '', policy = '-'] = trimmed.slice(1).split(/\s+/);
      chains.set(`${family} ${table} ${chain}`, newChain({ family, table, name: chain, line }, policy));
    } else {
      const words = splitWords(trimmed);
      const at = words.findIndex((word) => word === '-A' || word === '-I' || word === '--append');
      const chainName = at < 0 ? undefined : words[at + 1];
      if (chainName === undefined) {
        unread.push({ line, text: trimmed.slice(0, 200) });
        continue;
      }
      if (++rules > MAX_RULES) throw tooManyRules(name, line);
      const key = `${family} ${table} ${chainName}`;
      const chain = chains.get(key) ?? newChain({ family, table, name: chainName, line }, '-');
      chains.set(key, chain);
      chain.rules.push(readRule(words.slice(at + 2), { line, text: trimmed, family }));
    }
  }
  return { format: 'iptables', chains: [...chains.values()], helpers: [], unread };
}

/** The family of a file without the comment that names the program: IPv6 if it uses something that only ip6tables has. */
function guessFamily(text: string): NftFamily {
  return /icmp6|ipv6|\s-[sd]\s+[0-9a-f]*:[0-9a-f:]*/i.test(text) ? 'ip6' : 'ip';
}

/** A chain; a built-in one gets its hook, priority and policy. */
function newChain(place: { family: NftFamily; table: string; name: string; line: number }, policy: string): Chain {
  const hook = lookUp(HOOKS, place.name);
  const priority = lookUp(TABLES, place.table) ?? 0;
  const base =
    hook === undefined
      ? null
      : {
          type: place.table === 'nat' ? 'nat' : 'filter',
          hook,
          priority: place.table === 'nat' && hook === 'postrouting' ? 100 : priority,
          policy: policy === 'DROP' ? ('drop' as const) : ('accept' as const),
        };
  return { ...place, base, rules: [] };
}

/** Words of a line; quoted ones without their quotes. */
function splitWords(line: string): string[] {
  return [...line.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? (plain as string));
}

/** Options with one value, by the match that they are (iptables(8)). */
const ADDRESS_KEYS: Readonly<Record<string, MatchKey>> = {
  '-s': 'saddr',
  '--source': 'saddr',
  '-d': 'daddr',
  '--destination': 'daddr',
  '-i': 'iif',
  '--in-interface': 'iif',
  '-o': 'oif',
  '--out-interface': 'oif',
  '-p': 'l4proto',
  '--protocol': 'l4proto',
  '--helper': 'helper',
};
/** Match modules whose options are read individually, so that loading them adds no match. */
const LOADED = new Set([
  'tcp',
  'udp',
  'multiport',
  'conntrack',
  'state',
  'helper',
  'comment',
  'rpfilter',
  'limit',
  'hashlimit',
  'connlimit',
  'dccp',
  'sctp',
]);
/** Options of the limit modules, which take a value. */
const LIMITS = /^--(limit|limit-burst|hashlimit[-\w]*|connlimit[-\w]*)$/;

/** Reads the words after `-A CHAIN`. Options that are not known become a match of the kind `other`. */
function readRule(words: readonly string[], place: { line: number; text: string; family: NftFamily }): Rule {
  const matches: Match[] = [];
  let action: Action | null = null;
  let limited = false;
  let negated = false;
  for (let at = 0; at < words.length; at++) {
    const word = words[at] as string;
    const value = words[at + 1] ?? '';
    const key = lookUp(ADDRESS_KEYS, word);
    const take = () => {
      at++;
      return value;
    };
    if (word === '!') {
      negated = true;
      continue;
    }
    if (word === '-j' || word === '-g' || word === '--jump' || word === '--goto') {
      action = targetOf(take(), words.slice(at + 1), word);
      break;
    }
    if (key) matches.push(match(key, [take()], negated));
    else if (/^--(dports?|destination-ports?|sports?|source-ports?)$/.test(word))
      matches.push(ports(word.startsWith('--d') ? 'dport' : 'sport', rangesOf(take()), negated));
    else if (/^--(ctstate|state)$/.test(word)) matches.push(match('state', take().toLowerCase().split(','), negated));
    else if (word === '--ctstatus') matches.push(match('status', take().toLowerCase().split(','), negated));
    else if (word === '-m' || word === '--match') {
      const loaded = take();
      if (loaded === 'rpfilter') matches.push(match('rpfilter', null));
      else if (loaded === 'limit' || loaded === 'hashlimit' || loaded === 'connlimit') limited = true;
      else if (!LOADED.has(loaded)) matches.push(match('other', null));
    } else if (LIMITS.test(word) || word === '--comment') take();
    else if (word.startsWith('--') && !/^--(invert|loose|validmark|accept-local)$/.test(word)) {
      matches.push(match('other', null));
      if (!value.startsWith('-')) take();
    }
    negated = false;
  }
  const exact = exactOfIptables(words, place.family);
  return { line: place.line, text: place.text, matches, action, limited, opaque: false, nftHandle: null, indent: null, exact };
}

/** Ports as iptables lists them: `22,80:90,:1023`. */
function rangesOf(text: string): (readonly [number, number])[] | null {
  return ranges(
    text.split(',').map((one) => (one.startsWith(':') ? `0${one}` : one)),
    '==',
  );
}

/**
 * The action of a target (iptables-extensions(8)); null: the target neither decides nor assigns. An unknown name is a
 * user-defined chain.
 */
function targetOf(name: string, options: readonly string[], flag: string): Action | null {
  const option = (key: string) => options[options.indexOf(key) + 1] ?? null;
  switch (name) {
    case 'ACCEPT':
      return { kind: 'accept' };
    case 'DROP':
    case 'REJECT':
      return { kind: 'drop' };
    case 'RETURN':
      return { kind: 'return' };
    case 'NOTRACK':
      return { kind: 'notrack' };
    case 'CT':
      if (options.includes('--notrack')) return { kind: 'notrack' };
      return options.includes('--helper') ? { kind: 'set-helper', object: null, type: option('--helper') } : null;
    case 'MASQUERADE':
      return { kind: 'nat', form: 'masquerade', to: null };
    case 'SNAT':
      return { kind: 'nat', form: 'snat', to: option('--to-source') };
    case 'DNAT':
      return { kind: 'nat', form: 'dnat', to: option('--to-destination') };
    case 'REDIRECT':
      return { kind: 'nat', form: 'redirect', to: null };
    case 'NFQUEUE':
      return { kind: 'queue' };
    case 'FLOWOFFLOAD':
      return { kind: 'flow' };
    default:
      if (/^(LOG|NFLOG|MARK|CONNMARK|TCPMSS|TRACE|AUDIT|CHECKSUM|DSCP|TOS|SET|SECMARK|CONNSECMARK|TEE|CLASSIFY|HL|TTL)$/.test(name))
        return null;
      return { kind: /^(-g|--goto)$/.test(flag) ? 'goto' : 'jump', chain: name };
  }
}
