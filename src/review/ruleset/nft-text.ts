import { InvalidInput } from '../../model/errors.ts';
import {
  type Base,
  type Chain,
  chainKey,
  type HelperObject,
  MAX_RULES,
  type NftFamily,
  priorityOf,
  type Ruleset,
  tooManyRules,
} from './model.ts';
import { readRule } from './nft-rule.ts';
import { type Token, TokenStream } from './nft-tokens.ts';
import { Expansion, NamedValues } from './nft-values.ts';

const FAMILIES = new Set(['inet', 'ip', 'ip6', 'bridge', 'arp', 'netdev']);
/** Blocks of a table that the model does not need. */
const OTHER_BLOCKS = new Set(['flowtable', 'counter', 'quota', 'limit', 'secmark', 'synproxy', 'meter']);

/**
 * Reads the output of `nft list ruleset`, or a file for `nft -f`: tables with their chains, and commands such as `add rule`.
 * Included files are not read, but listed as `unread`.
 * @param name of the subject, for errors
 * @throws InvalidInput that names the line
 */
export function readNftText(text: string, name: string): Ruleset {
  return new NftReader(text, name).read();
}

/** A recursive-descent reader of the grammar of nft(8), as far as chains, rules, helpers and sets need it. */
class NftReader {
  readonly #tokens: TokenStream;
  readonly #lines: readonly string[];
  readonly #name: string;
  readonly #text: string;
  readonly #chains = new Map<string, Chain>();
  readonly #helpers: HelperObject[] = [];
  readonly #unread: { line: number; text: string }[] = [];
  readonly #values = new NamedValues();
  readonly #expansion = new Expansion();
  #at = 0;
  #rules = 0;

  constructor(text: string, name: string) {
    this.#tokens = new TokenStream(text);
    this.#lines = text.split(/\r?\n/);
    this.#name = name;
    this.#text = text;
  }

  read(): Ruleset {
    for (this.#blank(); this.#peek(); this.#blank()) this.#command();
    return { format: 'nft', chains: [...this.#chains.values()], helpers: this.#helpers, unread: this.#unread };
  }

  /** @throws InvalidInput that names the line, and the expected and the found word */
  #fail(expected: string, token = this.#tokens.at(this.#at) ?? this.#tokens.last): never {
    const found = token ? `'${token.text === '\n' ? 'end of line' : token.text.slice(0, 40)}'` : 'nothing';
    throw new InvalidInput('ruleset', `${this.#name}: line ${token?.line ?? 1}: expected ${expected}, not ${found}.`);
  }

  #peek(): Token | undefined {
    return this.#tokens.at(this.#at);
  }

  #next(expected = 'more'): Token {
    const token = this.#tokens.at(this.#at);
    if (!token) this.#fail(expected, this.#tokens.last);
    this.#at++;
    return token;
  }

