import { existsSync } from 'node:fs';
import { resolve } from 'node:path';

const built = resolve(import.meta.dirname, '../../pinhole/cli.js');

/** The command as built, for tests that run from their sources and for benchmarks that run from the build. */
export const CLI = existsSync(built) ? built : resolve(import.meta.dirname, '../../dist/pinhole/cli.js');
