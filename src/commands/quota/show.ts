import { kept } from '../../client/answer.ts';
import { Client, type ClientFlags } from '../../client/client.ts';
import { QUOTA } from '../../contract/quota.ts';
import { quotaPath, showQuota } from './show-quota.ts';

/** Prints how many routers and helpers a project has, and how many it may have. */
export async function show(project: string, flags: ClientFlags): Promise<void> {
  showQuota(await new Client(flags).read(kept(QUOTA), 'GET', quotaPath(project)), flags);
}
