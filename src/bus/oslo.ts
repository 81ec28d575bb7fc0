import { Reader } from '../contract/reader.ts';
import { errorFromData, errorToData, PinholeError } from '../model/errors.ts';
import type { Arguments } from './interface.ts';

/**
 * The envelope of oslo.messaging 2.0 as kombu sends it (oslo_messaging/_drivers/amqpdriver.py, common.py): JSON whose
 * `oslo.message` is JSON again, and AMQP properties of which the content type is the one that matters. Pure.
 */
export interface OsloRequest {
  readonly kind: 'request';
  readonly method: string;
  readonly args: Arguments;
  /** Version of the RPC interface, `major.minor`; empty where none was sent. */
  readonly version: string;
  /** null: endpoints of no namespace. */
  readonly namespace: string | null;
  /** Fresh for every message: a receiver drops what it has seen. */
  readonly uniqueId: string;
  /** Where the caller waits for the answer to `messageId`; null for a cast. */
  readonly reply: { readonly messageId: string; readonly queue: string } | null;
  /** The `_context_*` keys, without that prefix. None is to be relied on. */
  readonly context: Arguments;
}

export interface OsloReply {
  readonly kind: 'reply';
  readonly messageId: string;
  readonly uniqueId: string;
  /** false: the answer is still to come (call monitoring). */
  readonly ending: boolean;
  readonly result: unknown;
  readonly failure: OsloFailure | null;
}

/** An exception of the other side, as it travels. */
export interface OsloFailure {
  readonly class: string;
  readonly module: string;
  readonly message: string;
  readonly kwargs: Arguments;
}

export type OsloMessage = OsloRequest | OsloReply;

export const OSLO_PROPERTIES = {
  contentType: 'application/json',
  contentEncoding: 'utf-8',
  priority: 0,
  durable: true,
  headers: {},
} as const;

const MAX_BODY = 16 * 1024 * 1024;
const MAX_TEXT = 8_192;
const CONTEXT = '_context_';
/** Module that errors of Pinhole's own travel under: they come back as they were. */
const OWN_MODULE = 'pinhole';

/** The body of an AMQP message: JSON with the inner message as JSON text, version 2.0 of oslo.messaging's envelope. */
export function encodeOslo(message: OsloMessage): Buffer {
  const inner = message.kind === 'request' ? requestKeys(message) : replyKeys(message);
  return Buffer.from(JSON.stringify({ 'oslo.version': '2.0', 'oslo.message': JSON.stringify(inner) }));
}

function requestKeys({ method, args, version, namespace, uniqueId, reply, context }: OsloRequest): object {
  return {
    method,
    args,
    ...(version === '' ? {} : { version }),
    ...(namespace === null ? {} : { namespace }),
    // A server that monitors calls never stops its heartbeats where no endpoint takes the request: no time-out is told.
    ...(reply ? { _msg_id: reply.messageId, _reply_q: reply.queue, _timeout: null } : {}),
    _unique_id: uniqueId,
    ...Object.fromEntries(Object.entries(context).map(([name, value]) => [`${CONTEXT}${name}`, value])),
  };
}

function replyKeys({ messageId, uniqueId, ending, result, failure }: OsloReply): object {
  const told = failure && JSON.stringify({ ...failure, tb: [], args: [] });
  return { result, failure: told, ending, _msg_id: messageId, _unique_id: uniqueId };
}

/** @throws PinholeError `invalid-message` naming what is wrong; never anything else */
export function decodeOslo(body: Buffer, properties: { readonly contentType?: string | undefined }): OsloMessage {
  if (properties.contentType !== 'application/json')
    throw invalid('content-type', `expected application/json, not ${properties.contentType}`);
  if (body.length > MAX_BODY) throw invalid('body', `larger than ${MAX_BODY} bytes`);
  const envelope = parseObject(body.toString('utf8'), 'body');
  if (envelope['oslo.version'] !== '2.0') throw invalid('oslo.version', 'expected 2.0');
  if (typeof envelope['oslo.message'] !== 'string') throw invalid('oslo.message', 'expected a string of JSON');
  const message = parseObject(envelope['oslo.message'], 'oslo.message');
  const field = (name: string) => new Reader(Object.hasOwn(message, name) ? message[name] : undefined, name);
  return Object.hasOwn(message, 'method') ? readRequest(message, field) : readReply(field);
}

