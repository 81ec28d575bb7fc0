import { Client, type ClientFlags } from '../../client/client.ts';
import { helpersPath } from '../../client/resources.ts';
import { HELPER_CREATE, HELPER_UPDATE } from '../../contract/helper.ts';
import type { ManifestRouter } from '../../contract/manifest.ts';
import { ROUTER, ROUTER_INPUT } from '../../contract/router.ts';
import { readManifest } from '../../manifest/read-file.ts';
import type { Step } from '../../manifest/steps.ts';
import { systemClock } from '../../ports/clock.ts';
import { Progress } from '../../terminal/progress.ts';
import { reportSteps, stepsTo } from './steps.ts';

/** The flags of `apply`. */
export interface ApplyFlags extends ClientFlags {
  readonly file: string;
  readonly prune?: boolean;
  readonly dryRun?: boolean;
}

/** Makes the declared state equal to a manifest, request by request, and prints the steps. The first failure ends it. */
export async function apply(flags: ApplyFlags): Promise<void> {
  const client = new Client(flags);
  const steps = await stepsTo(client, readManifest(flags.file), flags.prune ?? false);
  if (!flags.dryRun) await execute(client, steps);
  reportSteps(steps, flags, flags.dryRun ? 'would change' : 'changed');
}

async function execute(client: Client, steps: readonly Step[]): Promise<void> {
  const progress = new Progress('applying', systemClock);
  const ids = new Map<string, string>();
  const idOf = (routerId: string | null, name: string) => routerId ?? ids.get(name) ?? '';
  for (const [index, step] of steps.entries()) {
    progress.update(index, steps.length);
    switch (step.step) {
      case 'create-router': {
        const made = await client.read(ROUTER, 'POST', '/v1/routers', routerBody(step.fields));
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
