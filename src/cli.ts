import { Command, CommanderError } from 'commander';
import { defineAudit, defineBus, defineDb, defineQuota, defineToken } from './cli/administer.ts';
import { defineHelper, defineManifest, defineRouter } from './cli/declare.ts';
import { defineLocal, defineRun } from './cli/host.ts';
import { defineObserve, defineReview } from './cli/observe.ts';
import { ERROR_CODES, errorToData, PinholeError, Reported } from './model/errors.ts';
import { VERSION } from './version.ts';

/** Groups of commands, in the order of the help. The file of a command is loaded when it is called, so that starting costs little. */
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
