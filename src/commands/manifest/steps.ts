import type { Client, ClientFlags } from '../../client/client.ts';
import {
  APPLIED,
  APPLIED_STEP,
  type Applied,
  type AppliedStep,
  type ChangedField,
  MANIFEST_PLAN,
  type ManifestPlan,
} from '../../contract/applied.ts';
import type { DeclaredFields } from '../../contract/helper.ts';
import { showNetns } from '../../contract/netns.ts';
import { formatScope } from '../../contract/scope.ts';
import type { Shape } from '../../contract/shape.ts';
import { compact } from '../../manifest/export.ts';
import { readManifest } from '../../manifest/read-file.ts';
import { errorFromData, type PinholeError } from '../../model/errors.ts';
import { paint, print, printJson, warn } from '../../terminal/table.ts';

/** The flags of every command that reads a manifest. */
export interface ManifestFlags extends ClientFlags {
  readonly file: string;
  /** Whether routers and helpers that the file does not name are removed. */
  readonly prune?: boolean;
  /** Whether routers may move to hosts that do not serve them now. */
  readonly force?: boolean;
}

/** Makes the declared state equal to a file. @throws InvalidInput for the file; PinholeError of the server with the file's line */
export function applyFile(client: Client, flags: ManifestFlags): Promise<Applied> {
  return send(client, 'apply', APPLIED, flags).then(({ value }) => value);
}

/** What {@link applyFile} would do. `refusal`: the error with which the server would refuse the file. @throws as {@link applyFile} */
export async function planFile(client: Client, flags: ManifestFlags): Promise<Pick<Applied, 'steps'> & { refusal: PinholeError | null }> {
  const { value, located } = await send<ManifestPlan>(client, 'plan', MANIFEST_PLAN, flags);
  const { refusal, steps } = value;
  if (refusal === null) return { steps, refusal };
  const { code, message, field } = refusal;
  const error = errorFromData({ code: code as PinholeError['code'], message, details: field === null ? {} : { field } });
  return { steps, refusal: located(error) as PinholeError };
}

async function send<T>(client: Client, route: 'apply' | 'plan', shape: Shape<T>, { file, prune = false, force = false }: ManifestFlags) {
  const { manifest, located } = readManifest(file);
  try {
    return { value: await client.read(shape, 'POST', `/v1/${route}?prune=${prune}&force=${force}`, compact(manifest)), located };
  } catch (error) {
    throw located(error);
  }
}

/** Prints what a server did, as {@link reportSteps}, and what it foresees of the helpers (on standard error; with `--json`, `warnings`). */
export function reportApplied({ steps, warnings }: Applied, flags: ClientFlags): void {
  for (const { helperId, code, message } of warnings) {
    const { router, helper } = steps.find((step) => step.helperId === helperId) ?? {};
    const name = helper ? `router ${router}, ${helper.helper} ${helper.protocol}/${helper.port}` : helperId;
    warn(`${name}: ${code}: ${message}`);
  }
  if (flags.json) printJson(APPLIED.write({ steps, warnings }));
  else reportSteps(steps, flags, 'changed');
}

/** Prints steps and their number ("2 things changed", with the `verb` given); with `--json`, `{"steps": […]}`. */
export function reportSteps(steps: readonly AppliedStep[], flags: ClientFlags, verb: string): void {
  if (flags.json) {
    printJson({ steps: steps.map((step) => APPLIED_STEP.write(step)) });
    return;
  }
  for (const step of steps) print(`${describe(step)}\n`);
  print(steps.length === 0 ? 'nothing to change\n' : `${steps.length} ${steps.length === 1 ? 'thing' : 'things'} ${verb}\n`);
}

function describe({ step, router, netns, helper, before, changes }: AppliedStep): string {
  const sign = { create: paint('green', '+'), update: paint('yellow', '~'), delete: paint('red', '-') }[step.split('-')[0] as 'create'];
  if (helper) {
    const detail = before ? ` (${changes.map((field) => changeText(field, before, helper)).join(', ')})` : scopeSuffix(helper);
    return `${sign} ${router}: ${helperText(before ?? helper)}${detail}`;
  }
  const detail =
    step === 'create-router' ? ` (netns ${showNetns(netns ?? null)})` : step === 'update-router' ? `: ${changes.join(', ')}` : '';
  return `${sign} router ${router}${detail}`;
}

function helperText({ helper, protocol, port }: DeclaredFields): string {
  return `${helper} ${protocol}/${port}`;
}

function scopeSuffix({ scope }: DeclaredFields): string {
  return scope ? ` ${formatScope(scope)}` : '';
}

/** A changed field with its values, like `scope: all traffic → from 10.0.0.0/8`. */
function changeText(field: ChangedField, before: DeclaredFields, after: DeclaredFields): string {
  const value = ({ port, scope, expiresAt }: DeclaredFields) => {
    if (field === 'port') return String(port);
    return field === 'scope' ? formatScope(scope) || 'all traffic' : (expiresAt ?? 'never');
  };
  return `${field}: ${value(before)} → ${value(after)}`;
}
