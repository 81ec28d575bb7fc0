import { type ConfigFlags, loadConfig } from '../../config/config.ts';
import { InvalidInput } from '../../model/errors.ts';
import { startKernelProcess } from '../../processes/kernel-process.ts';
import { untilSignal } from '../../processes/until-signal.ts';
import { kernelOptions } from '../../supervisor/programs.ts';

/**
 * Runs the kernel process until it is stopped.
 * @param json options, when the supervisor starts it; without them, it reads the configuration, when systemd starts it
 * @throws InvalidInput for options or configuration that are wrong
 */
export async function kernelProcess(json: string | undefined, flags: ConfigFlags): Promise<void> {
  const running = await startKernelProcess(json === undefined ? kernelOptions(loadConfig(flags, process.env)) : parseOptions(json));
  await untilSignal(running);
}

function parseOptions(json: string) {
  try {
    return JSON.parse(json);
  } catch {
    throw new InvalidInput(
      'options',
      'The options of kernel-process are not JSON. The supervisor starts it; there is no need to start it by hand.',
    );
  }
}
