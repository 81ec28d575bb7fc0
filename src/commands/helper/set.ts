import { kept } from '../../client/answer.ts';
import { Client } from '../../client/client.ts';
import { findRouter, helpersPath } from '../../client/resources.ts';
import { HELPER } from '../../contract/helper.ts';
import { findOne } from './find-one.ts';
import { type HelperFlags, parsePort, scopeAndExpiry } from './flags.ts';
import { showHelper } from './show-helpers.ts';

/** Changes the fields of a helper that flags name, leaves the others as they are, and prints the helper. */
export async function set(router: string, helper: string, flags: HelperFlags & { helper?: string }): Promise<void> {
  const client = new Client(flags);
  const found = (await findRouter(client, router)).value;
  const { id } = (await findOne(client, found, helper)).value;
  const change = {
    ...(flags.helper === undefined ? {} : { helper: flags.helper }),
    ...(flags.protocol === undefined ? {} : { protocol: flags.protocol }),
    ...(flags.port === undefined ? {} : { port: parsePort(flags.port) }),
    ...scopeAndExpiry(flags),
  };
  showHelper({ router: found.name, helper: await client.read(kept(HELPER), 'PUT', helpersPath(found.id, id), change) }, flags);
}
