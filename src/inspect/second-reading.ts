import { readFileSync } from 'node:fs';
import { loadConfig, type SecondReaderConfig } from '../config/config.ts';
import { InvalidInput, PinholeError } from '../model/errors.ts';
import type { Note, SubjectReport } from '../review/engine.ts';
import { checkAnswer, type Message, question } from '../review/second-reader.ts';
import { reviewSource } from '../review/source/review.ts';
import { SyntaxParser } from '../review/source/syntax.ts';
import type { Subject } from '../review/subject.ts';

/** Bytes. */
const MAX_ANSWER = 1024 * 1024;

/** The second reading of all source files. */
export interface SecondReadings {
  /** Findings by file, to be merged with those of the review. */
  readonly parts: readonly SubjectReport[];
  /** Dropped claims. */
  readonly notes: readonly Note[];
  readonly counts: { readonly claims: number; readonly dropped: number };
}

/**
 * Asks the model of `review.llm` about each source file, one after the other, and keeps the claims that pass the check against
 * the code.
 * @throws InvalidInput if no second reader is configured; PinholeError if it does not answer
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
      const source = reviewSource(parser, { path: name, language: kind, text }, { rules: [] });
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

/** One request of the chat-completions protocol. @throws PinholeError `unreachable` or `remote-failure` */
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

/** The body of a response as text. @throws PinholeError beyond {@link MAX_ANSWER} */
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
