import type { HelperInput } from '../../control/helpers.ts';
import type { RouterInput } from '../../control/routers.ts';
import { InvalidInput, PinholeError } from '../../model/errors.ts';

/**
 * Request bodies as Neutron takes them (neutron_lib.api.attributes, .validators): its order of checks and its words.
 */
const PROTOCOLS = ['dccp', 'icmp', 'ipv6-icmp', 'sctp', 'tcp', 'udp'];
const MAX_HELPER_NAME = 64;
const MAX_NAME = 255;

type Body = Readonly<Record<string, unknown>>;

/** The resource(s) of a body: one under its name, or several under its plural. @throws InvalidInput */
export function resources(body: unknown, name: string): { items: Body[]; bulk: boolean } {
  if (!isObject(body) || Object.keys(body).length === 0) throw bad('Resource body required');
  const list = body[`${name}s`];
  if (Array.isArray(list)) {
    if (list.length === 0) throw bad('Resource body required');
    return { items: list.map((item) => asResource(isObject(item) && isObject(item[name]) ? item[name] : item, name)), bulk: true };
  }
  return { items: [asResource(body[name], name)], bulk: false };
}

function asResource(value: unknown, name: string): Body {
  if (!isObject(value)) throw bad(`Unable to find '${name}' in request body`);
  return value;
}

const HELPER_ATTRIBUTES = ['protocol', 'port', 'helper'] as const;
const PROJECT_ATTRIBUTES = ['project_id', 'tenant_id'];

export function helperForCreate(body: Body): HelperInput & { projectId: string | undefined } {
  if ('id' in body) throw bad("Attribute 'id' not allowed in POST");
  for (const name of HELPER_ATTRIBUTES) {
    if (body[name] === undefined) throw bad(`Failed to parse request. Required attribute '${name}' not specified`);
  }
  refuseUnknown(body, [...HELPER_ATTRIBUTES, ...PROJECT_ATTRIBUTES]);
  const projectId = projectOf(body);
  return {
    protocol: protocol(body['protocol']),
    port: port(body['port']),
    helper: text(body['helper'], 'helper', MAX_HELPER_NAME),
    projectId,
  };
}

export function helperForUpdate(body: Body): Partial<HelperInput> {
  for (const name of ['id', ...PROJECT_ATTRIBUTES]) if (name in body) throw bad(`Cannot update read-only attribute ${name}`);
  refuseUnknown(body, HELPER_ATTRIBUTES);
  return {
    ...(body['protocol'] === undefined ? {} : { protocol: protocol(body['protocol']) }),
    ...(body['port'] === undefined ? {} : { port: port(body['port']) }),
    ...(body['helper'] === undefined ? {} : { helper: text(body['helper'], 'helper', MAX_HELPER_NAME) }),
  };
}

const ROUTER_ATTRIBUTES = ['name', 'host', 'netns'];
/** Attributes of a Neutron router that clients send and that mean nothing here. */
const ROUTER_TOLERATED = ['admin_state_up', 'description', 'external_gateway_info', 'distributed', 'ha'];

export function routerInput(body: Body, operation: 'create' | 'update'): RouterInput {
  if ('id' in body) throw bad(operation === 'create' ? "Attribute 'id' not allowed in POST" : 'Cannot update read-only attribute id');
  refuseUnknown(body, [...ROUTER_ATTRIBUTES, ...ROUTER_TOLERATED, ...PROJECT_ATTRIBUTES]);
  return {
    name: body['name'] === undefined ? undefined : text(body['name'], 'name', MAX_NAME),
    projectId: projectOf(body),
    host: nullableText(body['host'], 'host'),
    netns: nullableText(body['netns'], 'netns'),
  };
}

function projectOf(body: Body): string | undefined {
  const value = body['project_id'] ?? body['tenant_id'];
  return value === undefined ? undefined : text(value, 'project_id', MAX_NAME);
}

function refuseUnknown(body: Body, known: readonly string[]): void {
  const unknown = Object.keys(body).filter((name) => !known.includes(name));
  if (unknown.length > 0) throw bad(`Unrecognized attribute(s) '${unknown.map((name) => name.slice(0, 64)).join(', ')}'`);
}

function protocol(value: unknown): string {
  if (typeof value !== 'string' || !PROTOCOLS.includes(value)) throw invalid('protocol', `${show(value)} is not in valid_values.`);
  return value;
}

function port(value: unknown): number {
  const number = typeof value === 'string' && /^\s*[+-]?\d{1,18}\s*$/.test(value) ? Number(value) : value;
  if (!Number.isInteger(number)) {
    throw new InvalidInput('#integer', `Invalid input for operation: '${show(value)}' is not an integer.`);
  }
  if ((number as number) < 1) throw invalid('port', `'${number}' is too small - must be at least '1'.`);
  if ((number as number) > 65535) throw invalid('port', `'${number}' is too large - must be no larger than '65535'.`);
  return number as number;
}

function text(value: unknown, name: string, max: number): string {
  if (typeof value !== 'string') throw invalid(name, `'${show(value)}' is not a valid string.`);
  if (value.length > max) throw invalid(name, `'${value.slice(0, 64)}…' exceeds maximum length of ${max}.`);
  return value;
}

function nullableText(value: unknown, name: string): string | null | undefined {
  return value === undefined || value === null ? value : text(value, name, MAX_NAME);
}

function isObject(value: unknown): value is Body {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function show(value: unknown): string {
  return (typeof value === 'string' ? value : (JSON.stringify(value) ?? 'None')).slice(0, 64);
}

function invalid(field: string, reason: string): InvalidInput {
  return new InvalidInput(field, `Invalid input for ${field}. Reason: ${reason}`);
}

function bad(message: string): PinholeError {
  return new PinholeError('invalid-input', message);
}
