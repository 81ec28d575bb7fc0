import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { play, ROWS } from '../contract/rows.mjs';
import { STORES } from '../support/stores.ts';
import { TestServer } from '../support/test-server.ts';

interface RecordedAnswer {
  readonly name: string;
  readonly status: number;
  readonly type: string | null;
  readonly body: unknown;
}

/** What neutron-server 21 (Debian 12) answered to the same requests: `node test/contract/record.mjs URL`. */
const NEUTRON: readonly RecordedAnswer[] = JSON.parse(readFileSync(new URL('../contract/answers.json', import.meta.url), 'utf8'));

describe.each(STORES)('the contract of Neutron’s API, row by row, on %s', (store) => {
  const server = new TestServer('', { store });
  let answers: RecordedAnswer[];

  beforeAll(async () => {
    await server.start();
    answers = await play(server.url, { 'x-auth-token': server.token });
  });
  afterAll(() => server.close());

  it.each(ROWS.map((row, index) => ({ ...row, index })))('$name', ({ index, differs, ours: status, subset, unordered, unorderedWords }) => {
    const ours = answers[index] as RecordedAnswer;
    const theirs = NEUTRON[index] as RecordedAnswer;
    if (differs) {
      expect(ours.status).toBe(status);
      expect(ours).not.toEqual(theirs);
      return;
    }
    const prepare = (answer: RecordedAnswer) => prepared(answer, { unordered, unorderedWords });
    if (subset) expect(prepare(ours)).toMatchObject(withoutTimes(prepare(theirs)));
    else expect(prepare(ours)).toEqual(prepare(theirs));
  });
});

function prepared(
  answer: RecordedAnswer,
  { unordered, unorderedWords }: { unordered?: string | undefined; unorderedWords?: boolean | undefined },
) {
  const { status, type } = answer;
  const body = structuredClone(answer.body);
  if (unordered) (at(body, unordered) as unknown[]).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  if (unorderedWords) {
    const error = (body as { NeutronError: { message: string } }).NeutronError;
    error.message = error.message
      .split(/[ ,']+/)
      .sort()
      .join(' ');
  }
  return { status, type: type?.split(';')[0] ?? null, body };
}

function at(value: unknown, path: string): unknown {
  return path.split('.').reduce((inner, key) => (inner as Record<string, unknown>)[key], value);
}

/** What no two servers have in common; the zone is the peer's own default. */
function withoutTimes(answer: { status: number; body: unknown }) {
  const { created_at, updated_at, availability_zones, ...router } = (answer.body as { router: Record<string, unknown> }).router;
  return { status: answer.status, body: { router } };
}
