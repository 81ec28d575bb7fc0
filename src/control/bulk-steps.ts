import type { ChangedField } from '../contract/applied.ts';
import type { Bulk, Which } from '../contract/bulk.ts';
import type { DeclaredFields, HelperInput } from '../contract/helper.ts';
import type { Declared, DeclaredHelper } from '../contract/manifest.ts';
import { InvalidInput } from '../model/errors.ts';
import { calledBy, EXACT, helperChanges, type Step } from './manifest-steps.ts';

/**
 * Returns the steps that make one change to the helpers of each of these routers.
 * @throws InvalidInput for a change of one helper in a router of which several match
 */
export function bulkSteps(change: Bulk, declared: readonly Declared[]): Step[] {
  return declared.flatMap(({ router, helpers }) => {
    const place = { path: [], router: calledBy(router), routerId: router.id };
    if (change.action === 'add') return addSteps(place, helpers, change.helper);
    const found = matching(helpers, change.which);
    if (change.action === 'remove') return found.map((helper): Step => ({ ...place, step: 'delete-helper', helper }));
    const [before, ...more] = found;
    if (more.length > 0)
      throw new InvalidInput('which', `Router ${place.router} has ${more.length + 1} such helpers. Say which by protocol and port.`);
    return before ? updateSteps(place, before, changed(before, change.change)) : [];
  });
}

function addSteps(place: Place, helpers: readonly DeclaredHelper[], input: HelperInput): Step[] {
  const { scope = null, expiresAt = null, ...named } = input;
  const helper = { ...named, scope, expiresAt };
  const before = helpers.find((one) => EXACT(one) === EXACT(helper));
  return before ? updateSteps(place, before, helper) : [{ ...place, step: 'create-helper', helper }];
}

type Place = Pick<Extract<Step, { step: 'update-helper' }>, 'path' | 'router' | 'routerId'>;

function updateSteps(place: Place, before: DeclaredHelper, helper: DeclaredFields): Step[] {
  const changes: ChangedField[] = helperChanges(helper, before);
  return changes.length > 0 ? [{ ...place, step: 'update-helper', before, helper, changes }] : [];
}

function matching(helpers: readonly DeclaredHelper[], { helper, protocol, port }: Which): DeclaredHelper[] {
  return helpers.filter(
    (one) => one.helper === helper && (protocol === null || one.protocol === protocol) && (port === null || one.port === port),
  );
}

function changed(before: DeclaredHelper, change: Extract<Bulk, { action: 'set' }>['change']): DeclaredFields {
  const { helper, protocol } = before;
  const { port = before.port, scope = before.scope, expiresAt = before.expiresAt } = change;
  return { helper, protocol, port, scope, expiresAt };
}
