import { list, nullable } from '../contract/compounds.ts';
import { COUNT, PORT, REASON, TRANSPORT } from '../contract/primitives.ts';
import { record, tagged } from '../contract/record.ts';
import { integer, oneOf, text } from '../contract/scalars.ts';
import { type Of, read, type Shape } from '../contract/shape.ts';
import { PinholeError } from '../model/errors.ts';
import { ENDPOINT } from './endpoint.ts';
import { TOKEN, TRIAL_ID } from './trial-id.ts';
import { PROBED } from './trials.ts';

/**
 * The channel on which client and reflector compare notes: frames of JSON over TCP, on a port of its own. Each message is one text in
 * base64, because an ALG that looks for addresses anywhere must not find any here.
 */
export const CHANNEL_VERSION = 1;
/** Where a reflector listens for it. */
export const CHANNEL_PORT = 9799;
/** Where the channel is: a port, or the path of a unix socket between two namespaces of one host. */
export type ChannelPlace = { readonly port: number } | { readonly path: string };
/** The most bytes of a control connection that either end keeps. */
export const MAX_KEPT = 8192;
/** The most bytes of one frame: two kept texts in base64 twice over, and addresses. */
export const MAX_CHANNEL_FRAME = 64 * 1024;
const MAX_SERVICES = 64;

const base64 = (bytes: number, what: string) => text({ max: Math.ceil(bytes / 3) * 4, pattern: /^[A-Za-z0-9+/]*={0,2}$/, what });
const TRIAL = text({ max: 19, pattern: TRIAL_ID, what: 'the name of a trial' });
const ID = COUNT;
const KEPT = base64(MAX_KEPT, 'bytes in base64');

/** Which port to connect to: the one that the trial announced, or the other one. */
const WHICH = oneOf('announced', 'quiet');
export type Which = Of<typeof WHICH>;

/** Milliseconds that a reflector waits for a connection to be taken. */
export const REACH_WAIT = integer(100, 10_000);

/** What a client asks. */
export const QUESTION = tagged('ask', {
  /** Begins a session. */
  hello: record({ ask: oneOf('hello'), id: ID, version: COUNT }),
  /** What the reflector saw of a trial. */
  record: record({ ask: oneOf('record'), id: ID, trial: TRIAL }),
  /** Connect to the client, or send it a datagram, as the trial announced. */
  reach: record({ ask: oneOf('reach'), id: ID, trial: TRIAL, which: WHICH, wait: REACH_WAIT }),
});
export type Question = Of<typeof QUESTION>;

/** A protocol at a port of the reflector. */
const SERVICE = record({ helper: oneOf(...PROBED), transport: TRANSPORT, port: PORT });
export type Service = Of<typeof SERVICE>;

/** Answer to `hello`. */
export const WELCOME = record({
  version: COUNT,
  token: text({ max: 16, pattern: TOKEN, what: 'the token of a session' }),
  /** The client as the reflector sees it; null on a unix socket. */
  seen: nullable(ENDPOINT),
  services: list(SERVICE, MAX_SERVICES),
});
export type Welcome = Of<typeof WELCOME>;

/** Answer to `record`. Texts are bytes in base64; at most {@link MAX_KEPT} of each are kept. */
export const SEEN = record({
  received: KEPT,
  sent: KEPT,
  /** The control connection as the reflector sees it; null: it has seen none. */
  from: nullable(ENDPOINT),
  at: nullable(ENDPOINT),
  /** Where the text that arrived wants the announced connection. */
  announced: nullable(ENDPOINT),
});
export type Seen = Of<typeof SEEN>;

/** Answer to `reach`. */
export const REACHED = record({
  /** `sent`: a datagram left; only the client knows whether it arrived. */
  outcome: oneOf('connected', 'sent', 'refused', 'silent', 'not-tried'),
  target: nullable(ENDPOINT),
  why: REASON,
});
export type Reached = Of<typeof REACHED>;

/** What a reflector answers: a result, whose shape depends on the question, or an error. */
const ANSWER = record({ id: ID, ok: nullable(base64(MAX_CHANNEL_FRAME, 'an answer in base64')), error: nullable(REASON) });
const SEALED = record({ sealed: base64(MAX_CHANNEL_FRAME, 'a message in base64') });

/** A question as a frame carries it. */
export function writeQuestion(question: Question): unknown {
  return seal(QUESTION.write(question));
}

/** @throws PinholeError `invalid-message` */
export function readQuestion(message: unknown): Question {
  return read(QUESTION, unseal(message), 'question');
}

/** A result as a frame carries it. */
export function writeResult<T>(id: number, shape: Shape<T>, value: T): unknown {
  return seal(ANSWER.write({ id, ok: toBase64(JSON.stringify(shape.write(value)), 'utf8'), error: null }));
}

/** An error as a frame carries it. */
export function writeError(id: number, error: string): unknown {
  return seal(ANSWER.write({ id, ok: null, error }));
}

/**
 * Reads an answer up to its result, which {@link readResult} reads by the question's shape.
 * @throws PinholeError `invalid-message`
 */
export function readAnswer(message: unknown): { id: number; result: unknown; error: string | null } {
  const { id, ok, error } = read(ANSWER, unseal(message), 'answer');
  return { id, result: ok === null ? null : parse(ok), error };
}

/** @throws PinholeError `invalid-message` */
export function readResult<T>(shape: Shape<T>, result: unknown): T {
  return read(shape, result, 'answer.ok');
}

/** Bytes as base64. @param encoding of the text: one character a byte, or UTF-8 */
export function toBase64(bytes: string, encoding: 'latin1' | 'utf8' = 'latin1'): string {
  return Buffer.from(bytes, encoding).toString('base64');
}

/** The bytes of base64, as text of one character a byte. */
export function fromBase64(text: string): string {
  return Buffer.from(text, 'base64').toString('latin1');
}

function seal(value: unknown): unknown {
  return SEALED.write({ sealed: toBase64(JSON.stringify(value), 'utf8') });
}

function unseal(message: unknown): unknown {
  return parse(read(SEALED, message, 'message').sealed);
}

function parse(base64Text: string): unknown {
  try {
    return JSON.parse(Buffer.from(base64Text, 'base64').toString('utf8'));
  } catch (error) {
    throw new PinholeError('invalid-message', 'message.sealed: expected JSON in base64', {
      details: { field: 'message.sealed' },
      cause: error,
    });
  }
}
