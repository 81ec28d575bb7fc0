import { mkdirSync } from 'node:fs';
import { type ConfigFlags, loadConfig, paths } from '../../config/config.ts';
import { startServer } from '../../processes/server.ts';
import { onHangup, untilSignal } from '../../processes/until-signal.ts';

/** Runs the server alone until it is stopped. SIGHUP reloads certificate and policy. @throws InvalidInput for wrong configuration */
export async function server(flags: ConfigFlags): Promise<void> {
  const config = loadConfig(flags, process.env);
  const { serverDir, serverSocketDir } = paths(config);
  for (const folder of [serverDir, serverSocketDir]) mkdirSync(folder, { recursive: true, mode: 0o750 });
  const running = await startServer(config);
  onHangup(() => running.reload());
  await untilSignal(running);
}
