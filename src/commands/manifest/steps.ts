import type { Client, ClientFlags } from '../../client/client.ts';
import { helpersOf, type RouterJson, showScope } from '../../client/resources.ts';
import { type Declared, type Manifest, planSteps, type Step } from '../../manifest/manifest.ts';
import { PinholeError } from '../../model/errors.ts';
import { showNetns } from '../../model/netns.ts';
import { Progress } from '../../terminal/progress.ts';
import { paint, print, printJson } from '../../terminal/table.ts';

/** What has to change so that the declared state is what a file says. `prune`: also what the file does not name. */
export async function stepsTo(client: Client, manifest: Manifest, prune: boolean): Promise<Step[]> {
  return planSteps(manifest, await declared(client), prune);
}

/** All that is declared now. @throws PinholeError `invalid-input` if routers share a name: a file cannot tell them apart */
export async function declared(client: Client): Promise<Declared[]> {
  const { routers } = await client.get<{ routers: RouterJson[] }>('/v1/routers');
  const names = new Set<string>();
  for (const { name } of routers) {
    if (names.has(name))
      throw new PinholeError(
        'invalid-input',
        `several routers are named '${name}': a file cannot tell them apart. Rename them with 'pinhole router set'.`,
      );
    names.add(name);
  }
  const progress = new Progress('reading');
  const found: Declared[] = [];
  for (const router of routers) {
    found.push({ router, helpers: await helpersOf(client, router.id) });
    progress.update(found.length, routers.length);
  }
  progress.end();
  return found;
}

/** Prints steps, and how many there are: "2 things changed". */
export function reportSteps(steps: readonly Step[], flags: ClientFlags, verb: string): void {
  if (flags.json) {
    printJson({
      steps: steps.map(({ step, router, ...rest }) => ({ step, router, ...('helper' in rest ? { helper: rest.helper } : {}) })),
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
      return `${step.step === 'create-helper' ? plus : minus} ${step.router}: ${[helper, `${protocol}/${port}`, showScope(scope)].filter(Boolean).join(' ')}`;
    }
  }
}
