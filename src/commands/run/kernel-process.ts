import { type ConfigFlags, loadConfig } from '../../config/config.ts';
import { InvalidInput } from '../../model/errors.ts';
import { startKernelProcess } from '../../processes/kernel-process.ts';
import { untilSignal } from '../../processes/until-signal.ts';
import { kernelOptions } from '../../supervisor/programs.ts';

/**
 * Runs the kernel process.
 * @param json its options from the supervisor; without them, root-owned configuration has them (systemd starts it so)
 */
export async function kernelProcess(json: string | undefined, flags: ConfigFlags): Promise<void> {
  const running = await startKernelProcess(json === undefined ? kernelOptions(loadConfig(flags, process.env)) : parseOptions(json));
  await untilSignal(running);
}

function parseOptions(json: string) {
  try {
    return JSON.parse(json);
  } catch {
    throw new InvalidInput('options', 'kernel-process is started by the supervisor, with its options as JSON.');
  }
}
