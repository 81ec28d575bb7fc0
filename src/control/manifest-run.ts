import type { AppliedStep, ChangedField } from '../contract/applied.ts';
import type { DeclaredFields, HelperChange } from '../contract/helper.ts';
import type { ManifestRouter } from '../contract/manifest.ts';
import { formatPath } from '../contract/mismatch.ts';
import type { RouterId } from '../contract/primitives.ts';
import type { Router, RouterInput } from '../contract/router.ts';
import { PinholeError } from '../model/errors.ts';
import type { Context, Unit } from './context.ts';
import { HelperChanges } from './helper-changes.ts';
import type { Step } from './manifest-steps.ts';
import { RouterChanges } from './router-changes.ts';

/**
 * The order of the steps, whatever that of the file. What is given up comes first: another router may need its namespace, and the
 * project its quota.
 */
const ORDER: readonly Step['step'][] = [
  'delete-router',
  'delete-helper',
  'update-router',
  'update-helper',
  'create-router',
  'create-helper',
];
/** Number of steps after which other work of the process has its turn. */
const TURN = 200;

type Ids = Pick<AppliedStep, 'routerId' | 'helperId'>;

/** Makes the changes of one manifest within a unit of work. Used once. */
export class ManifestRun {
  readonly #unit: Unit;
  readonly #force: boolean;
  readonly #routers: RouterChanges;
  readonly #helpers: HelperChanges;
  /** Routers with a new revision of their own. */
  readonly #revised = new Set<RouterId>();
  /** Routers of which helpers have changed. */
  readonly #changed = new Set<RouterId>();
  /** Routers that were created, by their index in the manifest. */
  readonly #created = new Map<string | number | undefined, RouterId>();
  /** Routers that have given up their namespace, as they were before. */
  readonly #vacated = new Map<RouterId, Router>();

  /** @param options `force`: routers may move to hosts that do not serve them now */
  constructor(context: Context, unit: Unit, { force }: { readonly force: boolean } = { force: false }) {
    this.#unit = unit;
    this.#force = force;
    this.#routers = new RouterChanges(context);
    this.#helpers = new HelperChanges(context);
  }

  /** Makes the changes, and gives each router that changed one new revision. @returns the steps, with the ids of what was created */
  async perform(steps: readonly Step[]): Promise<AppliedStep[]> {
    const made = new Map<Step, Ids>();
    for (const kind of ORDER) {
      const ofKind = steps.filter(({ step }) => step === kind);
      if (kind === 'update-router') await this.#vacate(ofKind);
      for (const step of ofKind) {
        made.set(step, await inManifest(step, () => this.#do(step)));
        if (made.size % TURN === 0) await new Promise((resolve) => setImmediate(resolve));
      }
    }
    for (const id of this.#changed) if (!this.#revised.has(id)) await this.#unit.tx.bumpRevision(id, this.#unit.at);
    return steps.map((step) => ({ ...shownStep(step), ...made.get(step) }));
  }

  /** Two routers may exchange their namespaces: each gives up its own before either gets the other's. */
  async #vacate(updates: readonly Step[]): Promise<void> {
    const { tx } = this.#unit;
    for (const step of updates) {
      const moves = step.step === 'update-router' && step.changes.some((field) => field === 'netns' || field === 'host');
      const router = moves ? await tx.lockRouter(step.id) : null;
      if (!router) continue;
      this.#vacated.set(router.id, router);
      await tx.updateRouter({ ...router, netns: null });
    }
  }

  async #do(step: Step): Promise<Ids> {
    const unit = this.#unit;
    switch (step.step) {
      case 'delete-router':
        await this.#routers.delete(unit, step.id);
        break;
      case 'update-router':
        await this.#routers.update(unit, step.id, { input: routerChangeOf(step), force: this.#force, vacated: this.#vacated.get(step.id) });
        this.#revised.add(step.id);
        break;
      case 'create-router': {
        const router = this.#routers.made(unit.principal, inputOf(step.fields), unit.at);
        await this.#routers.insert(unit, router);
        this.#revised.add(router.id);
        this.#created.set(step.path[1], router.id);
        return { routerId: router.id, helperId: null };
      }
      case 'create-helper': {
        const routerId = step.routerId ?? (this.#created.get(step.path[1]) as RouterId);
        const [helper] = await this.#helpers.create(unit, routerId, [step.helper]);
        this.#changed.add(routerId);
        return { routerId, helperId: helper?.id ?? null };
      }
      case 'update-helper':
        await this.#helpers.update(unit, { routerId: step.routerId, id: step.before.id }, changeOf(step));
        this.#changed.add(step.routerId);
        break;
      case 'delete-helper':
        await this.#helpers.delete(unit, { routerId: step.routerId, id: step.helper.id });
        this.#changed.add(step.routerId);
        break;
    }
    return idsOf(step);
  }
}

/** Runs a step. @throws its error, with the place in the manifest as its field and the step in its message */
async function inManifest<T>(step: Step, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof PinholeError)) throw error;
    const { code, message, details } = error;
    const place = formatPath('', step.path);
    const field = [place, details.field].filter(Boolean).join('.');
    const what = 'helper' in step ? `router ${step.router}, ${named(step.helper)}` : `router ${step.router}`;
    throw new PinholeError(code, `${what}: ${message}`, { details: { ...details, ...(field === '' ? {} : { field }) }, cause: error });
  }
}

