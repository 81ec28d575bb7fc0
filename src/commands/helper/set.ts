import { Client } from '../../client/client.ts';
import { findRouter } from '../../client/resources.ts';
import { declare } from './declare.ts';
import { findOne } from './find-one.ts';
import { type HelperFlags, parsePort, scopeAndExpiry } from './flags.ts';
import type { WaitFlags } from './outcome.ts';

/** Changes the fields of a helper that flags name, leaves the others as they are, and prints it; {@link declare} says what else. */
export async function set(router: string, helper: string, flags: HelperFlags & WaitFlags & { helper?: string }): Promise<void> {
  const client = new Client(flags);
  const found = (await findRouter(client, router)).value;
  const { id } = (await findOne(client, found, helper)).value;
  const change = {
    ...(flags.helper === undefined ? {} : { helper: flags.helper }),
    ...(flags.protocol === undefined ? {} : { protocol: flags.protocol }),
    ...(flags.port === undefined ? {} : { port: parsePort(flags.port) }),
    ...scopeAndExpiry(flags),
  };
  await declare({ router: found, id, fields: change }, flags);
}
