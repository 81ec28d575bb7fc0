import type { HelperInput } from '../../contract/helper.ts';
import { formatPath, Mismatch } from '../../contract/mismatch.ts';
import { NETNS } from '../../contract/netns.ts';
import { DESCRIPTION, HELPER_NAME, HOST_NAME, NAME, PORT, PROJECT_ID } from '../../contract/primitives.ts';
import { ROUTER_INPUT, type RouterInput } from '../../contract/router.ts';
import type { Principal } from '../../control/principal.ts';
import { InvalidInput, PinholeError } from '../../model/errors.ts';
import { pyInt, pyStr } from './python.ts';

/**
 * Reads request bodies as Neutron does, with its order of checks and its messages (`neutron/api/v2/base.py` prepare_request_body,
 * `neutron_lib/api/attributes.py`, `converters.py`, `validators`).
 */
const PROTOCOLS = ['dccp', 'icmp', 'ipv6-icmp', 'sctp', 'tcp', 'udp'];
const MAX_BULK = 1_000;

type Body = Readonly<Record<string, unknown>>;

/** The `field` of a 400 whose NeutronError type is InvalidInput instead of the usual HTTPBadRequest. */
export const INVALID_INPUT = '#InvalidInput';
/** The `field` of a 400 whose NeutronError type is BadRequest. */
export const BAD_REQUEST = '#BadRequest';

/**
 * Returns the resources of a body: one under its name, or several under its plural if bulk requests are allowed (at most 1,000).
 * @throws PinholeError `invalid-input` with Neutron's message; `too-large`
 */
export function resources(body: unknown, name: string, allowBulk: boolean): { items: Body[]; bulk: boolean } {
  if (isEmpty(body)) throw bad('Resource body required');
  if (!isObject(body)) throw bad('Body contains invalid data');
  const plural = `${name}s`;
  if (!(plural in body)) return { items: [asResource(body[name], name)], bulk: false };
  const list = body[plural];
  if (!allowBulk) throw bad('Bulk operation not supported');
  if (isEmpty(list)) throw bad('Resources required');
  if (!Array.isArray(list)) throw bad(typeof list === 'number' ? 'Body contains invalid data' : `Object '${name}' contains invalid data`);
  if (list.length > MAX_BULK) throw new PinholeError('too-large', `At most ${MAX_BULK} ${plural} in one request.`);
  return { items: list.map((item) => asResource(isObject(item) && name in item ? item[name] : item, name)), bulk: true };
}

function asResource(value: unknown, name: string): Body {
  if (value === null || value === undefined) throw bad(`Unable to find '${name}' in request body`);
  if (!isObject(value)) throw bad(`Object '${name}' contains invalid data`);
  return value;
}

const HELPER_ATTRIBUTES = ['protocol', 'port', 'helper'] as const;
const PROJECT_ATTRIBUTES = ['project_id', 'tenant_id'];

/** Returns the helper that a POST body describes. @throws PinholeError `invalid-input` with Neutron's message */
export function helperForCreate(body: Body, principal: Principal): HelperInput {
  const projectId = projectOf(body);
  checkPrivileges(principal, projectId);
  refuseUnknown(body, ['id', ...HELPER_ATTRIBUTES, ...PROJECT_ATTRIBUTES]);
  if ('id' in body) throw bad("Attribute 'id' not allowed in POST");
  for (const name of HELPER_ATTRIBUTES) {
    if (!(name in body)) throw bad(`Failed to parse request. Required attribute '${name}' not specified`);
  }
  if (projectId !== undefined) text(projectId, 'project_id', PROJECT_ID.max);
  return { protocol: protocol(body['protocol']), port: port(body['port']), helper: helperName(body['helper']) };
}

