import { type Answer, kept } from '../../client/answer.ts';
import { Client, type ClientFlags } from '../../client/client.ts';
import { allRouters, findRouter } from '../../client/resources.ts';
import { LIVE_PLAN, type LivePlan } from '../../contract/plan.ts';
import type { Router } from '../../contract/router.ts';
import { lineWidth, wrapped } from '../../terminal/lines.ts';
import { paint, print, printJson, type Style } from '../../terminal/table.ts';

const SIGNS = { add: ['green', '+'], remove: ['red', '-'], replace: ['yellow', '~'] } as const;
const INDENT = ' '.repeat(4);

/**
 * Prints what a sync would change in the live kernel, router by router. Without a router: for every router that the token may see
 * and that has a host and a namespace.
 */
export async function plan(router: string | undefined, flags: ClientFlags & { table?: boolean }): Promise<void> {
  const client = new Client(flags);
  const found = router === undefined ? (await allRouters(client)).filter(isServed) : [await findRouter(client, router)];
  const plans: { router: Router; plan: Answer<LivePlan> }[] = [];
  for (const { value } of found)
    plans.push({ router: value, plan: await client.read(kept(LIVE_PLAN), 'GET', `/v1/routers/${value.id}/plan`) });
  if (flags.json) printJson(plans.map(({ router: { id, name }, plan }) => ({ router: id, name, ...plan.json })));
  else for (const { router, plan } of plans) show(router, plan.value, flags.table === true);
}

function isServed({ value: { host, netns } }: Answer<Router>): boolean {
  return host !== null && netns !== null;
}

function show({ id, name }: Router, { changes, foreign, table }: LivePlan, withTable: boolean): void {
  const isSame = changes.length === 0 && foreign.length === 0;
  print(`${name || id}: ${isSame ? 'as declared' : `${changes.length + foreign.length} differences`}\n`);
  for (const { change, what, name: object, detail } of changes) {
    const [style, sign] = SIGNS[change];
    printChange(style, sign, `${what} ${object}${detail ? `: ${detail}` : ''}`);
  }
  for (const part of foreign) printChange('red', '-', `not Pinhole's: ${part}`);
  if (withTable && table !== null) print(`${table.replace(/^/gm, '    ').trimEnd()}\n`);
}

/** A change behind its sign, in lines that fit. */
function printChange(style: Style, sign: string, text: string): void {
  const [head = '', ...more] = wrapped(text, lineWidth(), INDENT);
  print([`  ${paint(style, sign)} ${head.slice(INDENT.length)}`, ...more].map((line) => `${line}\n`).join(''));
}
