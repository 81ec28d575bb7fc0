import { Client } from '../../client/client.ts';
import { APPLIED } from '../../contract/applied.ts';
import { BULK, type Bulk, type Which } from '../../contract/bulk.ts';
import { PORT } from '../../contract/primitives.ts';
import { read } from '../../contract/shape.ts';
import { InvalidInput } from '../../model/errors.ts';
import { reportApplied } from '../manifest/steps.ts';
import { type HelperFlags, parsePort, protocolAndPort, scopeAndExpiry } from './flags.ts';
import type { WaitFlags } from './outcome.ts';

/** The flags of a command that changes one helper, or those of all routers with some labels. */
export interface BulkFlags extends HelperFlags, WaitFlags {
  readonly selector?: string;
}

/** What stands on the command line behind the command: one word beside `-l`, which names the helper. */
type Operands = readonly (string | undefined)[];

/** Declares a helper in every router with the labels of `-l`, in one transaction, and prints the changes. */
export async function addToAll(operands: Operands, flags: BulkFlags): Promise<void> {
  const helper = onlyOperand(operands, flags);
  const fields = { helper, ...protocolAndPort(helper, flags), ...scopeAndExpiry(flags) };
  await send({ action: 'add', helper: fields }, flags);
}

/** Changes a helper in every router with the labels of `-l`, in one transaction, and prints the changes. */
export async function setInAll(operands: Operands, flags: BulkFlags & { helper?: string }): Promise<void> {
  const which = parseWhich(onlyOperand(operands, flags));
  if (flags.helper !== undefined || flags.protocol !== undefined)
    throw new InvalidInput('selector', '-l: --helper and --protocol change one helper only. Remove this one, and add the other.');
  const port = flags.port === undefined ? {} : { port: parsePort(flags.port) };
  await send({ action: 'set', which, change: { ...port, ...scopeAndExpiry(flags) } }, flags);
}

/** Removes a helper from every router with the labels of `-l`, in one transaction, and prints the changes. */
export async function removeFromAll(operands: Operands, flags: BulkFlags): Promise<void> {
  await send({ action: 'remove', which: parseWhich(onlyOperand(operands, flags)) }, flags);
}

/** Sends a change in its form on the wire, read as the server will read it. */
async function send(wire: object, flags: BulkFlags): Promise<void> {
  if (flags.wait !== undefined && flags.wait !== false)
    throw new InvalidInput('wait', '--wait is about one helper. With -l, ask afterwards: pinhole status -l SELECTOR.');
  const change: Bulk = read(BULK, wire, '', 'input');
  const path = `/v1/bulk?selector=${encodeURIComponent(flags.selector ?? '')}`;
  reportApplied(await new Client(flags).read(APPLIED, 'POST', path, BULK.write(change)), flags);
}

function onlyOperand(operands: Operands, { selector }: BulkFlags): string {
  const [helper, ...more] = operands.filter((one) => one !== undefined);
  if (selector === undefined) throw new InvalidInput('helper', 'Name a router and a helper; or, with -l, labels and a helper.');
  if (helper === undefined || more.length > 0)
    throw new InvalidInput('selector', '-l selects the routers: name only the helper beside it, and no router.');
  return helper;
}

/** The helpers that a text names: `ftp`, `sip/udp`, `ftp/tcp/2121`. */
function parseWhich(text: string): Which {
  const [helper = '', protocol, port, ...more] = text.split('/');
  if (more.length > 0) throw new InvalidInput('helper', `'${text}' is not a helper like ftp, sip/udp or ftp/tcp/${PORT.max}.`);
  return { helper, protocol: protocol ?? null, port: port === undefined ? null : parsePort(port) };
}
