import { spawn } from 'node:child_process';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { PinholeError } from '../../model/errors.ts';
import { CLI } from '../../supervisor/programs.ts';

/**
 * Runs the benchmarks, which a checkout builds beside the sources, and prints their results.
 * @throws PinholeError `internal` if they fail, or are not there
 */
export async function bench(flags: { only?: string; json?: boolean }): Promise<void> {
  const main = fileURLToPath(new URL('../bench/main.js', pathToFileURL(CLI)));
  const argv = [main, ...(flags.only ? ['--only', flags.only] : []), ...(flags.json ? ['--json'] : [])];
  const code = await new Promise<number | null>((resolve, reject) => {
    spawn(process.execPath, argv, { stdio: 'inherit' }).on('error', reject).on('close', resolve);
  });
  if (code !== 0) throw new PinholeError('internal', `the benchmarks ended with exit status ${code}`);
}
