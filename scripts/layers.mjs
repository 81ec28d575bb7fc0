#!/usr/bin/env node
// Checks the tree against the module table. Prints each problem with its file and line, and exits 1 if there is one.
import { fileURLToPath } from 'node:url';
import { problemsOf } from './module-table.mjs';

const problems = problemsOf(process.argv[2] ?? fileURLToPath(new URL('..', import.meta.url)));
for (const problem of problems) process.stderr.write(`${problem}\n`);
if (problems.length > 0) process.exitCode = 1;
