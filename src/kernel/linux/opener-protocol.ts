import { list } from '../../contract/compounds.ts';
import { NETNS } from '../../contract/netns.ts';
import { record, tagged } from '../../contract/record.ts';
import { BOOLEAN, integer, literal, oneOf, text } from '../../contract/scalars.ts';
import { type Of, read, type Shape } from '../../contract/shape.ts';
import type { NamespaceFile, SocketKind } from './opener.ts';

/**
 * What passes between the kernel process and the opener: JSON, one message each way, with sockets beside the answer. `rules` is
 * answered with a file in memory that holds the rules as JSON.
 */
const REQUEST = tagged('ask', {
  host: record({ ask: literal('host') }),
  open: record({ ask: literal('open'), netns: NETNS, kinds: list(oneOf<SocketKind>('netfilter', 'lock'), 4) }),
  openNew: record({ ask: literal('openNew') }),
  allRules: record({ ask: literal('allRules'), netns: NETNS }),
});
export type OpenerRequest = Of<typeof REQUEST>;

const FILE: Shape<NamespaceFile> = record({
  inode: integer(0, Number.MAX_SAFE_INTEGER),
  born: text({ max: 20, pattern: /^\d+$/, what: 'a time' }),
});
const FAILURE = record({ code: text({ max: 40, what: 'a code' }), message: text({ max: 4_096, what: 'a message' }) });

const ANSWER = tagged('is', {
  done: record({ is: literal('done') }),
  host: record({ is: literal('host'), file: FILE, events: BOOLEAN }),
  opened: record({ is: literal('opened'), file: FILE }),
  failed: record({ is: literal('failed'), failure: FAILURE }),
});
export type OpenerAnswer = Of<typeof ANSWER>;

/** @throws PinholeError `invalid-message` naming the field; SyntaxError for what is not JSON */
export function parseOpenerRequest(data: Buffer): OpenerRequest {
  return read(REQUEST, JSON.parse(data.toString()), 'request');
}

/** @throws PinholeError `invalid-message` naming the field; SyntaxError for what is not JSON */
export function parseOpenerAnswer(data: Buffer): OpenerAnswer {
  return read(ANSWER, JSON.parse(data.toString()), 'answer');
}
