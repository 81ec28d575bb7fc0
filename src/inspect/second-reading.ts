import { readFileSync } from 'node:fs';
import { loadConfig, type SecondReaderConfig } from '../config/config.ts';
import { InvalidInput, PinholeError } from '../model/errors.ts';
import type { Note, SubjectReport } from '../review/engine.ts';
import { checkAnswer, type Message, question } from '../review/second-reader.ts';
import { reviewSource } from '../review/source/review.ts';
import { SyntaxParser } from '../review/source/syntax.ts';
import type { Subject } from '../review/subject.ts';

/** In bytes. */
const MAX_ANSWER = 1024 * 1024;

/** What a second reader found. */
export interface SecondReadings {
  /** Findings of claims that the code confirms. */
  readonly parts: readonly SubjectReport[];
  /** One for each claim that was dropped. */
  readonly notes: readonly Note[];
  readonly counts: { readonly claims: number; readonly dropped: number };
}

/**
 * Asks the model that `review.llm` names about each source file, and keeps the claims that the code confirms.
 * @throws InvalidInput without that setting; PinholeError `unreachable` or `remote-failure`
 */
export async function secondReading(subjects: readonly Subject[], configFile: string | undefined): Promise<SecondReadings> {
  const { llm } = loadConfig({ config: configFile }, process.env).review;
  if (!llm)
    throw new InvalidInput('review.llm.url', 'There is no second reader: set review.llm.url and review.llm.model in the configuration.');
  const parser = await SyntaxParser.create();
  const parts: SubjectReport[] = [];
  const notes: Note[] = [];
  const counts = { claims: 0, dropped: 0 };
  try {
    for (const { kind, name, text } of subjects) {
      if (kind !== 'python' && kind !== 'typescript' && kind !== 'tsx') continue;
      await parser.load(kind);
      const source = reviewSource(parser, { path: name, language: kind, text }, []);
      if ('reason' in source) continue;
      const reading = checkAnswer(source.module, await ask(llm, question(source.module)));
      parts.push({ reviewed: null, findings: reading.findings, notes: [] });
      notes.push(
        ...reading.dropped.map(({ line, why }) => ({ subject: name, line, note: `a claim of the second reader was dropped: ${why}` })),
      );
      counts.claims += reading.claims;
      counts.dropped += reading.dropped.length;
    }
  } finally {
    parser.close();
  }
  return { parts, notes, counts };
}

/**
 * Sends one request of the chat-completions protocol.
 * @throws PinholeError `unreachable` without an answer, `remote-failure` for one that is not of that protocol
 */
async function ask({ url, model, keyFile, timeoutSeconds }: SecondReaderConfig, messages: readonly Message[]): Promise<string> {
  const key = keyFile === null ? null : readFileSync(keyFile, 'utf8').trim();
  let response: Response;
  try {
    response = await fetch(`${url.replace(/\/$/, '')}/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(key === null ? {} : { authorization: `Bearer ${key}` }) },
      body: JSON.stringify({ model, messages, temperature: 0, response_format: { type: 'json_object' } }),
      signal: AbortSignal.timeout(timeoutSeconds * 1000),
      redirect: 'error',
    });
  } catch (error) {
    throw new PinholeError('unreachable', `The second reader at ${url} does not answer: ${(error as Error).message}.`, { cause: error });
  }
  const text = await bounded(response);
  if (!response.ok) throw new PinholeError('remote-failure', `The second reader at ${url} answered ${response.status}.`);
  try {
    const { choices } = JSON.parse(text) as { choices: { message: { content: string } }[] };
    return String(choices[0]?.message.content ?? '');
  } catch (error) {
    throw new PinholeError('remote-failure', `The second reader at ${url} did not answer as a chat-completions endpoint does.`, {
      cause: error,
    });
  }
}

async function bounded(response: Response): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > MAX_ANSWER) throw new PinholeError('remote-failure', `The second reader's answer is larger than ${MAX_ANSWER} bytes.`);
    chunks.push(Buffer.from(chunk));
  }
  return Buffer.concat(chunks).toString('utf8');
}
