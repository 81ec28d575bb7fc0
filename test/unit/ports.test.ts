import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const SRC = fileURLToPath(new URL('../../src', import.meta.url));

/** What asks the machine for time or chance, instead of a port. */
const ASKS_THE_MACHINE =
  /\b(?:setTimeout|setInterval)\b|timers\/promises|\bDate\.now\b|\bnew Date\(\s*\)|\bperformance\b|perf_hooks|\bMath\.random\b|\bhrtime\b/;
/** What makes the machine's own time or chance a part's. */
const TAKES_THE_MACHINES = /\bsystem(?:Clock|Chance|Ports)\b/;

/** Who may do either, and why. Everything else is handed its clock and its chance. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  'ports/': 'the ports themselves',
  'processes/': 'composition roots: they choose the ports of all below',
  'commands/': 'composition roots of one command each',
  'lab/': 'waits for real processes and interfaces; nothing in it is tried without them',
  'proof/': 'waits for real packets, likewise',
  'kernel/linux/': 'waits for mounts of namespaces, which the kernel does not tell of',
  'review/': 'backstops in wall time behind bounds in steps; and a rule that names Math.random',
};

function files(): { path: string; text: string }[] {
  return readdirSync(SRC, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => ({ path, text: withoutComments(readFileSync(join(SRC, path), 'utf8')) }));
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1');
}

function offenders(pattern: RegExp): string[] {
  const excepted = (path: string) => Object.keys(EXCEPTIONS).some((place) => path.startsWith(place));
  return files().flatMap(({ path, text }) => (pattern.test(text) && !excepted(path) ? [path] : []));
}

describe('time and chance', () => {
  it('are asked of the machine by ports and composition roots only', () => {
    expect(offenders(ASKS_THE_MACHINE)).toEqual([]);
  });

  it('are handed down from composition roots: no module takes the machine’s own by itself', () => {
    expect(offenders(TAKES_THE_MACHINES)).toEqual([]);
  });

  it.each([
    'const at = Date.now();',
    'return new Date();',
    'setTimeout(work, 5)',
    'const timer = globalThis.setInterval(work, 5)',
    "import { setTimeout as sleep } from 'node:timers/promises';",
    'performance.now()',
    'wait * Math.random()',
    'process.hrtime.bigint()',
  ])('are recognised in %s', (line) => {
    expect(ASKS_THE_MACHINE.test(withoutComments(line))).toBe(true);
  });

  it.each([
    'new Date(text)',
    'clock.now()',
    '// Date.now() is not used here',
    '/** not {@link setTimeout} */',
    'const performanceText = 1',
  ])('are not seen in %s', (line) => {
    expect(ASKS_THE_MACHINE.test(withoutComments(line))).toBe(false);
  });

  it.each(Object.keys(EXCEPTIONS))('the exception %s is still needed', (place) => {
    const inPlace = files().filter(({ path }) => path.startsWith(place));
    expect(inPlace.some(({ text }) => ASKS_THE_MACHINE.test(text) || TAKES_THE_MACHINES.test(text))).toBe(true);
  });
});
