import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { refuseUncaught } from '../support/uncaught.ts';

const outputOf = (program: string) => spawnSync(process.execPath, ['-e', program], { encoding: 'utf8' }).stderr;

describe('a process of Pinhole’s that a test started', () => {
  it.each([
    ['an exception', 'throw new Error("of its own")'],
    ['a rejection', 'Promise.reject(new Error("of its own"))'],
  ])('fails the test if %s that nothing caught ended it', (_what, program) => {
    expect(() => refuseUncaught(outputOf(program))).toThrow(/of its own/);
  });

  it('may print errors, and end with one', () => {
    const output = outputOf('console.error(new Error("told")); process.exit(1)');
    expect(output).toContain('told');
    expect(() => refuseUncaught(output)).not.toThrow();
  });
});
