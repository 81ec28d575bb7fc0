import { calleeName, pathOf, receiver, some } from './expressions.ts';
import type { Call, Func, Node } from './ir.ts';
import { type ClassInfo, decoratorOf, type FunctionInfo, type SourceModule } from './module.ts';

/** How a function comes to be called with data from another process. */
export interface Received {
  /** The registration, or the function itself. */
  readonly at: Node;
  /** A sentence for evidence. */
  readonly how: string;
  /** Parameters that carry the data. */
  readonly names: readonly string[];
}

const REGISTER =
  /^(register|subscribe|on|once|addListener|addEventListener|add_handler|consume|create_consumer|basic_consume|serve|handle|register_handler|add_callback|createServer|onMessage|on_message)$/;
/** Events of the process itself. Their handlers receive no messages. */
const OWN_EVENTS = /^(close|exit|error|drain|finish|end|spawn|listening|SIG[A-Z]+|abort)$/;
const DECORATORS =
  /(^|\.)(rpc|rpc_method|expose|route|get|post|put|patch|subscriber|on_event|on_message|handler|endpoint|message_handler|receive)$/;
const NAMED = /^_?(handle|on|process|receive|consume)_?(message|notification|packet|datagram|frame)s?$/i;
/** Parameters that describe the sender or the route, not the data. */
const ENVELOPE = /^(context|ctxt|ctx|self|cls|resource_type|event_type|event|topic|channel|method|app|next|kwargs|args)$/;

/** Where and how a function is registered to receive messages or requests; null: there is no sign that it is. */
export function receivedBy(module: SourceModule, fn: FunctionInfo): Received | null {
  const names = fn.node.params.filter(({ name, hasDefault }) => !hasDefault && !ENVELOPE.test(name)).map(({ name }) => name);
  if (names.length === 0) return null;
  const decorator = decoratorOf(fn, DECORATORS);
  if (decorator) return { at: decorator, how: 'it is called with what was sent', names };
  const target = fn.cls && endpointOf(fn.cls);
  if (target && isRemote(fn))
    return { at: target, how: `\`${fn.cls?.name}\` is an endpoint: its methods are called with what was sent`, names };
  if (NAMED.test(fn.name ?? '')) return { at: fn.node, how: 'its name says that it is called with what was sent', names };
  for (const call of module.memo('registrations', () => registrations(module))) {
    call.budget.spend(1 + call.args.length);
    if (call.args.some((argument) => refersTo(argument, fn)))
      return { at: call, how: 'it is registered to be called with what was sent', names };
  }
  return null;
}

/** The sign that methods of a class are called remotely: `target = oslo_messaging.Target(…)`. */
function endpointOf(cls: ClassInfo): Node | null {
  return (
    cls.attributes
      .get('target')
      ?.find(({ value }) => value?.kind === 'call' && calleeName(value) === 'Target' && value.parent?.parent?.kind === 'class') ?? null
  );
}

/** Whether a method is public and takes a context first. */
function isRemote(fn: FunctionInfo): boolean {
  return !/^[_#]/.test(fn.name ?? '') && /^(context|ctxt|ctx)$/.test(fn.params[0] ?? '');
}

function registrations(module: SourceModule): Call[] {
  return module.functions.flatMap((fn) =>
    fn.of('call').filter((call) => {
      const [first] = call.args;
      if (!REGISTER.test(calleeName(call) ?? '') || (first?.kind === 'text' && OWN_EVENTS.test(first.value))) return false;
      return !/^(atexit|signal)$/.test(pathOf(receiver(call)) ?? '');
    }),
  );
}

function refersTo(argument: Node, fn: FunctionInfo): boolean {
  if (argument === fn.node) return true;
  if (fn.name === null) return false;
  if (argument.kind === 'function' && argument.concise) return handsOn(argument, fn.name);
  const path = argument.kind === 'name' || argument.kind === 'attribute' ? pathOf(argument) : null;
  if (fn.cls) return path === `self.${fn.name}` || path === `this.${fn.name}` || boundMethod(argument, fn.name);
  return path === fn.name;
}

/** `(message) => this.handle(message)`. */
function handsOn(arrow: Func, name: string): boolean {
  const parameters = arrow.params.map((one) => one.name);
  return some(
    arrow.body[0] as Node,
    (node) =>
      node.kind === 'call' &&
      calleeName(node) === name &&
      node.args.some((argument) => argument.kind === 'name' && parameters.includes(argument.name)),
  );
}

/** `this.handle.bind(this)`. */
function boundMethod(argument: Node, name: string): boolean {
  return (
    argument.kind === 'call' &&
    calleeName(argument) === 'bind' &&
    some(argument.callee, (node) => node.kind === 'attribute' && node.name === name)
  );
}
