import { advice, at, place } from '../claims.ts';
import { calleeName, isConstant, keyword, pathOf, receiver, rootOf, some } from '../expressions.ts';
import { guardingTry, guardsAt, isWithin } from '../flow.ts';
import type { Call, Expr } from '../ir.ts';
import type { SourceModule } from '../module.ts';
import type { SourceRule } from '../rule.ts';

const CHECKS = /^(os\.path\.(exists|isfile|isdir|lexists)|os\.access|existsSync|fs\.existsSync|.*\.(exists|is_file|is_dir))$/;
/** Methods of a path object, such as those of pathlib. */
const PATH_USES = /^(unlink|read_text|read_bytes|write_text|write_bytes|open|mkdir|rmdir|rename|replace|touch|chmod|stat|iterdir)$/;
const USES =
  /^(open|os\.(remove|unlink|rmdir|mkdir|makedirs|rename|replace|stat|open|chmod|chown|symlink|listdir)|shutil\.(rmtree|move|copy\w*)|(fs\.)?(readFileSync|writeFileSync|unlinkSync|rmSync|mkdirSync|renameSync|openSync|statSync|readdirSync|rmdirSync|chmodSync|readFile|writeFile|unlink|rm|mkdir|rename|stat|readdir))$/;
/** Calls that fail if the file is missing, and change nothing. */
const READS =
  /^(.*\.(read_text|read_bytes|stat|iterdir)|os\.(listdir|stat)|(fs\.)?(readFileSync|statSync|readdirSync|readFile|stat|readdir))$/;
const NETNS_CHECKS = /(namespace_exists|netns_exists|list_network_namespaces|listnetns)$/;
const NETNS_USES = /(delete_network_namespace|create_network_namespace|netns\.(delete|add)|netns_delete|remove_netns|setns)$/;

export const checkThenUse: SourceRule = {
  id: 'check-then-use',
  cwe: 367,
  severity: 'medium',
  hint: /exists|isfile|isdir|is_file|is_dir|list_network_namespaces|listnetns/i,
  title: 'a file or namespace that is checked first and used later',
  why: 'Between the check and the use, another process can remove, create or replace the file or namespace. The use then fails with an unexpected error, or works on another file than the one that was checked.',
  remedy: 'Use it without a check, and handle the error for a missing or existing file.',
  checks: 'checks whether files and namespaces exist, and the uses that follow',
  check(module, report) {
    for (const fn of module.functions) {
      for (const call of fn.of('call')) {
        const path = pathOf(call.callee) ?? '';
        const isPath =
          module.language === 'python' && PATH_USES.test(calleeName(call) ?? '') && receiver(call) !== null && !USES.test(path);
        const isFile = USES.test(path) || isPath;
        if ((!isFile && !NETNS_USES.test(path)) || guardingTry(call) || toleratesPresence(call)) continue;
        const subject = isPath ? receiver(call) : call.args[0];
        const checked = subject && checkOf(module, { call, subject, isFile, isPath });
        if (!checked) continue;
        report({
          ...place({ line: Math.min(checked.line, call.line), endLine: call.endLine }, fn),
          claim: `\`${module.brief(subject, 40)}\` is tested with \`${module.brief(checked.callee)}\` and then used: it can change in the meantime`,
          evidence: [at(module, checked, 'the test'), at(module, call, 'the use, with no `try` around it')],
          solution: advice(
            `Remove the test: call \`${module.brief(call.callee)}\` and handle the error if it ${/mk|make|add|create/.test(path) ? 'exists already' : 'does not exist'}.`,
          ),
          // A path that callers give is shared with others; a program's own path seldom is.
          severity: onlyReads(call, path) || !fn.params.includes(rootOf(subject) ?? '') ? 'low' : 'medium',
          confidence: 'certain',
        });
      }
    }
  },
};

function onlyReads(call: Call, path: string): boolean {
  if (path !== 'open') return READS.test(path);
  const mode = call.args[1] ?? keyword(call, 'mode');
  return !mode || (mode.kind === 'text' && /^r[bt]?$/.test(mode.value));
}

function toleratesPresence(call: Call): boolean {
  const existOk = keyword(call, 'exist_ok') ?? keyword(call, 'ignore_errors') ?? keyword(call, 'missing_ok');
  if (isConstant(existOk, 'true')) return true;
  return call.args.some(
    (argument) =>
      argument.kind === 'dict' && argument.entries.some(({ key }) => key?.kind === 'text' && /^(force|recursive|flag)$/.test(key.value)),
  );
}

/** The test that has to succeed before the use, of the same file or namespace. */
function checkOf(module: SourceModule, use: { call: Call; subject: Expr; isFile: boolean; isPath: boolean }): Call | null {
  const text = module.text(use.subject);
  for (const { test } of guardsAt(use.call)) {
    let found: Call | null = null;
    some(test, (node) => {
      if (node.kind === 'call' && isCheck(node, use) && speaksOf(module, { check: node, test, text })) found = node;
      return found !== null;
    });
    if (found) return found;
  }
  return null;
}

function isCheck(call: Call, { isFile, isPath }: { isFile: boolean; isPath: boolean }): boolean {
  // A path object has a method for the check; for a name there are functions.
  if (isPath) return /^(exists|is_file|is_dir)$/.test(calleeName(call) ?? '') && call.args.length === 0;
  return (isFile ? CHECKS : NETNS_CHECKS).test(pathOf(call.callee) ?? '');
}

function speaksOf(module: SourceModule, { check, test, text }: { check: Call; test: Expr; text: string }): boolean {
  if (check.args.some((argument) => module.text(argument) === text)) return true;
  if (module.text(receiver(check) ?? check) === text) return true;
  return some(
    test,
    (node) => node.kind === 'compare' && /^(not )?in$/.test(node.op) && isWithin(check, node.right) && module.text(node.left) === text,
  );
}
