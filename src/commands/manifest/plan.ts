import { Client, type ClientFlags } from '../../client/client.ts';
import { findRouter, type RouterJson } from '../../client/resources.ts';
import type { LivePlan } from '../../contract/plan.ts';
import { paint, print, printJson } from '../../terminal/table.ts';

const SIGNS = { add: ['green', '+'], remove: ['red', '-'], replace: ['yellow', '~'] } as const;

/** What syncs would change in the live kernels, router by router. */
export async function plan(router: string | undefined, flags: ClientFlags & { table?: boolean }): Promise<void> {
  const client = new Client(flags);
  const routers =
    router === undefined
      ? (await client.get<{ routers: RouterJson[] }>('/v1/routers')).routers.filter(({ host, netns }) => host !== null && netns !== null)
      : [await findRouter(client, router)];
  const plans: { router: RouterJson; plan: LivePlan }[] = [];
  for (const one of routers) plans.push({ router: one, plan: await client.get<LivePlan>(`/v1/routers/${one.id}/plan`) });
  if (flags.json) {
    printJson(plans.map(({ router: { id, name }, plan }) => ({ router: id, name, ...plan })));
    return;
  }
  for (const { router, plan } of plans) show(router, plan, flags.table === true);
}

function show({ id, name }: RouterJson, { changes, foreign, table }: LivePlan, withTable: boolean): void {
  const isSame = changes.length === 0 && foreign.length === 0;
  print(`${name || id}: ${isSame ? 'as declared' : `${changes.length + foreign.length} differences`}\n`);
  for (const { change, what, name: object, detail } of changes) {
    const [style, sign] = SIGNS[change];
    print(`  ${paint(style, sign)} ${what} ${object}${detail ? `: ${detail}` : ''}\n`);
  }
  for (const part of foreign) print(`  ${paint('red', '-')} not Pinhole's: ${part}\n`);
  if (withTable && table !== null) print(`${table.replace(/^/gm, '    ').trimEnd()}\n`);
}
