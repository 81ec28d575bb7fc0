import { advice, at, place } from '../claims.ts';
import { calleeName, flatTargets, pathOf, receiver, selfAttribute, some, wordsOf } from '../expressions.ts';
import type { Call, Expr, Node, Stmt, Try } from '../ir.ts';
import { decoratorOf, type FunctionInfo, ownMethod, type SourceModule } from '../module.ts';
import type { SourceRule } from '../rule.ts';
import { isContainerMutator } from '../vocabulary.ts';
import { unlockedEntries } from './unlocked-entry.ts';

export const unlockedSibling: SourceRule = {
  id: 'unlocked-sibling',
  cwe: 820,
  severity: 'high',
  hint: /lock|mutex|semaphore|synchroni|exclusive/i,
  title: 'a method that changes shared state without the lock that its siblings hold',
  why: 'Other methods change this state under a lock, because they can run concurrently. This method takes no lock, so it can change the state while another method uses it.',
  remedy: 'Take the same lock.',
  checks: 'changes of attributes in classes whose methods take locks',
  check(module, report) {
    for (const claim of unlockedEntries(module)) report(claim);
    for (const cls of module.classes.values()) {
      const methods = [...cls.methods.values()];
      const locked = methods.filter((method) => lockOf(method) !== null);
      if (locked.length < 2) continue;
      for (const method of methods) {
        if (lockOf(method) !== null || isSetUp(method) || replacesLock(method) || isCalledUnderLock(method, methods)) continue;
        const found = unlockedChange(module, method, locked);
        if (!found) continue;
        const { change, first, second } = found;
        report({
          ...place({ line: method.node.line, endLine: change.node.line }, method),
          claim: `\`${method.name}\` changes \`${change.attribute}\` without the lock that \`${first.method.name}\` and \`${second.method.name}\` hold for it`,
          evidence: [
            at(module, change.node, `changes \`${change.attribute}\` with no lock held`),
            ...change.through.map((node) => at(module, node, 'called from there')),
            at(module, first.lock, `\`${first.method.name}\` holds this lock for its change`),
            at(module, second.lock, `\`${second.method.name}\` holds it too`),
          ],
          solution: withDecorator(module, method, first.lock),
          severity: 'high',
          confidence: 'certain',
        });
      }
    }
  },
};

/** A change without a lock, with two methods that hold one lock for changes of the same attribute; null: there is none. */
function unlockedChange(module: SourceModule, method: FunctionInfo, locked: readonly FunctionInfo[]) {
  for (const change of changesOf(module, method)) {
    if (isLockedHere(change.node) || isItsOwn(method, change.attribute)) continue;
    const holding = holders(module, locked, change.attribute);
    for (const first of holding) {
      const second = holding.find((one) => one !== first && lockName(module, one.lock) === lockName(module, first.lock));
      if (second) return { change, first, second };
    }
  }
  return null;
}

/** The lock, without the operation on it. */
function lockName(module: SourceModule, lock: Node): string {
  const isOnLock = lock.kind === 'call' && isLock(receiver(lock));
  return module.text(isOnLock ? (receiver(lock) as Expr) : lock);
}

/** Whether an attribute is a lock, or local to a thread. */
function isItsOwn({ cls }: FunctionInfo, attribute: string): boolean {
  return isLockName(attribute) || /^(threading\.local|local|AsyncLocalStorage)$/.test(cls?.madeBy(attribute) ?? '');
}

/** Whether a method replaces the lock. It then runs alone: after a fork, or at the end. */
function replacesLock(method: FunctionInfo): boolean {
  return method.of('assign').some(({ targets }) => targets.some((target) => isLockName(selfAttribute(target) ?? '')));
}

interface Holder {
  readonly method: FunctionInfo;
  readonly lock: Node;
}

/** The lock that a method holds during its whole body; null: none. */
function lockOf(method: FunctionInfo): Node | null {
  const decorator = decoratorOf(method, /synchroni[sz]ed|(^|[._])(r?lock(ed)?|with_lock)$/i);
  if (decorator) return decorator;
  const acquired = acquiredBy(method.node.body.filter((node) => node.kind !== 'expression' || node.expr.kind !== 'text'));
  if (acquired) return acquired;
  const body = method.node.body.filter(({ kind }) => kind !== 'expression' || method.node.body.length === 1);
  const [only] = body;
  if (body.length !== 1 || !only) return null;
  if (only.kind === 'with') return only.items.find(({ value }) => isLock(value))?.value ?? null;
  const expr = only.kind === 'expression' ? only.expr : only.kind === 'return' ? only.value : null;
  const call = expr?.kind === 'other' ? expr.items[0] : expr;
  return call?.kind === 'call' && /^(runExclusive|withLock|run|synchronized)$/.test(calleeName(call) ?? '') && isLock(receiver(call))
    ? call
    : null;
}

