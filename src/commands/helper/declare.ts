import { ANY_NUMBER, type Answer, kept } from '../../client/answer.ts';
import { Client, type ClientFlags } from '../../client/client.ts';
import { helpersPath } from '../../client/resources.ts';
import { list, withDefault } from '../../contract/compounds.ts';
import { HELPER, HELPER_WARNING } from '../../contract/helper.ts';
import type { HelperId } from '../../contract/primitives.ts';
import { record } from '../../contract/record.ts';
import type { Router } from '../../contract/router.ts';
import type { Of } from '../../contract/shape.ts';
import { FAMILY_STATUS, type FamilyStatus } from '../../contract/status.ts';
import { NotFound, type PinholeError, Reported } from '../../model/errors.ts';
import { systemClock } from '../../ports/clock.ts';
import { lineWidth, wrapped } from '../../terminal/lines.ts';
import { paint, print, printJson, statusStyle, warn } from '../../terminal/table.ts';
import { together } from '../observe/status-text.ts';
import { notAllowed } from './flags.ts';
import { outcomeOf, secondsToWait, statusReader, type WaitFlags } from './outcome.ts';
import { jsonOf, showHelper } from './show-helpers.ts';

/** Servers of older versions foresee nothing. */
const ANSWER = record({ ...HELPER.fields, warnings: withDefault(list(HELPER_WARNING, ANY_NUMBER), []) });
type Declared = Answer<Of<typeof ANSWER>>;

/** A helper to make (`id` is null), or to change. */
export interface Declaration {
  readonly router: Router;
  readonly id: HelperId | null;
  readonly fields: { readonly helper?: string };
}

/**
 * Makes or changes a helper, and prints it, what the server foresees (on standard error), and, if the flags say to wait, what became of it
 * in each family.
 * @throws Reported, for the exit status 1, if it was waited for and is not live; InvalidInput for `--wait`; PinholeError as {@link Client.call}
 */
export async function declare({ router, id, fields }: Declaration, flags: ClientFlags & WaitFlags): Promise<void> {
  const seconds = secondsToWait(flags, process.stdout.isTTY === true);
  const client = new Client(flags);
  const path = helpersPath(router.id, id ?? undefined);
  const helper = await client.read(kept(ANSWER), id === null ? 'POST' : 'PUT', path, fields).catch((error) => {
    throw (error as PinholeError).code === 'helper-not-allowed' && fields.helper !== undefined ? notAllowed(fields.helper) : error;
  });
  for (const { code, message } of helper.value.warnings) warn(`${code}: ${message}`);
  const row = { router: router.name, helper };
  if (seconds === 0) return showHelper(row, flags);
  if (!flags.json) showHelper(row, flags);
  const families = await outcomeOf(helper.value.id, { read: statusReader(client, router.id), seconds, clock: systemClock });
  if (families === null) throw new NotFound('helper', helper.value.id);
  if (flags.json) printJson({ ...jsonOf(row), families: families.map((family) => FAMILY_STATUS.write(family)) });
  else print(`\n${outcomeText(families)}`);
  refuseUnlessLive(helper, families);
}

/** `ipv4 ipv6  ACTIVE`, with the reason below. */
function outcomeText(families: readonly FamilyStatus[]): string {
  const lines = together(families).flatMap((group) => {
    const { status, reason } = group[0] as FamilyStatus;
    const head = `${group.map(({ family }) => family).join(' ')}  ${paint(statusStyle(status) ?? 'reset', status)}`;
    return [head, ...wrapped(reason, lineWidth(), '  ')];
  });
  return `${lines.join('\n')}\n`;
}

function refuseUnlessLive({ value: { helper } }: Declared, families: readonly FamilyStatus[]): void {
  const wrong = families.filter(({ status }) => status !== 'ACTIVE');
  if (wrong.length === 0) return;
  throw new Reported('internal', `${helper} is declared, and is not live over ${wrong.map(({ family }) => family).join(' and ')}`);
}
