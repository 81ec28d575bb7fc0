import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';

export const ROOT = resolve(import.meta.dirname, '../..');

/** How a sample is checked; see `docs.test.ts` of the integration and system tiers. */
export const TIERS = ['run', 'parse', 'config', 'manifest', 'policy', 'prometheus'] as const;
export type Tier = (typeof TIERS)[number];

/** A fenced block of a page. */
export interface Sample {
  /** Path of the page from the root of the repository, and the line of the fence: `docs/usage.md:12`. */
  readonly place: string;
  readonly page: string;
  /** Word after the opening fence; empty if there is none. */
  readonly language: string;
  /** What the comment above the fence says after `sample:`, word by word; empty without a comment. */
  readonly mark: readonly string[];
  readonly text: string;
}

/** Languages whose samples need a mark, with the tiers that suit them. */
export const MARKED: Readonly<Record<string, readonly Tier[]>> = {
  sh: ['run', 'parse'],
  bash: ['run', 'parse'],
  console: ['run', 'parse'],
  yaml: ['config', 'manifest', 'policy', 'prometheus'],
};

/** Languages of blocks that a reader is not meant to run: diagrams, output, rules and documents. */
export const UNMARKED = ['text', 'nft', 'json', 'ini'] as const;

/** Markdown pages in the root and under docs/, without the generated pages of review rules, whose samples the review corpus tests. */
export function pages(): string[] {
  const root = readdirSync(ROOT).filter((name) => name.endsWith('.md'));
  const docs = readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name))
    .filter((name) => !isRulePage(name));
  return [...root, ...docs].sort();
}

function isRulePage(page: string): boolean {
  return page.startsWith(join('docs', 'review')) && !page.endsWith('README.md');
}

export function readPage(page: string): string {
  return readFileSync(join(ROOT, page), 'utf8');
}

/** Every fenced block of a page, in order. @throws Error if a fence is not closed */
export function samplesOf(page: string, text = readPage(page)): Sample[] {
  const lines = text.split('\n');
  const samples: Sample[] = [];
  for (let at = 0; at < lines.length; at++) {
    const [, indent = '', language] = /^(\s*)```(\S*)$/.exec(lines[at] ?? '') ?? [];
    if (language === undefined) continue;
    const end = lines.indexOf(`${indent}\`\`\``, at + 1);
    if (end < 0) throw new Error(`${page}:${at + 1}: this fence is not closed`);
    const [, mark = ''] = /<!-- sample: (.+) -->/.exec(lines[at - 1] ?? '') ?? [];
    const body = lines.slice(at + 1, end).map((line) => line.slice(indent.length));
    samples.push({ place: `${page}:${at + 1}`, page, language, mark: mark.split(/[ ,]+/).filter(Boolean), text: `${body.join('\n')}\n` });
    at = end;
  }
  return samples;
}

export function allSamples(): Sample[] {
  return pages().flatMap((page) => samplesOf(page));
}

/** Code blocks that are made by indentation: they say no language, so no test can know what they are. */
export function indentedBlocks(page: string, text = readPage(page)): string[] {
  const lines = text.split('\n');
  let isFenced = false;
  return lines.flatMap((line, at) => {
    if (/^\s*```/.test(line)) isFenced = !isFenced;
    const isCode = !isFenced && /^( {4}|\t)\S/.test(line) && lines[at - 1] === '';
    return isCode ? [`${relative(ROOT, join(ROOT, page))}:${at + 1}`] : [];
  });
}
