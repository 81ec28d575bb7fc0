import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { allSamples, pages, type Sample } from '../support/docs.ts';
import { OwnMachine } from '../support/own-machine.ts';

/** The blocks that a reader would run, in the order of the page, and the manifests that the page shows. */
const STEPS = allSamples().filter(({ mark: [tier], language }) => tier === 'run' || tier === 'manifest' || isOutput({ language }));
const PAGES = pages().filter((page) => STEPS.some((step) => step.page === page && step.mark[0] === 'run'));

/** How long to repeat a block that waits for the agent. The agent needs milliseconds, and more on a busy machine. */
const PATIENCE = { timeout: 60_000, interval: 100 } as const;

function isOutput({ language }: Pick<Sample, 'language'>): boolean {
  return language === 'text';
}

/**
 * Runs the shell samples of a page unchanged, in order, on a machine of their own. The test writes a manifest to the file that its
 * mark names. After `run, ready`, it waits until Pinhole answers. After `run, shows`, the next `text` block must equal the output,
 * with `…` for parts that differ from run to run. It repeats blocks with `shows` or `repeat` until they succeed.
 */
describe.each(PAGES)('%s', (page) => {
  const machine = new OwnMachine();
  beforeAll(async () => {
    await machine.start();
    expect(await machine.run('ip netns add edge')).toMatchObject({ code: 0 });
  });
  afterAll(() => machine.close());

  const steps = STEPS.filter((step) => step.page === page);
  it.each(steps.filter(({ mark }) => mark.length > 0).map((step) => [step.place, step] as const))('%s works', async (_place, step) => {
    const [tier, ...words] = step.mark;
    if (tier === 'manifest') {
      if (words[0] !== undefined) writeFileSync(join(machine.directory, words[0]), step.text);
      return;
    }
    const shown = words.includes('shows') ? steps[steps.indexOf(step) + 1] : undefined;
    if (words.includes('shows')) expect(shown).toMatchObject({ language: 'text' });
    const attempt = async () => {
      const ran = await machine.run(step.text);
      if (ran.code !== 0) return ran.output;
      return shown === undefined || patternOf(shown.text).test(squeezed(ran.output)) ? null : ran.output;
    };
    if (words.includes('shows') || words.includes('repeat')) await expect.poll(attempt, PATIENCE).toBeNull();
    else expect(await attempt()).toBeNull();
    if (words.includes('ready')) await machine.ready();
  });
});

function patternOf(shown: string): RegExp {
  const escaped = squeezed(shown).replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
  return new RegExp(`^${escaped.replaceAll('…', '.+')}$`, 's');
}

function squeezed(text: string): string {
  return text
    .replace(/[ \t]+/g, ' ')
    .replace(/ $/gm, '')
    .trim();
}
