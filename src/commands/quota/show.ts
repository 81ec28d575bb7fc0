import { Client, type ClientFlags } from '../../client/client.ts';
import { type QuotaJson, quotaPath, showQuota } from './show-quota.ts';

/** Shows what a project has and may have. */
export async function show(project: string, flags: ClientFlags): Promise<void> {
  showQuota(await new Client(flags).get<QuotaJson>(quotaPath(project)), flags);
}
