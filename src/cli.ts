import { Command, CommanderError } from 'commander';
import { defineAudit, defineBus, defineDb, defineHost, defineQuota, defineToken } from './cli/administer.ts';
import { defineHelper, defineManifest, defineRouter } from './cli/declare.ts';
import { defineFleet } from './cli/fleet.ts';
import { defineLocal, defineRun } from './cli/host.ts';
import { defineObserve, defineReview } from './cli/observe.ts';
import { defineProbe } from './cli/probe.ts';
import { ERROR_CODES, errorToData, PinholeError, Reported } from './model/errors.ts';
import { VERSION } from './version.ts';

/** Groups of commands, in the order of the help. The program loads a command's file when it runs the command, so it starts fast. */
const GROUPS = [
  defineRun,
  defineRouter,
  defineHelper,
  defineManifest,
  defineObserve,
  defineReview,
  defineProbe,
  defineLocal,
  defineHost,
  defineToken,
  defineAudit,
  defineQuota,
  defineFleet,
  defineBus,
  defineDb,
];

function createProgram(): Command {
  const program = new Command('pinhole')
    .description('assigns conntrack helpers (ALGs) on Linux routers')
    .version(VERSION)
    .exitOverride()
    .showHelpAfterError('(see --help)')
    .configureOutput({ outputError: (text, write) => write(`pinhole: ${text.replace(/^error: /, '')}`) });
  for (const define of GROUPS) define(program);
  return program;
}

/** Prints an error, as text or as JSON. @returns the exit status that belongs to its code */
function fail(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : ERROR_CODES['invalid-input'].exit;
  const data = errorToData(error);
  // With --json, standard output is one JSON document: the result that a Reported error follows, or the error.
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