/** `lock.acquire()`, followed only by a `try` that releases the lock at the end. */
function acquiredBy([first, second, ...more]: readonly Stmt[]): Call | null {
  if (!first || second?.kind !== 'try' || more.length > 0 || !releases(second)) return null;
  const value = first.kind === 'expression' ? first.expr : first.kind === 'assign' ? first.value : null;
  const call = value?.kind === 'other' ? value.items[0] : value;
  return call?.kind === 'call' && calleeName(call) === 'acquire' && isLock(receiver(call)) ? call : null;
}

/** Whether a `finally` releases a lock: `lock.release()`, or `release()` as returned by the acquisition. */
function releases({ finalizer }: Try): boolean {
  return (finalizer ?? []).some((node) => some(node, (one) => one.kind === 'call' && /^release/.test(calleeName(one) ?? '')));
}

function isLock(node: Expr | null): boolean {
  const path = node?.kind === 'call' ? pathOf(node.callee) : pathOf(node);
  return path !== null && isLockName(path.split('.').at(-1) ?? '');
}

function isLockName(name: string): boolean {
  return wordsOf(name).some((word) => /^(r?w?lock|mutex|semaphore)$/.test(word));
}

function isLockedHere(node: Node): boolean {
  for (let at: Node | null = node; at; at = at.parent) {
    if (at.kind === 'with' && at.items.some(({ value }) => isLock(value))) return true;
    if (at.kind === 'call' && isLock(receiver(at)) && at !== node) return true;
    if (at.kind === 'try' && releases(at)) return true;
  }
  return false;
}

function isSetUp(method: FunctionInfo): boolean {
  return /^(__init__|__new__|__enter__|__exit__|__del__|constructor|initiali[sz]e|init.*|setup.*|_setup.*|_init.*)$/i.test(
    method.name ?? '',
  );
}

/** Whether other methods call a method. Their calls are examined instead: the lock may be theirs. */
function isCalledUnderLock(method: FunctionInfo, methods: readonly FunctionInfo[]): boolean {
  return methods.some(
    (caller) => caller !== method && (caller.deep('call') as Call[]).some((call) => ownMethod(call, caller.cls) === method),
  );
}

function holders(module: SourceModule, locked: readonly FunctionInfo[], attribute: string): Holder[] {
  return locked
    .filter((method) => changesOf(module, method).some((change) => change.attribute === attribute))
    .map((method) => ({ method, lock: lockOf(method) as Node }));
}

interface AttributeChange {
  readonly attribute: string;
  /** Where the method makes the change, or calls the method that does. */
  readonly node: Node;
  /** The calls from there to the change itself. */
  readonly through: readonly Node[];
}

/**
 * Attributes that a method changes: directly, through methods of its class, or through methods of an object whose class is in
 * this file. Changes under a lock of the called method are left out.
 */
function changesOf(module: SourceModule, method: FunctionInfo, seen = new Set<FunctionInfo>()): AttributeChange[] {
  if (seen.has(method)) return [];
  seen.add(method);
  const found: AttributeChange[] = [];
  for (const node of [...method.deep('assign'), ...method.deep('delete')]) {
    for (const target of flatTargets(node.targets)) {
      const attribute = changedAttribute(target);
      if (attribute !== null) found.push({ attribute, node, through: [] });
    }
  }
  for (const call of method.deep('call')) {
    const on = receiver(call);
    const attribute = selfAttribute(on) ?? (on?.kind === 'index' ? selfAttribute(on.object) : null);
    const name = calleeName(call);
    const target = attribute !== null ? module.classOf(method.cls, attribute)?.methods.get(name ?? '') : undefined;
    const changes = target
      ? lockOf(target) === null && changesOf(module, target, new Set(seen)).length > 0
      : isContainerMutator(module.language, name);
    if (attribute !== null && changes) found.push({ attribute, node: call, through: [] });
    const own = ownMethod(call, method.cls);
    if (!own || lockOf(own) !== null || replacesLock(own)) continue;
    for (const inner of changesOf(module, own, seen)) {
      if (!isLockedHere(inner.node)) found.push({ attribute: inner.attribute, node: call, through: [inner.node, ...inner.through] });
    }
  }
  return found;
}

/** `x` of `self.x`, `self.x[k]` and `self.x[k].y`. */
function changedAttribute(target: Expr): string | null {
  for (let at = target; at.kind === 'attribute' || at.kind === 'index'; at = at.object) {
    const attribute = selfAttribute(at);
    if (attribute !== null) return attribute;
  }
  return null;
}

function withDecorator(module: SourceModule, method: FunctionInfo, lock: Node) {
  const line = method.node.line;
  const text = module.lines.textOf(line);
  const decorator = module.lines.textOf(lock.line);
  if (!decorator.trim().startsWith('@')) return advice('Take the same lock around the change.');
  return { text: 'Take the same lock.', diff: `@@ -${line - 1},0 +${line} @@\n+${/^\s*/.exec(text)?.[0]}${decorator.trim()}` };
}
