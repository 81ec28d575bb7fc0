import { Client, type ClientFlags } from '../../client/client.ts';
import { plan } from './plan.ts';
import { planFile, reportSteps } from './steps.ts';

/** Prints how the declared state differs from a manifest. Without a file: how live kernels differ from the declared state. */
export async function diff(
  router: string | undefined,
  flags: ClientFlags & { file?: string; prune?: boolean; force?: boolean },
): Promise<void> {
  const { file } = flags;
  if (file === undefined) return plan(router, flags);
  reportSteps((await planFile(new Client(flags), { ...flags, file })).steps, flags, 'differs');
}
