import { advice, at, place } from '../claims.ts';
import { argumentsOf, boundNames, calleeName, isConstant, keyword, pathOf, rootOf, selfAttribute } from '../expressions.ts';
import { guardsAt } from '../flow.ts';
import type { Call, Expr, Node } from '../ir.ts';
import type { FunctionInfo, SourceModule } from '../module.ts';
import type { SourceRule } from '../rule.ts';
import { isLogging, isSecretName, lastName } from '../vocabulary.ts';

export const secretInLog: SourceRule = {
  id: 'secret-in-log',
  cwe: 532,
  severity: 'high',
  hint: /passw|passphrase|secret|token|credential|key|pwd/i,
  title: 'a secret that is written to the log',
  why: 'More people can read logs than may know the secret. Logs are copied to other machines and kept for a long time.',
  remedy: 'Do not log it. Log its id, or whether it is set.',
  checks: 'arguments of log calls',
  check(module, report) {
    // In a lexer, a token is a word of the text.
    if (/tokeni[sz]e|lexer/i.test(module.lines.text)) return;
    for (const fn of module.functions) {
      for (const call of fn.of('call')) {
        if (!isLogging(call) && !isPrint(module, call)) continue;
        const secret = argumentsOf(call)
          .map(secretIn)
          .find((one) => one !== null);
        if (!secret) continue;
        report({
          ...place(call, fn),
          claim: `\`${module.brief(secret, 50)}\` is ${isLogging(call) ? 'written to the log' : 'printed'}`,
          evidence: [
            at(module, call, isLogging(call) ? 'the log line' : 'output goes to a terminal, or to a log'),
            at(module, secret, 'a secret, by its name'),
          ],
          solution: advice('Remove it from the log line, or log its id.'),
          severity: isLogging(call) ? 'high' : 'medium',
          confidence: 'likely',
        });
      }
    }
  },
};

function isPrint(module: SourceModule, call: Call): boolean {
  return module.language === 'python' && call.callee.kind === 'name' && call.callee.name === 'print';
}

/** A secret that a log line contains in full: not its length, not a test of it, not a masked form. */
function secretIn(node: Expr): Expr | null {
  switch (node.kind) {
    case 'name':
    case 'attribute':
    case 'index': {
      const name = lastName(node);
      return name !== null && isSecretName(name) ? node : null;
    }
    case 'text':
      return first(node.parts);
    case 'binary':
      return first([node.left, node.right]);
    case 'collection':
      return first(node.items);
    case 'dict':
      return first(node.entries.map(({ value }) => value));
    case 'call':
      if (/^(str|repr|format|join|stringify|String|decode)$/.test(calleeName(node) ?? '')) return first(argumentsOf(node));
      return null;
    default:
      return null;
  }
}

function first(nodes: readonly Expr[]): Expr | null {
  for (const node of nodes) {
    const found = secretIn(node);
    if (found) return found;
  }
  return null;
}

const WEAK_PYTHON = /^random\.(random|randint|randrange|choice|choices|getrandbits|sample|uniform|randbytes)$/;
/** Random values that only have to differ from their surroundings. */
const SEPARATES = /boundary|separator|delimiter|marker|placeholder|jitter/i;
const UNGUESSABLE = /(token|secret|password|passwd|nonce|salt|session_?id|sessionid|api_?key|csrf|otp|session_?cookie)$/i;

export const predictableSecret: SourceRule = {
  id: 'predictable-secret',
  cwe: 338,
  severity: 'high',
  hint: /\brandom\b/,
  title: 'a secret from a predictable random generator',
  why: 'The generator is made for simulations. An attacker who sees some of its numbers can compute the next ones, and so the tokens of other users.',
  remedy: "Use the system's generator: `secrets` in Python, `node:crypto` in Node.",
  checks: 'generators of tokens, passwords and nonces',
  check(module, report) {
    for (const fn of module.functions) {
      for (const call of fn.of('call')) {
        const path = pathOf(call.callee) ?? '';
        const weak =
          module.language === 'python'
            ? WEAK_PYTHON.test(path) && module.imports.get('random')?.module === 'random'
            : path === 'Math.random';
        const name = weak && !SEPARATES.test(fn.name ?? '') ? becomes(fn, call) : null;
        if (name === null) continue;
        report({
          ...place(call, fn),
          claim: `\`${name}\` comes from \`${path}\`, whose numbers are predictable`,
          evidence: [at(module, call, 'not a generator for secrets')],
          solution: advice(
            module.language === 'python'
              ? 'Use `secrets.token_urlsafe()` or `secrets.choice()`.'
              : 'Use `randomBytes` or `randomUUID` of node:crypto.',
          ),
          severity: 'high',
          confidence: 'certain',
        });
      }
    }
  },
};

