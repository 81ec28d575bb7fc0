import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { CLI } from '../support/cli-path.ts';

/** Makes Node name every module that it loads, on standard error. */
const NAME_MODULES = `data:text/javascript,${encodeURIComponent(`
  import { register } from 'node:module';
  register('data:text/javascript,' + encodeURIComponent(
    "export const load = (url, context, next) => { process._rawDebug('loads ' + url); return next(url, context); }"));
`)}`;

function filesLoadedBy(...argv: string[]): string[] {
  const { stderr } = spawnSync(process.execPath, ['--import', NAME_MODULES, CLI, ...argv], {
    encoding: 'utf8',
    env: { ...process.env, PINHOLE_URL: 'unix:/nowhere' },
  });
  return [...stderr.matchAll(/^loads file:\/\/(\S+)/gm)].map(([, path]) => path ?? '');
}

// Node takes some milliseconds for each file, so the number of files decides how fast a command starts, on any machine.
describe('the start of a command', () => {
  it.each([['--version'], ['status'], ['router list'], ['helper list']])(
    '%s loads at most six files, none of them of another package',
    (command) => {
      const files = filesLoadedBy(...command.split(' '));
      expect(files).toContain(CLI);
      expect(files.filter((path) => path.includes('/node_modules/'))).toEqual([]);
      expect(files.length).toBeLessThanOrEqual(6);
    },
  );
});
