import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { PinholeError } from '../../model/errors.ts';

/** The benchmarks live beside the sources and are built with them. */
export async function bench(flags: { only?: string; json?: boolean }): Promise<void> {
  const main = fileURLToPath(new URL('../../../bench/main.js', import.meta.url));
  const argv = [main, ...(flags.only ? ['--only', flags.only] : []), ...(flags.json ? ['--json'] : [])];
  const code = await new Promise<number | null>((resolve, reject) => {
    spawn(process.execPath, argv, { stdio: 'inherit' }).on('error', reject).on('close', resolve);
  });
  if (code !== 0) throw new PinholeError('internal', `the benchmark ended with ${code}`);
}