type Field = (name: string) => Reader;

function readRequest(message: Arguments, field: Field): OsloRequest {
  const messageId = field('_msg_id').nullable((id) => id.string(255));
  return {
    kind: 'request',
    method: field('method').string(255),
    args: field('args').nullable((args) => args.use((value) => asObject(value, 'args'))) ?? {},
    version: field('version').nullable((version) => version.string(32, /^\d{1,6}(\.\d{1,6})?$/)) ?? '',
    namespace: field('namespace').nullable((namespace) => namespace.string(255)),
    uniqueId: field('_unique_id').nullable((id) => id.string(255)) ?? '',
    reply: messageId === null ? null : { messageId, queue: field('_reply_q').string(255) },
    context: Object.fromEntries(
      Object.entries(message)
        .filter(([name]) => name.startsWith(CONTEXT))
        .map(([name, value]) => [name.slice(CONTEXT.length), value]),
    ),
  };
}

function readReply(field: Field): OsloReply {
  return {
    kind: 'reply',
    messageId: field('_msg_id').string(255),
    uniqueId: field('_unique_id').nullable((id) => id.string(255)) ?? '',
    ending: field('ending').nullable((ending) => ending.boolean()) ?? false,
    result: field('result').use((value) => value ?? null),
    failure: field('failure').nullable((failure) => readFailure(failure.string(MAX_BODY))),
  };
}

function readFailure(text: string): OsloFailure {
  const failure = parseObject(text, 'failure');
  const string = (name: string) => new Reader(failure[name], `failure.${name}`).nullable((value) => value.string(MAX_BODY)) ?? '';
  const kwargs = failure['kwargs'] === undefined || failure['kwargs'] === null ? {} : asObject(failure['kwargs'], 'failure.kwargs');
  return {
    class: string('class').slice(0, 255),
    module: string('module').slice(0, 255),
    message: string('message').slice(0, MAX_TEXT),
    kwargs,
  };
}

/** A failure as an error of ours: Pinhole's own come back as they were, others by class and message. */
export function errorOfFailure(failure: OsloFailure): PinholeError {
  const { code, details } = failure.kwargs as { code?: unknown; details?: object };
  if (failure.module === OWN_MODULE && typeof code === 'string')
    return errorFromData({ code: code as never, message: failure.message, details: details ?? {} });
  return new PinholeError('remote-failure', `${failure.class}: ${failure.message}`, {
    details: { values: { class: failure.class, module: failure.module } },
  });
}

/** An error as oslo.messaging tells it (`oslo_messaging/_drivers/common.py`, serialize_remote_exception). */
export function failureOf(error: unknown): OsloFailure {
  const { code, message, details } = errorToData(error);
  return { class: 'PinholeError', module: OWN_MODULE, message: message.slice(0, MAX_TEXT), kwargs: { code, details } };
}

/** Whether an endpoint of version `offered` takes a request for `wanted`: the same major number, no newer minor one. */
export function acceptsVersion(offered: string, wanted: string): boolean {
  const [major = 0, minor = 0] = offered.split('.').map(Number);
  const [wantedMajor = 0, wantedMinor = 0] = (wanted || '1.0').split('.').map(Number);
  return major === wantedMajor && wantedMinor <= minor;
}

/** The last messages of a listener, so that one that is delivered twice counts once. */
export class SeenIds {
  readonly #max: number;
  readonly #ids = new Set<string>();

  /** @param max how many are remembered; oslo.messaging remembers 16 */
  constructor(max: number) {
    this.#max = max;
  }

  /** @returns false for one that was seen; without an id every message is new */
  isNew(id: string): boolean {
    if (id === '') return true;
    if (this.#ids.has(id)) return false;
    this.#ids.add(id);
    if (this.#ids.size > this.#max) this.#ids.delete(this.#ids.values().next().value as string);
    return true;
  }
}

function parseObject(text: string, field: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw invalid(field, 'expected JSON');
  }
  return asObject(value, field);
}

function asObject(value: unknown, field: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw invalid(field, 'expected an object');
}

function invalid(field: string, problem: string): PinholeError {
  return new PinholeError('invalid-message', `${field}: ${problem}`, { details: { field } });
}
