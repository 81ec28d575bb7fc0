import { calleeName, pathOf, receiver, wordsOf } from './expressions.ts';
import type { Call, Expr } from './ir.ts';
import type { LanguageName } from './syntax.ts';

const LOG_METHODS = /^(debug|info|warn|warning|error|exception|critical|fatal|trace|log|notice)$/;
const LOGGERS = /(^|[._#])(log|logger|logging|_?log|console|syslog)$/i;

/** Whether a call writes to a log: `LOG.debug(…)` or `this.#logger.warn(…)`. */
export function isLogging(call: Call): boolean {
  call.budget.spend(2);
  const name = calleeName(call);
  const on = pathOf(receiver(call));
  return name !== null && on !== null && LOG_METHODS.test(name) && LOGGERS.test(on);
}

const SECRET = /^(password|passwd|passphrase|secret|token|credential|credentials|apikey|pwd)s?$/;
const SECRET_PAIRS = [
  ['api', 'key'],
  ['private', 'key'],
  ['secret', 'key'],
  ['access', 'key'],
  ['session', 'key'],
];
/** Words for properties of a secret, which are no secrets: its length, its id, its file. */
const ABOUT =
  /^(id|ids|count|counts|len|length|size|name|names|path|file|files|type|types|field|url|hash|digest|index|kind|policy|expiry|expires|age|ttl|limit|bucket|usage|header|provider|manager|store|required|set|valid|is|has|no|num)$/;

/** Whether a name says that its value is a secret: `password`, `apiKey`, but not `token_count`. */
export function isSecretName(name: string): boolean {
  const words = wordsOf(name);
  const last = words.at(-1) ?? '';
  if (words.some((word) => ABOUT.test(word))) return false;
  if (SECRET.test(last)) return true;
  return SECRET_PAIRS.some(([first, second]) => last === second && words.at(-2) === first);
}

/** The last name of an expression: `password` of `self.config.password` or of `config["password"]`; null: none. */
export function lastName(node: Expr): string | null {
  if (node.kind === 'name') return node.name;
  if (node.kind === 'attribute') return node.name;
  if (node.kind === 'index' && node.index.kind === 'text' && node.index.parts.length === 0) return node.index.value;
  return null;
}

const MUTATORS_PYTHON = /^(append|add|insert|extend|update|setdefault|pop|popitem|popleft|appendleft|remove|discard|clear)$/;
const MUTATORS_NODE = /^(add|set|delete|clear|push|pop|shift|unshift|splice)$/;

/** Whether a method of the language's own containers changes them. */
export function isContainerMutator(language: LanguageName, name: string | null): boolean {
  return name !== null && (language === 'python' ? MUTATORS_PYTHON : MUTATORS_NODE).test(name);
}
