import { lookUp } from '../../model/look-up.ts';
import { type Action, type Match, match, ports, type Rule, ranges } from './model.ts';
import type { Token } from './nft-tokens.ts';

/** The right side of a match. */
interface Values {
  readonly negated: boolean;
  /** null: a named set that was not resolved. */
  readonly list: readonly string[] | null;
  readonly op: string;
}

/** Statements that neither narrow a rule nor decide, and words of theirs. */
const HARMLESS = new Set(['counter', 'log', 'comment', 'packets', 'bytes', 'prefix', 'group', 'level', 'flags', 'snaplen', 'nftrace']);
const VERDICTS: Readonly<Record<string, Action>> = {
  accept: { kind: 'accept' },
  drop: { kind: 'drop' },
  reject: { kind: 'drop' },
  return: { kind: 'return' },
  notrack: { kind: 'notrack' },
  queue: { kind: 'queue' },
};

/**
 * Reads one rule of nft's language.
 * @param source text of the rule, and its indent as in {@link Rule.indent}
 * @returns one rule, or one for each entry of a verdict map
 */
export function readRule(tokens: readonly Token[], source: { readonly text: string; readonly indent: string | null }): Rule[] {
  return new RuleReader(tokens, source).read();
}

/** Reads the tokens of one rule from left to right. */
class RuleReader {
  readonly #tokens: readonly Token[];
  readonly #source: { readonly text: string; readonly indent: string | null };
  #at = 0;
  readonly #matches: Match[] = [];
  #action: Action | null = null;
  #limited = false;
  #opaque = false;
  #map: { key: 'state' | 'helper' | 'other'; entries: readonly (readonly [string, Action | null])[] } | null = null;

  constructor(tokens: readonly Token[], source: { readonly text: string; readonly indent: string | null }) {
    this.#tokens = tokens.filter((token) => token.text !== '\n' || token.quoted);
    this.#source = source;
  }

  read(): Rule[] {
    while (this.#peek() !== null) this.#part();
    const base = { line: this.#tokens[0]?.line ?? 1, ...this.#source, limited: this.#limited, opaque: this.#opaque, nftHandle: null };
    const map = this.#map;
    if (!map) return [{ ...base, matches: this.#matches, action: this.#action }];
    return map.entries.map(([value, action]) => ({
      ...base,
      matches: [...this.#matches, map.key === 'other' ? match('other', null) : match(map.key, [value])],
      action,
    }));
  }

  #peek(offset = 0): string | null {
    return this.#tokens[this.#at + offset]?.text ?? null;
  }

  #next(): string {
    return this.#tokens[this.#at++]?.text ?? '';
  }

  /** Reads one statement or expression. */
  #part(): void {
    const word = this.#next();
    const verdict = lookUp(VERDICTS, word);
    if (verdict) {
      this.#action = verdict;
      if (word === 'reject' && this.#peek() === 'with') this.#skip(8);
      return;
    }
    switch (word) {
      case 'jump':
      case 'goto':
        this.#action = { kind: word, chain: this.#next() };
        return;
      case 'ct':
        this.#ct();
        return;
      case 'tcp':
      case 'udp':
      case 'th':
      case 'sctp':
      case 'dccp':
      case 'udplite':
        this.#transport(word);
        return;
      case 'ip':
      case 'ip6':
        this.#network(word);
        return;
      case 'meta':
        this.#meta(this.#next());
        return;
      case 'iif':
      case 'iifname':
      case 'oif':
      case 'oifname':
      case 'l4proto':
      case 'nfproto':
      case 'mark':
        this.#meta(word);
        return;
      case 'fib':
        this.#fib();
        return;
      case 'limit':
      case 'quota':
        this.#limited = true;
        this.#skip(8);
        return;
      case 'masquerade':
      case 'snat':
      case 'dnat':
      case 'redirect':
        this.#nat(word);
        return;
      case 'flow':
        this.#next();
        this.#next();
        this.#action = { kind: 'flow' };
        return;
      case 'xt':
        this.#opaque = true;
        this.#matches.push(match('other', null));
        this.#skip(4);
        return;
      default:
        if (HARMLESS.has(word)) this.#harmless(word);
        else this.#other();
    }
  }

  /** Skips the argument of `counter packets 0 bytes 0`, `log prefix "…"` or `comment "…"`. */
  #harmless(word: string): void {
    if (word === 'counter' || word === 'log') return;
    this.#next();
  }

  /** An unknown expression. It narrows the rule, so the rule is treated as one that may not match. */
  #other(): void {
    this.#matches.push(match('other', null));
    this.#skip(Number.POSITIVE_INFINITY);
  }

  /** Skips the arguments of an expression: at most so many tokens, up to the next word that begins a statement. */
  #skip(most: number): void {
    for (let count = 0; count < most && this.#peek() !== null && !this.#beginsSomething(); count++) {
      if (this.#next() === '{') this.#untilClose();
    }
  }

  /** Whether the next word begins a statement or expression. */
  #beginsSomething(): boolean {
    const word = this.#peek() ?? '';
    return (
      lookUp(VERDICTS, word) !== undefined ||
      /^(jump|goto|ct|tcp|udp|ip|ip6|meta|iif|iifname|oif|oifname|fib|counter|log|comment|masquerade|snat|dnat|redirect|flow|limit)$/.test(
        word,
      )
    );
  }

