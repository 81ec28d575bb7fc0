import { Client } from '../../client/client.ts';
import { findRouter, type HelperJson, helpersPath } from '../../client/resources.ts';
import { findOne } from './find-one.ts';
import { type HelperFlags, parsePort, scopeAndExpiry } from './flags.ts';
import { showHelper } from './show-helpers.ts';

/** Changes those fields of a helper that flags name. */
export async function set(router: string, helper: string, flags: HelperFlags & { helper?: string }): Promise<void> {
  const client = new Client(flags);
  const found = await findRouter(client, router);
  const { id } = await findOne(client, found, helper);
  const change = {
    ...(flags.helper === undefined ? {} : { helper: flags.helper }),
    ...(flags.protocol === undefined ? {} : { protocol: flags.protocol }),
    ...(flags.port === undefined ? {} : { port: parsePort(flags.port) }),
    ...scopeAndExpiry(flags),
  };
  showHelper({ ...(await client.call<HelperJson>('PUT', helpersPath(found.id, id), change)), router: found.name }, flags);
}
