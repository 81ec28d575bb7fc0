import { Client } from '../../client/client.ts';
import { Reported } from '../../model/errors.ts';
import { applyFile, type ManifestFlags, planFile, reportApplied, reportSteps } from './steps.ts';

/** The flags of `apply`. */
export interface ApplyFlags extends ManifestFlags {
  readonly dryRun?: boolean;
}

/**
 * Makes the declared state equal to a manifest, all of it or nothing, and prints the changes. With `--dry-run`, prints what would
 * change.
 * @throws InvalidInput for the file; the server's error with the file's line; Reported for a dry run that the server would refuse
 */
export async function apply(flags: ApplyFlags): Promise<void> {
  const client = new Client(flags);
  if (!flags.dryRun) return reportApplied(await applyFile(client, flags), flags);
  const { steps, refusal } = await planFile(client, flags);
  reportSteps(steps, flags, 'would change');
  if (refusal) throw new Reported(refusal.code, `The server would refuse this: ${refusal.message}`, { details: refusal.details });
}
