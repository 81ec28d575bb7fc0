import type { Claim } from '../../finding.ts';
import { bindingsOf } from '../bindings.ts';
import { advice, at, place } from '../claims.ts';
import { calleeName, mentions, pathOf, rootOf, some } from '../expressions.ts';
import { functionOf, isWithin } from '../flow.ts';
import type { Call, Expr, Loop, Node } from '../ir.ts';
import type { FunctionInfo, SourceModule } from '../module.ts';
import { receivedBy } from '../received.ts';
import type { SourceRule } from '../rule.ts';
import { isLogging } from '../vocabulary.ts';

export const unboundedReceivedList: SourceRule = {
  id: 'unbounded-received-list',
  cwe: 770,
  severity: 'medium',
  hint: /\bfor\b|recv|read/,
  title: 'a received list processed without a limit on its length',
  why: 'A message handler loops over a list from the sender and does work for each item, without a limit on the length. One message can occupy the process, and the locks that it holds, for as long as the sender wants.',
  remedy: 'Refuse or truncate lists beyond a generous maximum, count such messages, and fetch the full state instead.',
  checks: 'loops of message handlers over received lists',
  check(module, report) {
    for (const fn of module.functions) {
      for (const claim of sizedByReceived(module, fn)) report(claim);
      const source = receivedBy(module, fn);
      if (!source) continue;
      for (const loop of fn.of('loop')) {
        const name = loop.form === 'each' ? rootOf(loop.iter) : null;
        if (name === null || !source.names.includes(name) || functionOf(loop) !== fn.node) continue;
        const work = workIn(fn, loop);
        if (!work || isBounded(fn, loop)) continue;
        report({
          line: loop.line,
          endLine: loop.line,
          symbol: fn.symbol,
          claim: `\`${fn.name ?? 'the handler'}\` processes the received \`${module.brief(loop.iter as Expr)}\` without a limit on its length`,
          evidence: [
            at(module, source.at, source.how),
            at(module, loop, 'the loop over the received list, with no check of the length before'),
            at(module, work, 'done for each item'),
          ],
          solution: advice(
            `Check the length of \`${module.brief(loop.iter as Expr)}\` before the loop. Beyond a maximum, log and count the message, and fetch the full state instead.`,
          ),
          severity: 'medium',
          confidence: 'certain',
        });
      }
    }
  },
};

const RECEIVES = /^(recv|recvfrom|recv_into|read|readexactly)$/;
const READS_NUMBER = /^(from_bytes|unpack|unpack_from|readU?Int(8|16LE|16BE|32LE|32BE)|readBigU?Int64(LE|BE))$/;
const ALLOCATES = /^(bytearray|bytes|alloc|allocUnsafe|Uint8Array)$/;

/** Allocations whose size is a received number that the function does not check. */
function sizedByReceived(module: SourceModule, fn: FunctionInfo): Claim[] {
  return fn.of('call').flatMap((call) => {
    const [size] = call.args;
    if (!ALLOCATES.test(calleeName(call) ?? '') || size?.kind !== 'name') return [];
    const made = bindingsOf(fn, size.name);
    const [origin] = made;
    if (made.length !== 1 || !origin?.value || !isReceivedNumber(origin.value)) return [];
    if (
      fn.of('compare').some((test) => mentions(test, size.name)) ||
      fn.of('call').some((one) => /^(min|Math\.min)$/.test(pathOf(one.callee) ?? '') && mentions(one, size.name))
    )
      return [];
    return [
      {
        ...place(call, fn),
        claim: `\`${module.brief(call)}\` allocates as much memory as the peer demands`,
        evidence: [at(module, origin, 'the received number'), at(module, call, 'the allocation, with no check of the number before')],
        solution: advice(`Compare \`${size.name}\` with the maximum size of a message, and close the connection beyond it.`),
        severity: 'medium' as const,
        confidence: 'certain' as const,
      },
    ];
  });
}

/** Whether a number is decoded from bytes of a connection. */
function isReceivedNumber(value: Expr): boolean {
  return (
    some(value, (node) => node.kind === 'call' && READS_NUMBER.test(calleeName(node) ?? '')) &&
    some(value, (node) => node.kind === 'call' && RECEIVES.test(calleeName(node) ?? ''))
  );
}

function workIn(fn: FunctionInfo, loop: Loop): Call | null {
  const calls = fn.deep('call').filter((call) => isWithin(call, loop) && !isWithin(call, loop.iter as Node) && !isLogging(call));
  return calls.at(-1) ?? null;
}

/** Whether the function checks the length of the list, slices it, or passes it to a function that checks. */
function isBounded(fn: FunctionInfo, loop: Loop): boolean {
  const path = pathOf(loop.iter) ?? rootOf(loop.iter) ?? '';
  const root = rootOf(loop.iter) ?? '';
  const speaksOf = (node: Node) => mentions(node, path) || mentions(node, root);
  if (fn.deep('slice').some((slice) => speaksOf(slice))) return true;
  if (fn.deep('attribute').some(({ name, object }) => /^(length|size)$/.test(name) && speaksOf(object))) return true;
  return fn.deep('call').some((call) => {
    if (isWithin(loop, call) || (call.start > loop.start && !isWithin(call, loop.iter as Node))) return false;
    const name = calleeName(call) ?? '';
    const checks = /^(len|islice)$/.test(name) || /limit|bound|valid|check|assert|slice|parse|schema|max/i.test(name);
    return checks && [...call.args, ...(call.callee.kind === 'attribute' ? [call.callee.object] : [])].some(speaksOf);
  });
}
