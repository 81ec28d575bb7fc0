import { InvalidInput } from '../../model/errors.ts';
import { lookUp } from '../../model/look-up.ts';
import {
  type Action,
  type Chain,
  chainKey,
  type HelperObject,
  MAX_RULES,
  type Match,
  match,
  type NftFamily,
  ports,
  type Rule,
  type Ruleset,
  ranges,
  tooManyRules,
} from './model.ts';
import { CurrentSet, exactOf } from './nft-exact.ts';
import { Expansion, MAX_TOKENS } from './nft-values.ts';

type Json = Readonly<Record<string, unknown>>;

/**
 * Reads the output of `nft -j list ruleset` (libnftables-json(5)). JSON has no line numbers: every line is 1.
 * @throws InvalidInput if the text is something else, or too large
 */
export function readNftJson(text: string, name: string): Ruleset {
  const items = parse(text, name);
  if (items.length > MAX_RULES) throw tooManyRules(name, 1);
  const chains = new Map<string, Chain>();
  const helpers: HelperObject[] = [];
  for (const item of items) {
    const chain = item['chain'] as Json | undefined;
    if (chain) chains.set(chainKey(placeOf(chain)), { ...placeOf(chain), line: 1, rules: [], base: baseOf(chain) });
    const helper = item['ct helper'] as Json | undefined;
    if (helper) {
      const { family, table, name: object } = placeOf(helper);
      helpers.push({
        family,
        table,
        name: object,
        type: textOf(helper['type']),
        protocol: textOf(helper['protocol']),
        l3proto: textOf(helper['l3proto'] ?? 'inet'),
        line: 1,
      });
    }
  }
  const filled = new Set(items.flatMap(filledByRule));
  const sets = new Map(items.flatMap(namedSet).filter(([key]) => !filled.has(key)));
  const now = new Map(items.flatMap(currentSet));
  const expansion = new Expansion();
  for (const item of items) {
    const rule = item['rule'] as Json | undefined;
    if (!rule) continue;
    const place = { ...placeOf(rule), name: textOf(rule['chain']) };
    const elements = (set: string) => {
      const found = sets.get(chainKey({ ...place, name: set })) ?? null;
      if (found) expansion.add(found.length, name);
      return found;
    };
    const current = (set: string) => now.get(chainKey({ ...place, name: set })) ?? null;
    chains.get(chainKey(place))?.rules.push(...exactly(rulesOf(rule, elements), rule, current));
  }
  return { format: 'nft-json', chains: [...chains.values()], helpers, unread: [] };
}

/** No rule is nested this deeply; the functions below recurse. */
const MAX_DEPTH = 60;

/** Whether a value is nested beyond {@link MAX_DEPTH}. Iterative, so that the check itself cannot overflow the stack. */
function isDeep(value: unknown): boolean {
  const stack = [{ value, depth: 0 }];
  for (let at = stack.pop(); at; at = stack.pop()) {
    if (typeof at.value !== 'object' || at.value === null) continue;
    if (at.depth > MAX_DEPTH) return true;
    for (const inner of Object.values(at.value)) stack.push({ value: inner, depth: at.depth + 1 });
  }
  return false;
}