  /** The text of a statement on one line, and its indent as in {@link Rule.indent}. */
  #source(statement: readonly Token[]): { text: string; indent: string | null } {
    const [first] = statement;
    const raw = this.#text.slice(first?.start ?? 0, statement.at(-1)?.end ?? 0);
    const line = this.#lines[(first?.line ?? 1) - 1] ?? '';
    return { text: raw.replace(/\s+/g, ' ').slice(0, 400), indent: line.trim() === raw ? (/^\s*/.exec(line)?.[0] ?? '') : null };
  }

  /** Skips line ends and semicolons. */
  #blank(): void {
    while (this.#peek() && !this.#peek()?.quoted && /^(\n|;)$/.test(this.#peek()?.text ?? '')) this.#at++;
  }

  /** The next word. @throws InvalidInput if punctuation comes instead */
  #word(expected: string): string {
    const { text, quoted } = this.#next(expected);
    if (!quoted && /^[{};\n]$/.test(text)) {
      this.#at--;
      this.#fail(expected);
    }
    return text;
  }

  /** Reads one command of a file, or a table of a listing. */
  #command(): void {
    const token = this.#next();
    switch (token.text) {
      case 'table':
        this.#table();
        return;
      case 'add':
      case 'insert':
      case 'create':
      case 'replace':
        this.#added();
        return;
      case 'define':
        this.#define();
        return;
      case 'include':
        this.#unread.push({ line: token.line, text: this.#lines[token.line - 1]?.trim() ?? '' });
        this.#line();
        return;
      case 'flush':
      case 'delete':
      case 'destroy':
      case 'list':
      case 'reset':
        this.#line();
        return;
      default:
        this.#fail("'table', 'add', 'define', 'include' or 'flush'", token);
    }
  }

  /** Skips the rest of the line. */
  #line(): void {
    while (this.#peek() && this.#peek()?.text !== '\n') this.#at++;
  }

  /** The tokens up to the end of a statement, with variables and sets replaced by their values. */
  #statement(): Token[] {
    const found: Token[] = [];
    for (let depth = 0; ; ) {
      const token = this.#peek();
      if (!token || (depth === 0 && !token.quoted && /^[;\n}]$/.test(token.text))) return found;
      this.#at++;
      if (!token.quoted && token.text === '{') depth++;
      if (!token.quoted && token.text === '}') depth--;
      if (token.text !== '\n' || token.quoted) found.push(...this.#expanded(token));
    }
  }

  /** The tokens that a variable or set stands for, at the place where it is used. */
  #expanded(token: Token): readonly Token[] {
    const value = this.#values.valueOf(token);
    if (value) this.#expansion.add(value.length, `${this.#name}: line ${token.line}`);
    return value ? value.map((one) => ({ ...one, line: token.line, start: token.start, end: token.end })) : [token];
  }

  #define(): void {
    const name = this.#word('the name of a variable');
    if (this.#peek()?.text === '=') this.#at++;
    this.#values.define(name, this.#statement());
  }

  /** A family, which defaults to `ip` (nft(8)). */
  #family(): NftFamily {
    const token = this.#peek();
    if (!token || !FAMILIES.has(token.text)) return 'ip';
    this.#at++;
    return token.text as NftFamily;
  }

  #table(): void {
    const family = this.#family();
    const table = this.#word('the name of a table');
    this.#blank();
    if (this.#peek()?.text !== '{') return;
    this.#at++;
    this.#values.scope = `${family} ${table}`;
    for (this.#blank(); this.#peek()?.text !== '}'; this.#blank()) {
      const token = this.#next("'chain', 'ct helper', 'set' or '}'");
      if (token.text === 'chain') this.#chainBlock(family, table);
      else if (token.text === 'ct') this.#object({ family, table }, this.#word("'helper'"));
      else if (token.text === 'set' || token.text === 'map') this.#setBlock();
      else if (OTHER_BLOCKS.has(token.text)) this.#skipBlock();
      else this.#statement();
    }
    this.#at++;
  }

  /** `set NAME { type …; flags …; elements = { … } }`. */
  #setBlock(): void {
    const name = this.#word('the name of a set');
    this.#blank();
    if (this.#next("'{'").text !== '{') this.#fail("'{'", this.#tokens.at(this.#at - 1));
    const statements: Token[][] = [];
    this.#block((statement) => void statements.push(statement));
    this.#values.declare(name, statements);
  }

  #skipBlock(): void {
    while (this.#peek() && this.#peek()?.text !== '{') this.#at++;
    this.#next("'{'");
    this.#block(() => undefined);
  }

  /** Calls `each` with every statement of a block, and consumes the closing brace. */
  #block(each: (statement: Token[]) => void): void {
    for (this.#blank(); this.#peek()?.text !== '}'; this.#blank()) {
      if (!this.#peek()) this.#fail("'}'");
      each(this.#statement());
    }
    this.#at++;
  }

  #chainBlock(family: NftFamily, table: string): void {
    const { line } = this.#next('the name of a chain');
    this.#at--;
    const name = this.#word('the name of a chain');
    this.#blank();
    if (this.#next("'{'").text !== '{') this.#fail("'{'", this.#tokens.at(this.#at - 1));
    const chain = this.#chain({ family, table, name, line });
    this.#block((statement) => this.#chainStatement(chain, statement));
  }

  /** The chain of that name; a new one if it was not mentioned before. */
  #chain(place: { family: NftFamily; table: string; name: string; line: number }): Chain {
    const key = chainKey(place);
    const known = this.#chains.get(key);
    if (known) return known;
    const chain: Chain = { ...place, base: null, rules: [] };
    this.#chains.set(key, chain);
    return chain;
  }

  #chainStatement(chain: Chain, statement: Token[]): void {
    const [first] = statement;
    if (!first) return;
    if (first.text === 'type' && !first.quoted) {
      this.#setBase(chain, statement);
      return;
    }
    if (first.text === 'policy') {
      const base = this.#chains.get(chainKey(chain))?.base;
      if (base) (base as { policy: string }).policy = statement[1]?.text === 'drop' ? 'drop' : 'accept';
      return;
    }
    if (/^(comment|flags|devices?)$/.test(first.text)) return;
    this.#addRule(chain, statement);
  }

  #addRule(chain: Chain, statement: readonly Token[]): void {
    if (++this.#rules > MAX_RULES) throw tooManyRules(this.#name, statement[0]?.line ?? 1);
    chain.rules.push(...readRule(statement, this.#source(statement)));
  }

  #setBase(chain: Chain, words: readonly Token[]): void {
    const after = (word: string) => words[words.findIndex((token) => token.text === word) + 1]?.text;
    const hook = after('hook');
    if (!hook || !words.some((token) => token.text === 'hook')) this.#fail("'hook'", words[0]);
    const at = words.findIndex((token) => token.text === 'priority');
    const base: Base = {
      type: words[1]?.text ?? 'filter',
      hook,
      priority: at < 0 ? 0 : priorityOf(words.slice(at + 1).map(({ text }) => text)),
      policy: 'accept',
    };
    (chain as { base: Base | null }).base = base;
  }

  /** Reads `helper NAME { type "ftp" protocol tcp; l3proto inet; }`, after `ct`. */
  #object(place: { family: NftFamily; table: string }, kind: string): void {
    const { line, text: name } = this.#next('the name of an object');
    this.#blank();
    if (this.#next("'{'").text !== '{') this.#fail("'{'", this.#tokens.at(this.#at - 1));
    const fields = new Map<string, string>();
    this.#block((statement) => {
      for (let index = 0; index + 1 < statement.length; index += 2)
        fields.set(statement[index]?.text ?? '', statement[index + 1]?.text ?? '');
    });
    const field = (key: string, fallback: string) => fields.get(key) ?? fallback;
    if (kind === 'helper')
      this.#helpers.push({
        ...place,
        name,
        line,
        type: field('type', ''),
        protocol: field('protocol', ''),
        l3proto: field('l3proto', 'inet'),
      });
  }

  /** Reads `add rule inet fw forward …`, `add chain … { … }` and the like. */
  #added(): void {
    const { text: kind, line } = this.#next("'rule', 'chain' or 'table'");
    if (kind === 'table') {
      this.#table();
      return;
    }
    if (kind === 'element') {
      this.#values.add([this.#family(), this.#word('the name of a table'), this.#word('the name of a set')].join(' '), this.#statement());
      return;
    }
    if (kind !== 'rule' && kind !== 'chain' && kind !== 'ct') {
      this.#statement();
      return;
    }
    if (kind === 'ct') {
      this.#addedObject();
      return;
    }
    const family = this.#family();
    const table = this.#word('the name of a table');
    const name = this.#word('the name of a chain');
    const chain = this.#chain({ family, table, name, line });
    this.#values.scope = `${family} ${table}`;
    if (kind === 'rule') {
      const statement = this.#statement().filter((token, index, all) => !isPlace(token, all[index - 1]));
      if (statement.length > 0) this.#addRule(chain, statement);
    } else if (this.#peek()?.text === '{') {
      this.#at++;
      this.#block((statement) => this.#chainStatement(chain, statement));
    }
  }

  #addedObject(): void {
    const kind = this.#word("'helper'");
    const family = this.#family();
    const table = this.#word('the name of a table');
    this.#object({ family, table }, kind);
  }
}

/** `position 7`, `handle 7` and `index 0` of a command: they say where the rule goes, and are no part of it. */
function isPlace(token: Token, before: Token | undefined): boolean {
  const names = /^(position|handle|index)$/;
  return (names.test(token.text) && !token.quoted) || (before !== undefined && names.test(before.text) && /^\d+$/.test(token.text));
}
