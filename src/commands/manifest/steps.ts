import type { Client, ClientFlags } from '../../client/client.ts';
import { allRouters, helpersOf } from '../../client/resources.ts';
import { HELPER_CREATE } from '../../contract/helper.ts';
import type { Manifest } from '../../contract/manifest.ts';
import { showNetns } from '../../contract/netns.ts';
import { formatScope } from '../../contract/scope.ts';
import { type Declared, planSteps, type Step } from '../../manifest/steps.ts';
import { systemClock } from '../../ports/clock.ts';
import { Progress } from '../../terminal/progress.ts';
import { paint, print, printJson } from '../../terminal/table.ts';

/**
 * The steps that make the declared state equal to a manifest; empty if it is equal.
 * @param prune whether routers and helpers that the manifest does not name are removed
 */
export async function stepsTo(client: Client, manifest: Manifest, prune: boolean): Promise<Step[]> {
  return planSteps(manifest, await declared(client), { prune, now: new Date() });
}

/** Every router that the token may see, with its helpers. */
export async function declared(client: Client): Promise<Declared[]> {
  const routers = (await allRouters(client)).map(({ value }) => value);
  const progress = new Progress('reading', systemClock);
  const found: Declared[] = [];
  for (const router of routers) {
    found.push({ router, helpers: (await helpersOf(client, router.id)).map(({ value }) => value) });
    progress.update(found.length, routers.length);
  }
  progress.end();
  return found;
}

/** Prints steps and their number ("2 things changed", with the `verb` given); with `--json`, `{"steps": […]}`. */
export function reportSteps(steps: readonly Step[], flags: ClientFlags, verb: string): void {
  if (flags.json) {
    printJson({
      steps: steps.map(({ step, router, ...rest }) => ({
        step,
        router,
        ...('helper' in rest ? { helper: HELPER_CREATE.write(rest.helper) } : {}),
      })),
    });
    return;
  }
  for (const step of steps) print(`${describe(step)}\n`);
  print(steps.length === 0 ? 'nothing to change\n' : `${steps.length} ${steps.length === 1 ? 'thing' : 'things'} ${verb}\n`);
}

function describe(step: Step): string {
  const plus = paint('green', '+');
  const minus = paint('red', '-');
  switch (step.step) {
    case 'create-router':
      return `${plus} router ${step.router} (netns ${showNetns(step.fields.netns)})`;
    case 'update-router':
      return `${paint('yellow', '~')} router ${step.router}: ${step.changes.join(', ')}`;
    case 'delete-router':
      return `${minus} router ${step.router}`;
    default: {
      const { helper, protocol, port, scope } = step.helper;
      const sign = { 'create-helper': plus, 'update-helper': paint('yellow', '~'), 'delete-helper': minus }[step.step];
      return `${sign} ${step.router}: ${[helper, `${protocol}/${port}`, formatScope(scope)].filter(Boolean).join(' ')}`;
    }
  }
}
