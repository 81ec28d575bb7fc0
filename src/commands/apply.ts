import { stringify } from 'yaml';
import { Client, type ClientFlags } from '../client/client.ts';
import { findRouter, helpersOf, helpersPath, type RouterJson, showScope } from '../client/resources.ts';
import { type Declared, type Manifest, type ManifestRouter, planSteps, readManifest, type Step, toManifest } from '../manifest/manifest.ts';
import { PinholeError } from '../model/errors.ts';
import { showNetns } from '../model/netns.ts';
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
  return planSteps(manifest, await declared(client), prune);
}

async function declared(client: Client): Promise<Declared[]> {
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
  const progress = new Progress('reading', systemClock);
  const found: Declared[] = [];
  for (const router of routers) {
    found.push({ router, helpers: await helpersOf(client, router.id) });
    progress.update(found.length, routers.length);
  }
  progress.end();
  return found;
}

async function execute(client: Client, steps: readonly Step[]): Promise<void> {
  const progress = new Progress('applying', systemClock);
  const ids = new Map<string, string>();
  const idOf = async (name: string) => ids.get(name) ?? (await findRouter(client, name)).id;
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
        await client.call('POST', helpersPath(await idOf(step.router)), step.helper);
        break;
      case 'delete-helper':
        await client.call('DELETE', helpersPath(await idOf(step.router), step.id));
        break;
    }
  }
  progress.end();
}

function routerBody({ name, netns, host, project, confine }: ManifestRouter): object {
  return { name, netns, confine, ...(host === null ? {} : { host }), ...(project === null ? {} : { project_id: project }) };
}

function report(steps: readonly Step[], flags: ClientFlags, verb: string): void {
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