/** The items of the listing. @throws InvalidInput */
function parse(text: string, name: string): Json[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new InvalidInput('ruleset', `${name}: not JSON: ${(error as Error).message.slice(0, 120)}.`);
  }
  if (isDeep(value)) throw new InvalidInput('ruleset', `${name}: nested more than ${MAX_DEPTH} deep.`);
  const items = isObject(value) ? value['nftables'] : undefined;
  if (!Array.isArray(items)) throw new InvalidInput('ruleset', `${name}: expected {"nftables": […]}, as 'nft -j list ruleset' prints it.`);
  return items.filter(isObject);
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A string or number as text; empty for anything else. */
function textOf(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

function placeOf(item: Json): { family: NftFamily; table: string; name: string } {
  return { family: textOf(item['family']) as NftFamily, table: textOf(item['table']), name: textOf(item['name']) };
}

/** null: the chain is not a base chain. */
function baseOf(chain: Json): Chain['base'] {
  if (typeof chain['hook'] !== 'string') return null;
  return {
    type: textOf(chain['type']),
    hook: chain['hook'],
    priority: typeof chain['prio'] === 'number' ? chain['prio'] : 0,
    policy: chain['policy'] === 'drop' ? 'drop' : 'accept',
    ...(chain['dev'] === undefined ? {} : { devices: [chain['dev']].flat().map(textOf) }),
  };
}

/** Elements of a set or map by name; null: the set is dynamic or unknown. */
type Sets = (name: string) => readonly unknown[] | null;

/** The right side with a reference `@name` replaced by the elements of the set, if they are known. */
function namedSet(item: Json): [string, readonly unknown[]][] {
  const set = item['set'] ?? item['map'];
  if (!isObject(set) || !Array.isArray(set['elem'])) return [];
  const flags = Array.isArray(set['flags']) ? set['flags'] : [set['flags']];
  const isOthers = flags.some((flag) => flag === 'dynamic' || flag === 'timeout') || set['timeout'] !== undefined;
  const isPlain = set['elem'].every((one) => !isObject(one) || one['prefix'] !== undefined || one['range'] !== undefined);
  return isOthers || !isPlain || set['elem'].length > MAX_TOKENS ? [] : [[chainKey(placeOf(set)), set['elem']]];
}

/** A set or map as it is now, also one that changes by itself. */
function currentSet(item: Json): [string, CurrentSet][] {
  const set = item['set'] ?? item['map'];
  return isObject(set) ? [[chainKey(placeOf(set)), new CurrentSet(Array.isArray(set['elem']) ? set['elem'] : [])]] : [];
}

/** The rules with their statements: the first has them all, because those of a verdict map are one rule of the kernel. */
function exactly(rules: Rule[], rule: Json, current: (set: string) => CurrentSet | null): Rule[] {
  const parts = Array.isArray(rule['expr']) ? rule['expr'].filter(isObject) : [];
  return rules.map((one, index) => ({ ...one, exact: index === 0 ? exactOf(parts, current) : [] }));
}

/** Sets to which a rule adds elements. nft's JSON does not show that a set is dynamic. */
function filledByRule(item: Json): string[] {
  const rule = item['rule'];
  if (!isObject(rule) || !Array.isArray(rule['expr'])) return [];
  return rule['expr'].filter(isObject).flatMap((part) => {
    const change = part['set'] ?? part['map'];
    const name = isObject(change) ? textOf(change['set'] ?? change['map']) : '';
    return name.startsWith('@') ? [chainKey({ ...placeOf(rule), name: name.slice(1) })] : [];
  });
}

/** The rule of an item, or one rule for each entry of its verdict map. */
function rulesOf(rule: Json, sets: Sets): Rule[] {
  const parts = Array.isArray(rule['expr']) ? rule['expr'].filter(isObject) : [];
  const matches: Match[] = [];
  let action: Action | null = null;
  let limited = false;
  let opaque = false;
  let map: Rule[] | null = null;
  const base = { line: 1, text: ruleText(parts), nftHandle: typeof rule['handle'] === 'number' ? rule['handle'] : null, indent: null };
  for (const part of parts) {
    const [[kind, value] = ['', null]] = Object.entries(part);
    if (kind === 'match') matches.push(...matchOf(value as Json, sets));
    else if (kind === 'vmap')
      map = verdictMap(value as Json).map(([one, verdict]) => ({ ...base, limited, opaque, matches: [...matches, one], action: verdict }));
    else if (kind === 'limit' || kind === 'quota' || kind === 'ct count') limited = true;
    else if (kind === 'xt') {
      opaque = true;
      matches.push(match('other', null));
    } else action = actionOf(kind, value, sets) ?? action;
  }
  return map && map.length > 0 ? map : [{ ...base, matches, action, limited, opaque }];
}

/** The action of a statement; null: the statement decides nothing. */
function actionOf(kind: string, value: unknown, sets: Sets = () => null): Action | null {
  const target = isObject(value) ? textOf(value['target']) : '';
  switch (kind) {
    case 'accept':
    case 'drop':
    case 'return':
    case 'notrack':
    case 'queue':
      return { kind };
    case 'reject':
      return { kind: 'drop' };
    case 'jump':
    case 'goto':
      return { kind, chain: target };
    case 'flow':
      return { kind: 'flow' };
    case 'masquerade':
    case 'snat':
    case 'dnat':
    case 'redirect':
      return { kind: 'nat', form: kind, to: isObject(value) ? textOf(value['addr']) || null : null };
    case 'ct helper':
      return helperAction(value, sets);
    default:
      return null;
  }
}

/** `ct helper set`: an object by name, or a map from ports to objects. */
function helperAction(value: unknown, sets: Sets): Action {
  const map = isObject(value) && isObject(value['map']) ? value['map'] : null;
  if (!map) return { kind: 'set-helper', object: textOf(value), type: null };
  const payload = isObject(map['key']) && isObject(map['key']['payload']) ? map['key']['payload'] : {};
  return {
    kind: 'map-helper',
    protocol: textOf(payload['protocol']),
    entries: setOf(named(map['data'], sets)).map(([port, object]) => [textOf(port), textOf(object)] as const),
  };
}

/** The set that `@name` stands for. */
function named(data: unknown, sets: Sets): unknown {
  if (typeof data !== 'string' || !data.startsWith('@')) return data;
  const elements = sets(data.slice(1));
  return elements === null ? data : { set: elements };
}

/** Pairs of an anonymous map. */
function setOf(data: unknown): [unknown, unknown][] {
  const set = isObject(data) && Array.isArray(data['set']) ? data['set'] : [];
  return set.filter((entry): entry is [unknown, unknown] => Array.isArray(entry) && entry.length === 2);
}

/** The entries of a verdict map. Only those on `ct state` and `ct helper` are modelled. */
function verdictMap(value: Json): [Match, Action | null][] {
  const [left] = matchKeys(value['key']);
  return setOf(value['data']).map(([one, verdict]) => {
    const [[kind, target] = ['', null]] = isObject(verdict) ? Object.entries(verdict) : [];
    const key = left === 'state' || left === 'helper' ? left : 'other';
    return [key === 'other' ? match('other', null) : match(key, [textOf(one)]), actionOf(kind, target)];
  });
}

/**
 * What the left side of a match looks at, with the matches that it implies: `tcp dport` implies the protocol, `ip saddr` the
 * family.
 */
function matchKeys(left: unknown): [Match['key'], ...Match[]] {
  if (!isObject(left)) return ['other'];
  const ct = isObject(left['ct']) ? textOf(left['ct']['key']) : null;
  if (ct !== null) return [ct === 'state' || ct === 'status' || ct === 'helper' ? ct : 'other'];
  const meta = isObject(left['meta']) ? textOf(left['meta']['key']) : null;
  if (meta !== null) return [lookUp(META, meta) ?? 'other'];
  if (isObject(left['fib']))
    return [/saddr/.test(JSON.stringify(left['fib']['flags'] ?? '')) && /^oif/.test(textOf(left['fib']['result'])) ? 'rpfilter' : 'other'];
  const payload = isObject(left['payload']) ? left['payload'] : null;
  if (!payload) return ['other'];
  const protocol = textOf(payload['protocol']);
  const field = textOf(payload['field']);
  if (protocol === 'ip' || protocol === 'ip6') {
    const version = match('nfproto', [protocol === 'ip' ? 'ipv4' : 'ipv6']);
    return [field === 'saddr' || field === 'daddr' ? field : /^(protocol|nexthdr)$/.test(field) ? 'l4proto' : 'other', version];
  }
  if (!/^(tcp|udp|th|sctp|dccp)$/.test(protocol)) return ['other'];
  const transport = protocol === 'th' ? [] : [match('l4proto', [protocol])];
  return [field === 'dport' || field === 'sport' ? field : 'other', ...transport];
}

const META: Readonly<Record<string, Match['key']>> = {
  iif: 'iif',
  iifname: 'iif',
  oif: 'oif',
  oifname: 'oif',
  l4proto: 'l4proto',
  nfproto: 'nfproto',
};

/** The matches of an expression, implied ones first. */
function matchOf(value: Json, sets: Sets): Match[] {
  const [key, ...implied] = matchKeys(value['left']);
  const op = textOf(value['op']);
  const list = listOf(named(value['right'], sets));
  const negated = op === '!=';
  if (key === 'dport' || key === 'sport') return [...implied, ports(key, list && ranges(list, op), negated)];
  return [...implied, match(key, key === 'other' || key === 'rpfilter' ? null : list, negated)];
}

/** Alternatives of a right side; null: they are in a set that is not known. */
function listOf(right: unknown): string[] | null {
  if (typeof right === 'string' && right.startsWith('@')) return null;
  if (Array.isArray(right)) return right.map(oneOf);
  if (isObject(right) && Array.isArray(right['set'])) return right['set'].map(oneOf);
  return [oneOf(right)];
}

/** One alternative as text, such as `10.0.0.0/8` or `22-25`. */
function oneOf(value: unknown): string {
  if (!isObject(value)) return typeof value === 'boolean' ? String(value) : textOf(value);
  if (isObject(value['prefix'])) return `${textOf(value['prefix']['addr'])}/${textOf(value['prefix']['len'])}`;
  if (Array.isArray(value['range'])) return value['range'].map(textOf).join('-');
  return JSON.stringify(value);
}

/** A rule approximately in nft's syntax, for evidence: at most 400 characters. */
function ruleText(parts: readonly Json[]): string {
  const side = (value: unknown): string => {
    if (!isObject(value)) return Array.isArray(value) ? value.map(side).join(',') : String(value);
    if (isObject(value['payload'])) return `${textOf(value['payload']['protocol'])} ${textOf(value['payload']['field'])}`;
    if (isObject(value['ct'])) return `ct ${textOf(value['ct']['key'])}`;
    if (isObject(value['meta'])) return textOf(value['meta']['key']);
    if (Array.isArray(value['set']))
      return `{ ${value['set'].map((one) => (Array.isArray(one) ? one.map(side).join(' : ') : side(one))).join(', ')} }`;
    if (value['prefix'] || value['range']) return oneOf(value);
    const [[key, inner] = ['', null]] = Object.entries(value);
    return inner === null ? key : `${key} ${isObject(inner) ? Object.values(inner).map(side).join(' ') : side(inner)}`;
  };
  const words = parts.flatMap((part) => {
    const [[kind, value] = ['', null]] = Object.entries(part);
    if (kind === 'counter') return [];
    if (kind === 'match' && isObject(value))
      return [
        `${side(value['left'])} ${value['op'] === '!=' || /[<>]/.test(textOf(value['op'])) ? `${textOf(value['op'])} ` : ''}${side(value['right'])}`,
      ];
    if (kind === 'ct helper')
      return [
        isObject(value) && isObject(value['map'])
          ? `ct helper set ${side(value['map']['key'])} map ${side(value['map']['data'])}`
          : `ct helper set "${textOf(value)}"`,
      ];
    if (kind === 'vmap' && isObject(value)) return [`${side(value['key'])} vmap ${side(value['data'])}`];
    return [value === null ? kind : `${kind} ${isObject(value) ? Object.values(value).map(side).join(' ') : side(value)}`];
  });
  return words.join(' ').slice(0, 400);
}
