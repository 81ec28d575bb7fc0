import { MAX_PORT } from '../../contract/primitives.ts';
import { lookUp } from '../../model/look-up.ts';
import { type Comparison, field, type Operand, one, type Statement, UNKNOWN, type Value, type Verdict } from './exact.ts';
import type { NftFamily } from './model.ts';

/** Match modules without a condition of their own, or whose options are all read below. */
const READ = new Set(
  'tcp udp multiport conntrack state helper comment rpfilter limit hashlimit connlimit mark connmark addrtype pkttype iprange'.split(' '),
);
/** Targets that let the packet go on to the next rule. */
const PASSING =
  /^(LOG|NFLOG|ULOG|TCPMSS|TRACE|AUDIT|CHECKSUM|DSCP|TOS|SET|SECMARK|CONNSECMARK|TEE|CLASSIFY|HL|TTL|TCPOPTSTRIP|RATEEST|IDLETIMER|LED)$/;

/**
 * The statements of a rule of iptables-save: its words after `-A CHAIN` (iptables-extensions(8)). A match that is not known is opaque.
 */
export function exactOfIptables(words: readonly string[], family: NftFamily): Statement[] {
  return new WordReader(words, family === 'ip6' ? 'ip6' : 'ip').read();
}

class WordReader {
  readonly #words: readonly string[];
  readonly #ip: 'ip' | 'ip6';
  readonly #statements: Statement[] = [];
  #at = 0;
  #negated = false;

  constructor(words: readonly string[], ip: 'ip' | 'ip6') {
    this.#words = words;
    this.#ip = ip;
  }

  read(): Statement[] {
    while (this.#at < this.#words.length) {
      const word = this.#next();
      if (word === '!') {
        this.#negated = true;
        continue;
      }
      if (/^(-j|-g|--jump|--goto)$/.test(word)) {
        this.#statements.push(
          ...targetOf(this.#next(), this.#words.slice(this.#at), /g/.test(word[1] ?? '') || word === '--goto', this.#ip),
        );
        break;
      }
      this.#statements.push(...this.#option(word));
      this.#negated = false;
    }
    return this.#statements;
  }