function named({ helper, protocol, port }: Pick<DeclaredFields, 'helper' | 'protocol' | 'port'>): string {
  return `${helper} ${protocol}/${port}`;
}

/** The fields of a new router. What the file does not say is not asked of the policy. */
function inputOf({ name, description, netns, host, project, confinement, labels }: ManifestRouter): RouterInput {
  return {
    name,
    ...(confinement === null ? {} : { confinement: confinement || null }),
    ...(netns === null ? {} : { netns }),
    ...(description === null ? {} : { description }),
    ...(host === null ? {} : { host }),
    ...(project === null ? {} : { projectId: project }),
    ...(labels === null ? {} : { labels }),
  };
}

/** The fields of a router that change. The policy is asked about no other. */
function routerChangeOf({ fields, changes }: Extract<Step, { step: 'update-router' }>): RouterInput {
  const { description, host, projectId, name, confinement, labels } = inputOf(fields);
  const { netns } = fields;
  const values: Readonly<Partial<Record<ChangedField, RouterInput>>> = {
    name: { name },
    description: { description },
    netns: { netns },
    host: { host },
    project: { projectId },
    confine: { confinement },
    labels: { labels },
  };
  const input: Partial<RouterInput> = {};
  for (const field of changes) Object.assign(input, values[field]);
  return input;
}

/** Only what changes, because a time that is over cannot be set. */
function changeOf({ helper, changes }: Extract<Step, { step: 'update-helper' }>): HelperChange {
  return {
    ...(changes.includes('port') ? { port: helper.port } : {}),
    ...(changes.includes('scope') ? { scope: helper.scope } : {}),
    ...(changes.includes('expires_at') ? { expiresAt: helper.expiresAt } : {}),
  };
}

/** Returns a step as answers show it, with the ids that are known before it is made. */
export function shownStep(step: Step): AppliedStep {
  const common = { step: step.step, router: step.router, ...idsOf(step), changes: 'changes' in step ? step.changes : [] };
  switch (step.step) {
    case 'create-router':
      return { ...common, netns: step.fields.netns };
    case 'create-helper':
      return { ...common, helper: step.helper };
    case 'update-helper':
      return { ...common, helper: step.helper, before: declaredFields(step.before) };
    case 'delete-helper':
      return { ...common, helper: declaredFields(step.helper) };
    default:
      return common;
  }
}

function idsOf(step: Step): Ids {
  switch (step.step) {
    case 'create-router':
      return { routerId: null, helperId: null };
    case 'update-router':
    case 'delete-router':
      return { routerId: step.id, helperId: null };
    case 'create-helper':
      return { routerId: step.routerId, helperId: null };
    case 'update-helper':
      return { routerId: step.routerId, helperId: step.before.id };
    case 'delete-helper':
      return { routerId: step.routerId, helperId: step.helper.id };
  }
}

function declaredFields({ helper, protocol, port, scope, expiresAt }: DeclaredFields): DeclaredFields {
  return { helper, protocol, port, scope, expiresAt };
}
