import { dirname } from 'node:path';
import type { ConfigFlags } from '../../config/config.ts';
import { startKernelProcess } from '../../processes/kernel-process.ts';
import { untilSignal } from '../../processes/until-signal.ts';
import { holdFolders } from '../../supervisor/locks.ts';
import { kernelOptions } from '../../supervisor/programs.ts';
import { confined } from './confined.ts';
import { ownOptions } from './own-options.ts';
import { started } from './until-over.ts';

/**
 * Runs the kernel process until it is stopped.
 * @param json options, when the supervisor starts it; without them, it reads the configuration, when systemd starts it
 * @throws InvalidInput for options or configuration that are wrong, and for a folder that another Pinhole uses
 */
export async function kernelProcess(json: string | undefined, flags: ConfigFlags): Promise<void> {
  const options = ownOptions(json, flags, kernelOptions);
  holdFolders([dirname(options.socket)]);
  await confined('kernel');
  const running = await started(startKernelProcess(options));
  await untilSignal(running);
}