  #next(): string {
    return this.#words[this.#at++] ?? '';
  }

  #is(left: string | Operand, right: readonly Value[] | null, op: '==' | 'in' = '=='): Statement[] {
    const negated: Comparison = op === 'in' ? 'not in' : '!=';
    return [{ kind: 'condition', left: typeof left === 'string' ? field(left) : left, op: this.#negated ? negated : op, right }];
  }

  #option(word: string): Statement[] {
    const list = () => this.#next().split(',');
    const upper = () => list().map((text) => one(text.toLowerCase()));
    switch (word) {
      case '-s':
        return this.#is(`${this.#ip} saddr`, list().map(networkOf));
      case '-d':
        return this.#is(`${this.#ip} daddr`, list().map(networkOf));
      case '-i':
        return this.#is('meta iifname', [one(this.#next().replace(/\+$/, '*'))]);
      case '-o':
        return this.#is('meta oifname', [one(this.#next().replace(/\+$/, '*'))]);
      case '-p':
        return this.#is('meta l4proto', [one(this.#next())]);
      case '--dport':
      case '--dports':
        return this.#is('th dport', list().map(portsOf));
      case '--sport':
      case '--sports':
        return this.#is('th sport', list().map(portsOf));
      case '--ctstate':
      case '--state':
        return this.#state(list().map((text) => text.toLowerCase()));
      case '--ctstatus':
        return this.#besideState(this.#status(list().map((text) => text.toLowerCase().replaceAll('_', '-'))));
      case '--ctdir':
        return this.#besideState(this.#is('ct direction', upper()));
      case '--helper':
        return this.#is('xt helper', [one(this.#next())]);
      case '--src-range':
        return this.#is(`${this.#ip} saddr`, [rangeOf(this.#next())]);
      case '--dst-range':
        return this.#is(`${this.#ip} daddr`, [rangeOf(this.#next())]);
      case '--mark':
        return this.#mark(this.#next());
      case '--dst-type':
        return this.#addressType('fib daddr type', list());
      case '--src-type':
        return this.#addressType('fib saddr type', list());
      case '--pkt-type':
        // What nft calls `host`.
        return this.#is(
          'meta pkttype',
          list().map((text) => one(text.toLowerCase() === 'unicast' ? 'host' : text.toLowerCase())),
        );
      case '--tcp-flags':
        return this.#flags(this.#next(), this.#next());
      case '--syn':
        return this.#flags('FIN,SYN,RST,ACK', 'SYN');
      case '--icmp-type':
      case '--icmpv6-type':
        this.#next();
        return this.#is('icmp type', null);
      case '-m':
        return this.#module(this.#next());
      default:
        return this.#other(word);
    }
  }

  /** The pseudo-states DNAT and SNAT are bits of the status. A rule that names both kinds is not modelled. */
  #state(names: readonly string[]): Statement[] {
    const translated = names.filter((name) => name === 'dnat' || name === 'snat');
    if (translated.length === 0) return this.#is('ct state', names.map(one), 'in');
    if (translated.length === names.length) return this.#is('ct status', names.map(one), 'in');
    return [{ kind: 'opaque' }];
  }

  /** For IPv6, this host's own addresses are unicast too, and all the types that are named have to hold (xt_addrtype.c). */
  #addressType(left: string, names: readonly string[]): Statement[] {
    const types = names.map((name) => name.toLowerCase());
    if (this.#ip === 'ip') return this.#is(left, types.map(one));
    if (types.length > 1) return [{ kind: 'opaque' }];
    return this.#is(left, (types[0] === 'unicast' ? ['unicast', 'local', 'anycast'] : types).map(one));
  }

  #status(names: readonly string[]): Statement[] {
    return names.includes('none') ? [{ kind: 'opaque' }] : this.#is('ct status', names.map(one), 'in');
  }

  /** xt_conntrack asks for nothing beside the state where there is no connection. */
  #besideState(statements: readonly Statement[]): Statement[] {
    const start = this.#words.slice(0, this.#at).lastIndexOf('-m');
    const end = this.#words.indexOf('-m', this.#at);
    const own = this.#words.slice(start, end < 0 ? this.#words.length : end);
    const needsConnection = own.includes('--ctstate');
    return statements.map((one) => (one.kind === 'condition' ? { ...one, needsConnection } : one));
  }

  /** `--mark VALUE/MASK` of the module that was loaded last. */
  #mark(text: string): Statement[] {
    const [value = 0, mask = null] = text.split('/').map(Number);
    const loaded = this.#words.slice(0, this.#at).lastIndexOf('connmark') > this.#words.slice(0, this.#at).lastIndexOf('mark');
    const mark = field(loaded ? 'ct mark' : 'meta mark');
    return this.#is(mask === null ? mark : bits('&', mark, mask), [one(value)]);
  }

  #flags(mask: string, wanted: string): Statement[] {
    const words = (text: string) => (text === 'NONE' ? [] : text === 'ALL' ? ALL_FLAGS : text.toLowerCase().split(','));
    const left: Operand = { kind: 'bits', op: '&', left: field('tcp flags'), right: { kind: 'constant', value: words(mask) } };
    return this.#is(left, words(wanted).map(one));
  }

  #module(name: string): Statement[] {
    if (name === 'rpfilter') return this.#reversePath();
    if (name === 'limit') return [{ kind: 'rate', over: false }];
    return READ.has(name) ? [] : [{ kind: 'opaque' }];
  }

  /** The module's options follow without an order. It matches packets whose source is reached through their interface. */
  #reversePath(): Statement[] {
    const options = this.#words.slice(this.#at, this.#at + 4);
    const until = options.findIndex((word) => !word.startsWith('--'));
    const own = until < 0 ? options : options.slice(0, until);
    this.#at += own.length;
    const flags = ['saddr', ...(own.includes('--validmark') ? ['mark'] : []), ...(own.includes('--loose') ? [] : ['iif'])];
    return this.#is(`fib ${flags.join()} oif`, [one(own.includes('--invert') ? 'false' : 'true')]);
  }

  #other(word: string): Statement[] {
    const over = word.endsWith('above') !== this.#negated;
    if (word === '--hashlimit-upto' || word === '--hashlimit-above') {
      this.#next();
      return [{ kind: 'rate', over }];
    }
    if (word === '--connlimit-above' || word === '--connlimit-upto') return [{ kind: 'connections', count: Number(this.#next()), over }];
    if (word === '--comment' || /^--(limit|limit-burst|hashlimit-[-\w]+|connlimit-mask)$/.test(word)) {
      this.#next();
      return [];
    }
    if (!word.startsWith('--') || /^--connlimit-[sd]addr$/.test(word)) return [];
    if (!(this.#words[this.#at] ?? '-').startsWith('-')) this.#next();
    return [{ kind: 'opaque' }];
  }
}

const ALL_FLAGS = ['fin', 'syn', 'rst', 'psh', 'ack', 'urg'];

/** A network, or an address without a prefix length. */
function networkOf(text: string): Value {
  const [address = '', length] = text.split('/');
  return length === undefined ? one(address) : { kind: 'prefix', address, length: Number(length) };
}

/** `21`, `1024:2047`, `:1023`, `1024:`. */
function portsOf(text: string): Value {
  const [from = '', to] = text.split(':');
  return to === undefined ? one(Number(from)) : { kind: 'range', from: Number(from || 0), to: Number(to || MAX_PORT) };
}

/** `192.0.2.1-192.0.2.9`, or one address. */
function rangeOf(text: string): Value {
  const [from = '', to] = text.split('-');
  return to === undefined ? one(from) : { kind: 'range', from, to };
}

function bits(op: '&' | '|' | '^', left: Operand, right: number): Operand {
  return { kind: 'bits', op, left, right: { kind: 'constant', value: right } };
}

function verdict(one: Verdict): Statement[] {
  return [{ kind: 'verdict', verdict: one }];
}

/** The statements of a target with its options. */
function targetOf(name: string, options: readonly string[], isGoto: boolean, ip: 'ip' | 'ip6'): Statement[] {
  const option = (key: string): string | null => (options.includes(key) ? (options[options.indexOf(key) + 1] ?? null) : null);
  switch (name) {
    case 'ACCEPT':
      return verdict({ kind: 'accept' });
    case 'DROP':
    case 'REJECT':
      return verdict({ kind: 'drop' });
    case 'RETURN':
      return verdict({ kind: 'return' });
    case 'NFQUEUE':
      return verdict({ kind: 'queue' });
    case 'NOTRACK':
      return [{ kind: 'notrack' }];
    case 'CT':
      return connectionTarget(options, option);
    case 'MARK':
      return markTarget('meta mark', option);
    case 'CONNMARK':
      return connmarkTarget(options, option);
    case 'MASQUERADE':
    case 'SNAT':
    case 'DNAT':
    case 'REDIRECT':
      return [natTarget(name, option(name === 'SNAT' ? '--to-source' : name === 'DNAT' ? '--to-destination' : '--to-ports'), ip)];
    case 'NETMAP':
    case 'TPROXY':
    case 'SYNPROXY':
      return [{ kind: 'opaque' }, ...verdict({ kind: 'queue' })];
    default:
      return PASSING.test(name) ? [] : verdict({ kind: isGoto ? 'goto' : 'jump', chain: name });
  }
}

function connectionTarget(options: readonly string[], option: (key: string) => string | null): Statement[] {
  if (options.includes('--notrack')) return [{ kind: 'notrack' }];
  const helper = option('--helper');
  const zones = (['--zone', '--zone-orig', '--zone-reply'] as const).flatMap((key): Statement[] => {
    const value = option(key);
    if (value === null) return [];
    const target = key === '--zone' ? 'ct zone' : key === '--zone-orig' ? 'ct original zone' : 'ct reply zone';
    return [{ kind: 'set', target, value: value === 'mark' ? field('meta mark') : { kind: 'constant', value: Number(value) } }];
  });
  return [...zones, ...(helper === null ? [] : [{ kind: 'helper', object: null, type: helper } as const])];
}

/** `--set-xmark VALUE/MASK` clears the bits of the mask and flips those of the value. */
function markTarget(target: 'meta mark' | 'ct mark', option: (key: string) => string | null): Statement[] {
  const xmark = option('--set-xmark');
  if (xmark === null) return [{ kind: 'set', target, value: UNKNOWN }];
  const [value = 0, mask = 0xffffffff] = xmark.split('/').map(Number);
  return [{ kind: 'set', target, value: bits('^', bits('&', field(target), ~mask >>> 0), value) }];
}

function connmarkTarget(options: readonly string[], option: (key: string) => string | null): Statement[] {
  const restores = options.includes('--restore-mark');
  if (!restores && !options.includes('--save-mark')) return markTarget('ct mark', option);
  const mask = [option('--nfmask'), option('--ctmask'), option('--mask')].some((text) => text !== null && Number(text) !== 0xffffffff);
  const [target, source] = restores ? (['meta mark', 'ct mark'] as const) : (['ct mark', 'meta mark'] as const);
  return [{ kind: 'set', target, value: mask ? UNKNOWN : field(source) }];
}

const FORMS = { MASQUERADE: 'masquerade', SNAT: 'snat', DNAT: 'dnat', REDIRECT: 'redirect' } as const;

/** `--to-source ADDRESS[-ADDRESS][:PORT[-PORT]]`, with brackets around addresses of IPv6 that have a port; `--to-ports PORT[-PORT]`. */
function natTarget(name: string, to: string | null, family: 'ip' | 'ip6'): Statement {
  const form = lookUp(FORMS, name) ?? 'masquerade';
  const [address, port] = form === 'redirect' || form === 'masquerade' ? ['', to ?? ''] : addressAndPort(to ?? '');
  return { kind: 'nat', form, family, address: choiceOf(address), port: choiceOf(port) };
}

function addressAndPort(text: string): readonly [string, string] {
  const [, inBrackets, afterBrackets = ''] = /^\[([^\]]*)\](?::(.*))?$/.exec(text) ?? [];
  if (inBrackets !== undefined) return [inBrackets, afterBrackets];
  if (/:.*:/.test(text)) return [text, ''];
  const [address = '', port = ''] = text.split(':');
  return [address, port];
}

/** An address or port; not known where the kernel chooses from a range. null: it is not changed. */
function choiceOf(text: string): Operand | null {
  if (text === '') return null;
  if (/[-/]/.test(text)) return UNKNOWN;
  return { kind: 'constant', value: /^\d+$/.test(text) ? Number(text) : text };
}
