import { Client, type ClientFlags } from '../../client/client.ts';
import { readManifest } from '../../manifest/read-file.ts';
import { plan } from './plan.ts';
import { reportSteps, stepsTo } from './steps.ts';

/** Prints how the declared state differs from a manifest. Without a file: how live kernels differ from the declared state. */
export async function diff(router: string | undefined, flags: ClientFlags & { file?: string; prune?: boolean }): Promise<void> {
  if (flags.file === undefined) return plan(router, flags);
  reportSteps(await stepsTo(new Client(flags), readManifest(flags.file), flags.prune ?? false), flags, 'differs');
}
