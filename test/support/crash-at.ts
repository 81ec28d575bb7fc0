import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Ends the process before one of its changes to files whose paths, or descriptors, match. */
const CRASH = `
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
let left = Number(process.env.CRASH_AT);
for (const name of ['openSync', 'linkSync', 'mkdirSync', 'renameSync', 'unlinkSync', 'rmSync', 'writeSync', 'fsyncSync', 'chmodSync']) {
  const real = fs[name];
  fs[name] = (...argv) => {
    const counts = typeof argv[0] === 'number' || String(argv[0]).includes(process.env.CRASH_PATH);
    if (counts && left-- === 0) process.kill(process.pid, 'SIGKILL');
    return real(...argv);
  };
}
syncBuiltinESMExports();
`;

/**
 * Returns the environment in which a command of Node's is killed before its change number `at` (from 0) to files, as by a crash.
 * @param folder where to write the code that does so
 * @param path a part of the paths of the files that count
 */
export function crashAt(at: number, { folder, path }: { folder: string; path: string }): NodeJS.ProcessEnv {
  const file = join(folder, 'crash.mjs');
  writeFileSync(file, CRASH);
  return { NODE_OPTIONS: `--import=${file}`, CRASH_AT: String(at), CRASH_PATH: path };
}