  /** The words up to the matching closing brace, which is consumed. */
  #untilClose(): string[] {
    const inside: string[] = [];
    for (let depth = 1; this.#peek() !== null; ) {
      const word = this.#next();
      if (word === '{') depth++;
      else if (word === '}' && --depth === 0) break;
      inside.push(word);
    }
    return inside;
  }

  /** `ct KEY …`: a match, `set`, a verdict map or a count. */
  #ct(): void {
    const key = this.#next();
    if (key === 'original' || key === 'reply') {
      this.#other();
      return;
    }
    if (this.#peek() === 'set') {
      this.#next();
      if (key === 'helper') this.#setHelper();
      else this.#skip(6);
      return;
    }
    if (this.#isVerdictMap(key === 'state' || key === 'helper' ? key : 'other')) return;
    if (key === 'count') {
      this.#limited = true;
      this.#skip(3);
      return;
    }
    const { list, negated } = this.#values();
    if (key === 'state' || key === 'status' || key === 'helper') this.#matches.push(match(key, list, negated));
    else this.#matches.push(match('other', null));
  }

  /** `ct helper set "x"`, or a map: `ct helper set tcp dport map { 21 : "x" }`. */
  #setHelper(): void {
    const first = this.#next();
    if (this.#peek() !== 'dport') {
      this.#action = { kind: 'set-helper', object: first, type: null };
      return;
    }
    this.#next();
    const named = this.#next() === 'map' ? this.#next() : '';
    const inside = named === '{' ? this.#untilClose() : [];
    const entries: [string, string][] = [];
    for (let index = 0; index + 2 < inside.length + 1; index++) {
      if (inside[index + 1] === ':') entries.push([inside[index] as string, inside[index + 2] as string]);
    }
    this.#action = { kind: 'map-helper', protocol: first, entries };
  }

  /** Reads `vmap { established : accept, … }` if it comes next. */
  #isVerdictMap(key: 'state' | 'helper' | 'other'): boolean {
    if (this.#peek() !== 'vmap') return false;
    this.#next();
    const inside = this.#next() === '{' ? this.#untilClose() : [];
    const entries: [string, Action | null][] = [];
    for (const part of split(inside, ',')) {
      const colon = part.indexOf(':');
      const [verb = '', target = ''] = part.slice(colon + 1);
      const action: Action | null = verb === 'jump' || verb === 'goto' ? { kind: verb, chain: target } : (lookUp(VERDICTS, verb) ?? null);
      entries.push([part.slice(0, colon).join(' '), action]);
    }
    this.#map = { key, entries };
    return true;
  }

  #transport(protocol: string): void {
    const field = this.#next();
    if (protocol !== 'th') this.#matches.push(match('l4proto', [protocol]));
    if (field === 'dport' || field === 'sport') {
      if (this.#isVerdictMap('other')) return;
      const { list, negated, op } = this.#values();
      this.#matches.push(ports(field, list && ranges(list, op), negated));
    } else this.#other();
  }

  #network(version: 'ip' | 'ip6'): void {
    const field = this.#next();
    this.#matches.push(match('nfproto', [version === 'ip' ? 'ipv4' : 'ipv6']));
    const { list, negated } = this.#values();
    if (field === 'saddr' || field === 'daddr') this.#matches.push(match(field, list, negated));
    else if (field === 'protocol' || field === 'nexthdr') this.#matches.push(match('l4proto', list, negated));
    else this.#matches.push(match('other', null));
  }

  #meta(key: string): void {
    if (this.#peek() === 'set') {
      this.#next();
      this.#skip(6);
      return;
    }
    if (this.#isVerdictMap('other')) return;
    const { list, negated } = this.#values();
    if (key === 'l4proto') this.#matches.push(match('l4proto', list, negated));
    else if (key === 'nfproto') this.#matches.push(match('nfproto', list, negated));
    else if (/^iif(name)?$/.test(key)) this.#matches.push(match('iif', list, negated));
    else if (/^oif(name)?$/.test(key)) this.#matches.push(match('oif', list, negated));
    else this.#matches.push(match('other', null));
  }

  /** `fib …`: a reverse-path check if it compares the source with the output interface. */
  #fib(): void {
    const words: string[] = [];
    while (
      this.#peek() !== null &&
      !['accept', 'drop', 'return', 'jump', 'goto', 'counter', 'log', 'reject'].includes(this.#peek() as string)
    )
      words.push(this.#next());
    const text = words.join(' ');
    const isReverse = /saddr/.test(text) && /\boif(name)?\b/.test(text);
    this.#matches.push(match(isReverse ? 'rpfilter' : 'other', null));
  }

  /** `snat to …` and the like. The rest of the rule belongs to it. */
  #nat(form: 'masquerade' | 'snat' | 'dnat' | 'redirect'): void {
    const words: string[] = [];
    while (this.#peek() !== null && !['counter', 'log', 'comment'].includes(this.#peek() as string)) words.push(this.#next());
    const to = words.indexOf('to');
    this.#action = { kind: 'nat', form, to: to < 0 ? null : words.slice(to + 1).join('') };
  }

  /** Reads a right side: `22`, `!= 22`, `{ 22, 80-90 }`, `established,related` or `@set`. */
  #values(): Values {
    let op = '==';
    if (/^(==|!=|[<>]=?|!)$/.test(this.#peek() ?? '')) op = this.#next();
    const negated = op === '!=' || op === '!';
    const first = this.#next();
    if (first.startsWith('@')) return { negated, list: null, op };
    if (first === '{') return { negated, list: split(this.#untilClose(), ',').map((part) => part.join('')), op };
    const list = [first];
    while (this.#peek() === ',') {
      this.#next();
      list.push(this.#next());
    }
    return { negated, list, op };
  }
}

/** Splits a list at a separator; empty parts are dropped. */
function split(words: readonly string[], separator: string): string[][] {
  const parts: string[][] = [[]];
  for (const word of words) {
    if (word === separator) parts.push([]);
    else parts.at(-1)?.push(word);
  }
  return parts.filter((part) => part.length > 0);
}
