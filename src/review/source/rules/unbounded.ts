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
  title: 'a received list that is worked through whatever its length',
  why: 'A message handler loops over a list that its sender chose, doing work for each item, and nothing on the way looks at how long the list is. One message can keep the process, and the lock that it holds, for as long as its sender likes.',
  remedy: 'Refuse or cut lists beyond a number that is more than enough, count that, and pull the full state instead.',
  checks: 'loops of message handlers over what they were sent',
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
          claim: `\`${fn.name ?? 'the handler'}\` works through \`${module.brief(loop.iter as Expr)}\` as it was received, whatever its length`,
          evidence: [
            at(module, source.at, source.how),
            at(module, loop, 'the loop over what was sent; nothing before it looks at its length'),
            at(module, work, 'done for each item'),
          ],
          solution: advice(
            `Look at the length of \`${module.brief(loop.iter as Expr)}\` before the loop: past a bound, log it, count it, and ask for the full state instead.`,
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

/** Room as large as a number that came over a connection says, with nothing that looks at the number. */
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
        claim: `\`${module.brief(call)}\` takes as much room as the other side says`,
        evidence: [
          at(module, origin, 'the number, as it was received'),
          at(module, call, 'room for so much; nothing before it looks at the number'),
        ],
        solution: advice(`Compare \`${size.name}\` with the most that a message may be, and end the connection past it.`),
        severity: 'medium' as const,
        confidence: 'certain' as const,
      },
    ];
  });
}

/** A number read out of bytes that a connection gave. */
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

/** Whether anything in the function looks at the list's length, cuts it, or hands it to something that checks. */
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
