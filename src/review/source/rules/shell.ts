import { bindingsOf, localValue } from '../bindings.ts';
import { advice, at, place } from '../claims.ts';
import { calleeName, isConstant, keyword, pathOf, rootOf, some } from '../expressions.ts';
import type { Call, Expr, Node } from '../ir.ts';
import type { FunctionInfo, SourceModule } from '../module.ts';
import type { SourceRule } from '../rule.ts';

const PYTHON_SHELL = /^(os\.system|os\.popen|commands\.getoutput|subprocess\.getoutput|subprocess\.getstatusoutput)$/;
const SUBPROCESS = /^(run|call|check_call|check_output|Popen)$/;
const NODE_EXEC = /^(exec|execSync)$/;
const NODE_SPAWN = /^(spawn|spawnSync|execFile|execFileSync)$/;

export const shellString: SourceRule = {
  id: 'shell-string',
  cwe: 78,
  severity: 'high',
  hint: /shell|os\.(system|popen)|getoutput|child_process/,
  title: 'a shell command built as text from values',
  why: 'The shell interprets the whole text. A value that contains `;`, `$(…)` or a newline can run commands with the rights of this process.',
  remedy: 'Start the program directly, with a list of arguments and without a shell.',
  checks: 'calls that start programs, and the form of the command',
  check(module, report) {
    for (const fn of module.functions) {
      for (const call of fn.of('call')) {
        const shell = shellCommand(module, call);
        if (!shell || isFixed(fn, shell.command)) continue;
        const inside = valueIn(fn, shell.command);
        report({
          ...place(call, fn),
          claim: `\`${module.brief(call.callee)}\` passes a text that contains \`${module.brief(inside, 40)}\` to a shell`,
          evidence: [at(module, call, shell.why), at(module, inside, 'a value in the text that the shell interprets')],
          solution: advice('Start the program with a list of arguments and without a shell, so that a value stays one argument.'),
          severity: 'high',
          confidence: 'certain',
        });
      }
    }
  },
};

function shellCommand(module: SourceModule, call: Call): { command: Expr; why: string } | null {
  const path = pathOf(call.callee) ?? '';
  const [command] = call.args;
  if (!command) return null;
  if (PYTHON_SHELL.test(path)) return { command, why: `\`${path}\` runs its argument in a shell` };
  if (module.language === 'python') {
    const isShell = isConstant(keyword(call, 'shell'), 'true');
    if (!SUBPROCESS.test(calleeName(call) ?? '')) return null;
    return isShell
      ? { command, why: '`shell=True` runs it in a shell' }
      : handedToShell(command.kind === 'collection' ? command.items : []);
  }
  const name = calleeName(call) ?? '';
  const root = rootOf(call.callee) ?? '';
  const fromChildProcess = /child_process$/.test(module.imports.get(root)?.module ?? '');
  if ((NODE_EXEC.test(name) && fromChildProcess) || isPromisedExec(module, call))
    return { command, why: `\`${name}\` of child_process runs its argument in a shell` };
  const options = call.args.at(-1);
  const asksShell =
    options?.kind === 'dict' &&
    options.entries.some(({ key, value }) => key?.kind === 'text' && key.value === 'shell' && isConstant(value, 'true'));
  if (!NODE_SPAWN.test(name) || !fromChildProcess) return null;
  if (asksShell) return { command, why: '`shell: true` runs it in a shell' };
  const [, list] = call.args;
  return handedToShell([command, ...(list?.kind === 'collection' ? list.items : [])]);
}

/** `['sh', '-c', text]`. */
function handedToShell([program, option, command]: readonly Expr[]): { command: Expr; why: string } | null {
  if (program?.kind !== 'text' || !/^(\/\S*\/)?(ba|da|z|k)?sh$/.test(program.value)) return null;
  if (option?.kind !== 'text' || !/^-\w*c$/.test(option.value) || !command) return null;
  return { command, why: `\`${program.value} ${option.value}\` runs it in a shell` };
}

/** `const run = promisify(exec)`. */
function isPromisedExec(module: SourceModule, call: Call): boolean {
  const made = call.callee.kind === 'name' ? module.constant(call.callee.name) : null;
  if (made?.kind !== 'call' || calleeName(made) !== 'promisify') return false;
  const [exec] = made.args;
  const name = exec?.kind === 'name' || exec?.kind === 'attribute' ? exec.name : '';
  return NODE_EXEC.test(name) && exec !== undefined && /child_process$/.test(module.imports.get(rootOf(exec) ?? '')?.module ?? '');
}

function isFixed(fn: FunctionInfo, command: Expr): boolean {
  if (command.kind === 'text') return command.parts.every((part) => isFixed(fn, part));
  if (command.kind === 'collection') return true;
  if (command.kind === 'name') {
    const value = localValue(fn, command);
    if (value) return isFixed(fn, value);
    if (isOfLiterals(fn, command) || isTemporaryFile(fn, command)) return true;
    return !fn.params.includes(command.name) && /^[A-Z_\d]+$/.test(command.name);
  }
  if (command.kind === 'binary') return isFixed(fn, command.left) && isFixed(fn, command.right);
  return command.kind === 'num';
}

/** Whether a name is the variable of a loop over string literals. */
function isOfLiterals(fn: FunctionInfo, name: Expr & { name: string }): boolean {
  return fn
    .of('loop')
    .some(
      ({ target, iter }) =>
        target?.kind === 'name' &&
        target.name === name.name &&
        iter?.kind === 'collection' &&
        iter.items.every((item) => item.kind === 'text' && item.parts.length === 0),
    );
}

/** Whether a name is a file name that `tempfile` generated. */
function isTemporaryFile(fn: FunctionInfo, name: Expr & { name: string }): boolean {
  return bindingsOf(fn, name.name).some(
    ({ value }) => value?.kind === 'call' && /^tempfile\.(mkstemp|mkdtemp|mktemp)$/.test(pathOf(value.callee) ?? ''),
  );
}

function valueIn(fn: FunctionInfo, command: Expr): Expr {
  if (command.kind === 'name') {
    const value = localValue(fn, command);
    return value && value.kind !== 'text' ? valueIn(fn, value) : value?.kind === 'text' ? (value.parts[0] ?? command) : command;
  }
  let found: Expr | null = null;
  some(command, (node: Node) => {
    if (node !== command && (node.kind === 'name' || node.kind === 'attribute' || node.kind === 'index')) found = node as Expr;
    return found !== null;
  });
  return found ?? command;
}
