import { stringify } from 'yaml';
import { Client, type ClientFlags } from '../client/client.ts';
import { allRouters, declaredHelpers, helpersPath, type RouterJson } from '../client/resources.ts';
import { HELPER_CREATE, HELPER_UPDATE } from '../contract/helper.ts';
import type { Manifest, ManifestRouter } from '../contract/manifest.ts';
import { showNetns } from '../contract/netns.ts';
import { ROUTER_INPUT } from '../contract/router.ts';
import { formatScope } from '../contract/scope.ts';
import { toManifest } from '../manifest/export.ts';
import { readManifest } from '../manifest/read-file.ts';
import { type Declared, planSteps, type Step } from '../manifest/steps.ts';
import { systemClock } from '../ports/clock.ts';
import { Progress } from '../terminal/progress.ts';
import { paint, print, printJson } from '../terminal/table.ts';

export interface ApplyFlags extends ClientFlags {
  readonly file: string;
  readonly prune?: boolean;
  readonly dryRun?: boolean;
}

export async function apply(flags: ApplyFlags): Promise<void> {
  const client = new Client(flags);
  const steps = await plan(client, readManifest(flags.file), flags.prune ?? false);
  if (!flags.dryRun) await execute(client, steps);
  report(steps, flags, flags.dryRun ? 'would change' : 'changed');
}

export async function diff(flags: ApplyFlags): Promise<void> {
  report(await plan(new Client(flags), readManifest(flags.file), flags.prune ?? false), flags, 'differs');
}

export async function exportAll(flags: ClientFlags): Promise<void> {
  const manifest = toManifest(await declared(new Client(flags)));
  if (flags.json) printJson(manifest);
  else print(stringify(manifest));
}

async function plan(client: Client, manifest: Manifest, prune: boolean): Promise<Step[]> {
  return planSteps(manifest, await declared(client), { prune, now: new Date() });
}

async function declared(client: Client): Promise<Declared[]> {
  const routers = await allRouters(client);
  const progress = new Progress('reading', systemClock);
  const found: Declared[] = [];
  for (const router of routers) {
    found.push({ router, helpers: await declaredHelpers(client, router.id) });
    progress.update(found.length, routers.length);
  }
  progress.end();
  return found;
}

async function execute(client: Client, steps: readonly Step[]): Promise<void> {
  const progress = new Progress('applying', systemClock);
  const ids = new Map<string, string>();
  const idOf = (routerId: string | null, name: string) => routerId ?? ids.get(name) ?? '';
  for (const [index, step] of steps.entries()) {
    progress.update(index, steps.length);
    switch (step.step) {
      case 'create-router': {
        const made = await client.call<RouterJson>('POST', '/v1/routers', routerBody(step.fields));
        ids.set(step.router, made.id);
        break;
      }
      case 'update-router':
        await client.call('PUT', `/v1/routers/${step.id}`, routerBody(step.fields));
        break;
      case 'delete-router':
        await client.call('DELETE', `/v1/routers/${step.id}`);
        break;
      case 'create-helper':
        await client.call('POST', helpersPath(idOf(step.routerId, step.router)), HELPER_CREATE.write(step.helper));
        break;
      case 'update-helper':
        await client.call('PUT', helpersPath(step.routerId, step.id), HELPER_UPDATE.write({ expiresAt: step.helper.expiresAt }));
        break;
      case 'delete-helper':
        await client.call('DELETE', helpersPath(step.routerId, step.id));
        break;
    }
  }
  progress.end();
}

function routerBody({ name, description, netns, host, project, confinement }: ManifestRouter): object {
  return ROUTER_INPUT.write({
    name,
    netns,
    confinement,
    ...(description === null ? {} : { description }),
    ...(host === null ? {} : { host }),
    ...(project === null ? {} : { projectId: project }),
  });
}

function report(steps: readonly Step[], flags: ClientFlags, verb: string): void {
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