/** The name of the secret of which a value becomes part; null: none. */
function becomes(fn: FunctionInfo, node: Node): string | null {
  for (let up = node.parent; up; up = up.parent) {
    if (up.kind === 'assign') {
      const names = [...boundNames(up.targets), ...up.targets.map((target) => lastName(target) ?? '')];
      return names.find((name) => UNGUESSABLE.test(name)) ?? null;
    }
    if (up.kind === 'return') return fn.name !== null && UNGUESSABLE.test(fn.name) ? fn.name : null;
    if (up.kind === 'function' && !up.concise && up.name !== null) return null;
    if (up.kind === 'expression') return null;
  }
  return null;
}

export const tlsVerificationOff: SourceRule = {
  id: 'tls-verification-off',
  cwe: 295,
  severity: 'high',
  hint: /verify|CERT_NONE|unverified|rejectUnauthorized|NODE_TLS/,
  title: 'a TLS connection that does not verify the certificate',
  why: 'Without verification of the certificate, an attacker on the network path can pose as the peer, and read and change all data, including credentials.',
  remedy: 'Configure the authority that signed the certificate, and keep verification on.',
  checks: 'options of TLS connections',
  check(module, report) {
    for (const fn of module.functions) {
      const found = [
        ...fn.of('call').flatMap((call) => offInCall(module, call)),
        ...fn.of('assign').flatMap((node) => offInAssign(module, node)),
        ...fn.of('dict').flatMap((node) => offInObject(module, node)),
      ];
      for (const { node, what } of found) {
        if (isAskedFor(module, node)) continue;
        report({
          ...place(node, fn),
          claim: `${what} turns off verification of the peer's certificate`,
          evidence: [at(module, node, 'the option')],
          solution: advice('Keep verification on, and name the authority that signs the certificate (`verify="/path/ca.pem"`, `ca:`).'),
          severity: 'high',
          confidence: 'certain',
        });
      }
    }
  },
};

/** Whether a condition shows that the user of the program turns verification off by an option. */
function isAskedFor(module: SourceModule, node: Node): boolean {
  return guardsAt(node).some(({ test }) => /insecure|verif|skip|disable|no_?check|self_?signed|validat/i.test(module.text(test)));
}

interface Off {
  readonly node: Node;
  readonly what: string;
}

function offInCall(module: SourceModule, call: Call): Off[] {
  if (module.language !== 'python') return [];
  if (pathOf(call.callee) === 'ssl._create_unverified_context') return [{ node: call, what: '`ssl._create_unverified_context()`' }];
  const verify = keyword(call, 'verify');
  const speaksHttp =
    /^(requests|httpx|session|self\.session|self\._session|client)$/i.test(rootOf(call.callee) ?? '') ||
    /session|requests|http/i.test(pathOf(call.callee) ?? '');
  return isConstant(verify, 'false') && speaksHttp ? [{ node: call, what: '`verify=False`' }] : [];
}

function offInAssign(module: SourceModule, node: Node & { kind: 'assign' }): Off[] {
  const [target] = node.targets;
  if (target?.kind !== 'attribute' && target?.kind !== 'index') return [];
  const name = lastName(target) ?? '';
  // A class that is itself an SSL context initialises its default.
  if (name === 'verify_mode' && selfAttribute(target) === null && node.value?.kind === 'attribute' && node.value.name === 'CERT_NONE')
    return [{ node, what: '`CERT_NONE`' }];
  if (name === 'verify' && isConstant(node.value, 'false') && /session/i.test(pathOf(target) ?? ''))
    return [{ node, what: '`verify = False`' }];
  const disables = node.value?.kind === 'text' && node.value.value === '0';
  if (name === 'NODE_TLS_REJECT_UNAUTHORIZED' && disables && module.language !== 'python')
    return [{ node, what: '`NODE_TLS_REJECT_UNAUTHORIZED`' }];
  return [];
}

function offInObject(module: SourceModule, node: Node & { kind: 'dict' }): Off[] {
  if (module.language === 'python') return [];
  return node.entries.flatMap(({ key, value }) =>
    key?.kind === 'text' && key.value === 'rejectUnauthorized' && isConstant(value, 'false')
      ? [{ node: value, what: '`rejectUnauthorized: false`' }]
      : [],
  );
}