/** Returns the attributes that a PUT body changes. @throws PinholeError `invalid-input` with Neutron's message */
export function helperForUpdate(body: Body, principal: Principal): Partial<HelperInput> {
  checkPrivileges(principal, projectOf(body));
  refuseUnknown(body, ['id', ...HELPER_ATTRIBUTES, ...PROJECT_ATTRIBUTES]);
  if ('id' in body) throw readOnly('id');
  if (PROJECT_ATTRIBUTES.some((name) => name in body)) throw readOnly('project_id');
  return {
    ...('protocol' in body ? { protocol: protocol(body['protocol']) } : {}),
    ...('port' in body ? { port: port(body['port']) } : {}),
    ...('helper' in body ? { helper: helperName(body['helper']) } : {}),
  };
}

/** Attributes that answers contain and requests cannot set. */
const ROUTER_READ_ONLY = ['id', 'status', 'conntrack_helpers', 'revision_number', 'created_at', 'updated_at', 'tags', 'availability_zones'];
const ROUTER_WRITABLE = ['name', 'description', 'host', 'netns'];
/**
 * Attributes of Neutron's routers that Pinhole does not have. A request may name the value that answers show; any other value is
 * refused, because ignoring it would mislead the client.
 */
const ROUTER_FIXED: Readonly<Record<string, (value: unknown) => boolean>> = {
  admin_state_up: (value) => toBoolean(value) === true,
  distributed: (value) => toBoolean(value) === false,
  ha: (value) => toBoolean(value) === false,
  external_gateway_info: (value) => value === null || (isObject(value) && Object.keys(value).length === 0),
  availability_zone_hints: (value) => Array.isArray(value) && value.length === 0,
  routes: (value) => value === null || (Array.isArray(value) && value.length === 0),
  flavor_id: (value) => value === null,
};

/**
 * Returns the router attributes that a body sets; an attribute that it does not name is undefined.
 * @throws PinholeError `invalid-input` with Neutron's message, or with Pinhole's where Neutron would accept the value
 */
export function routerInput(body: Body, operation: 'create' | 'update', principal: Principal): RouterInput {
  const projectId = projectOf(body);
  checkPrivileges(principal, projectId);
  refuseUnknown(body, [...ROUTER_READ_ONLY, ...ROUTER_WRITABLE, ...Object.keys(ROUTER_FIXED), ...PROJECT_ATTRIBUTES]);
  for (const name of ROUTER_READ_ONLY) {
    if (name in body) throw operation === 'create' ? bad(`Attribute '${name}' not allowed in POST`) : readOnly(name);
  }
  if (operation === 'update' && projectId !== undefined) throw readOnly('tenant_id');
  const name = 'name' in body ? text(body['name'], 'name', NAME.max) : undefined;
  for (const [attribute, isFixed] of Object.entries(ROUTER_FIXED)) {
    if (attribute in body && !isFixed(body[attribute]))
      throw invalidInput(`Pinhole's routers have no ${attribute} other than what they show`);
  }
  return conforming({
    name,
    description: 'description' in body ? text(body['description'], 'description', DESCRIPTION.max) : undefined,
    projectId: projectId === undefined ? undefined : text(projectId, 'project_id', PROJECT_ID.max),
    host: nullableText(body, 'host', HOST_NAME.max),
    netns: nullableText(body, 'netns', NETNS.max),
  });
}

/**
 * Refuses what Neutron accepts and the contract does not: names that are longer in bytes than in characters, or contain control
 * characters.
 */
function conforming(input: RouterInput): RouterInput {
  try {
    return ROUTER_INPUT.read(ROUTER_INPUT.write(input));
  } catch (error) {
    if (error instanceof Mismatch) throw invalid(formatPath('', error.path), `expected ${error.expected}`);
    throw error;
  }
}

function projectOf(body: Body): unknown {
  const { project_id, tenant_id } = body;
  if (project_id !== undefined && tenant_id !== undefined && project_id !== tenant_id)
    throw bad("'project_id' and 'tenant_id' do not match");
  return project_id ?? tenant_id;
}

