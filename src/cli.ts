import { Command, CommanderError } from 'commander';
import { defineAudit } from './commands/audit/index.ts';
import { defineBus } from './commands/bus/index.ts';
import { defineDb } from './commands/db/index.ts';
import { defineHelper } from './commands/helper/index.ts';
import { defineLocal } from './commands/local/index.ts';
import { defineManifest } from './commands/manifest/index.ts';
import { defineObserve } from './commands/observe/index.ts';
import { defineQuota } from './commands/quota/index.ts';
import { defineReview } from './commands/review/index.ts';
import { defineRouter } from './commands/router/index.ts';
import { defineRun } from './commands/run/index.ts';
import { defineToken } from './commands/token/index.ts';
import { ERROR_CODES, errorToData, PinholeError, Reported } from './model/errors.ts';
import { VERSION } from './version.ts';

/** Groups of commands, in the order of the help. A group loads the file of a command when it is called: starting stays cheap. */
const GROUPS = [
  defineRun,
  defineRouter,
  defineHelper,
  defineManifest,
  defineObserve,
  defineReview,
  defineLocal,
  defineToken,
  defineAudit,
  defineQuota,
  defineBus,
  defineDb,
];

function createProgram(): Command {
  const program = new Command('pinhole')
    .description('Hands out conntrack helpers (ALGs) on Linux routers')
    .version(VERSION)
    .exitOverride()
    .showHelpAfterError('(see --help)')
    .configureOutput({ outputError: (text, write) => write(`pinhole: ${text.replace(/^error: /, '')}`) });
  for (const define of GROUPS) define(program);
  return program;
}

/** Prints a failure for people or programs. @returns the exit status of its code */
function fail(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : ERROR_CODES['invalid-input'].exit;
  const data = errorToData(error);
  // Standard output is one document: what was printed there already, or the error.
  if (process.argv.includes('--json') && !(error instanceof Reported)) process.stdout.write(`${JSON.stringify({ error: data })}\n`);
  else process.stderr.write(`pinhole: ${error instanceof PinholeError ? data.message : ((error as Error).stack ?? error)}\n`);
  return ERROR_CODES[data.code].exit;
}

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

try {
  await createProgram().parseAsync();
} catch (error) {
  process.exitCode = fail(error);
}
