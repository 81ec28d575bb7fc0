import { Client, type ClientFlags } from '../../client/client.ts';
import { findRouter, helpersPath, type RouterJson } from '../../client/resources.ts';
import { type ManifestRouter, readManifest, type Step } from '../../manifest/manifest.ts';
import { Progress } from '../../terminal/progress.ts';
import { reportSteps, stepsTo } from './steps.ts';

export interface ApplyFlags extends ClientFlags {
  readonly file: string;
  readonly prune?: boolean;
  readonly dryRun?: boolean;
}

/** Makes the declared state what a file says. */
export async function apply(flags: ApplyFlags): Promise<void> {
  const client = new Client(flags);
  const steps = await stepsTo(client, readManifest(flags.file), flags.prune ?? false);
  if (!flags.dryRun) await execute(client, steps);
  reportSteps(steps, flags, flags.dryRun ? 'would change' : 'changed');
}

async function execute(client: Client, steps: readonly Step[]): Promise<void> {
  const progress = new Progress('applying');
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