/** Only an admin may name another project than the token's own. */
function checkPrivileges({ roles, projectId: own }: Principal, projectId: unknown): void {
  if (projectId === undefined || projectId === own || roles.includes('admin')) return;
  throw bad("Specifying 'project_id' or 'tenant_id' other than the authenticated project in request requires admin privileges");
}

function refuseUnknown(body: Body, known: readonly string[]): void {
  const unknown = Object.keys(body).filter((name) => !known.includes(name));
  if (unknown.length > 0) throw bad(`Unrecognized attribute(s) '${unknown.map((name) => name.slice(0, 64)).join(', ')}'`);
}

/** As a body's protocol, or a filter's: names in any case and numbers pass the conversion, exact names the validation. */
export function convertProtocol(value: unknown): unknown {
  if (value === null) return null;
  if (typeof value !== 'string') throw invalidInput(`Input value ${cut(pyStr(value))} must be string type`);
  if (PROTOCOLS.includes(value.toLowerCase())) return value;
  const number = pyInt(value);
  if (number !== null && number >= 0 && number <= 255) return value;
  throw invalidInput(
    `IP protocol '${cut(value)}' is not supported. Only protocol names and their integer representation (0 to 255) are supported`,
  );
}

function protocol(value: unknown): string {
  const converted = convertProtocol(value);
  if (!PROTOCOLS.includes(converted as string)) throw invalid('protocol', `${pyStr(converted)} is not in valid_values`);
  return converted as string;
}

/** `convert_to_int` of neutron_lib. @throws InvalidInput with Neutron's message */
export function convertPort(value: unknown): number {
  const number = pyInt(value);
  if (number === null) throw invalidInput(`'${cut(pyStr(value))}' is not an integer`);
  return number;
}

function port(value: unknown): number {
  const number = convertPort(value);
  if (number < PORT.min) throw invalid('port', `'${number}' is too small - must be at least '${PORT.min}'`);
  if (number > PORT.max) throw invalid('port', `'${number}' is too large - must be no larger than '${PORT.max}'`);
  return number;
}

function helperName(value: unknown): string {
  return text(value === null ? null : pyStr(value), 'helper', HELPER_NAME.max);
}

function text(value: unknown, name: string, max: number): string {
  if (typeof value !== 'string') throw invalid(name, `'${cut(pyStr(value))}' is not a valid string`);
  if (value.length > max) throw invalid(name, `'${value.slice(0, 1000)}' exceeds maximum length of ${max}`);
  return value;
}

function nullableText(body: Body, name: string, max: number): string | null | undefined {
  const value = body[name];
  return value === undefined || value === null ? value : text(value, name, max);
}

/** `oslo_utils.strutils.bool_from_string(value, strict=True)`. */
function toBoolean(value: unknown): boolean {
  const word = pyStr(value).trim().toLowerCase();
  if (['1', 't', 'true', 'on', 'y', 'yes'].includes(word)) return true;
  if (['0', 'f', 'false', 'off', 'n', 'no'].includes(word)) return false;
  throw invalidInput(`'${cut(pyStr(value))}' cannot be converted to boolean`);
}

function isObject(value: unknown): value is Body {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether Python takes the value for false. */
function isEmpty(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  return isObject(value) ? Object.keys(value).length === 0 : !value;
}

function cut(shown: string): string {
  return shown.slice(0, 1000);
}

function invalid(field: string, reason: string): InvalidInput {
  return new InvalidInput(field, `Invalid input for ${field}. Reason: ${reason}.`);
}

function invalidInput(reason: string): InvalidInput {
  return new InvalidInput(INVALID_INPUT, `Invalid input for operation: ${reason}.`);
}

function readOnly(name: string): PinholeError {
  return bad(`Cannot update read-only attribute ${name}`);
}

function bad(message: string): PinholeError {
  return new PinholeError('invalid-input', message);
}
