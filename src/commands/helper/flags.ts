import type { ClientFlags } from '../../client/client.ts';
import { Mismatch } from '../../contract/mismatch.ts';
import { PORT } from '../../contract/primitives.ts';
import { TTL } from '../../contract/ttl.ts';
import { CATALOGUE, findHelper } from '../../model/catalogue.ts';
import { InvalidInput, PinholeError } from '../../model/errors.ts';
import { didYouMean } from '../../model/nearest.ts';

/** The flags of `helper add` and `helper set`. */
export interface HelperFlags extends ClientFlags {
  readonly protocol?: string;
  readonly port?: string;
  readonly source?: string;
  readonly destination?: string;
  readonly inInterface?: string;
  /** False: no end. */
  readonly ttl?: string | boolean;
  /** False: no scope. */
  readonly scope?: boolean;
}

/**
 * Protocol and port of a new helper. Without a flag, each is the catalogue's value, if there is exactly one.
 * @throws InvalidInput for a flag that is missing or wrong; PinholeError `helper-not-allowed` for a helper that the catalogue
 * does not have, unless `--protocol` is given: then the server decides
 */
export function protocolAndPort(helper: string, flags: HelperFlags): { protocol: string; port: number } {
  const known = findHelper(helper)?.protocols;
  const usable = Object.entries(known ?? {}).filter(([, { kernel }]) => kernel !== null);
  const protocol = flags.protocol ?? (usable.length === 1 ? usable[0]?.[0] : undefined);
  if (!known && flags.protocol === undefined) throw notAllowed(helper);
  if (protocol === undefined)
    throw new InvalidInput('protocol', `${helper} runs over ${Object.keys(known ?? {}).join(' and ')}: say which with --protocol.`);
  const port = flags.port === undefined ? known?.[protocol as 'tcp' | 'udp']?.port : parsePort(flags.port);
  if (port === undefined) throw new InvalidInput('port', `--port is needed: ${helper} has no usual port for ${protocol}.`);
  return { protocol, port };
}

/** The error for a helper that is not allowed, in the API's words; for one that the catalogue does not have, with the nearest that it has. */
export function notAllowed(helper: string): PinholeError {
  const names = CATALOGUE.map((entry) => entry.helper);
  const question = names.includes(helper) ? '' : didYouMean(helper, names);
  return new PinholeError('helper-not-allowed', `Conntrack Helper ${helper} is not allowed.${question}`);
}

/** The port of `--port`. @throws InvalidInput for a text that is no port */
export function parsePort(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) < PORT.min || Number(text) > PORT.max)
    throw new InvalidInput('port', `--port: '${text}' is not a number from ${PORT.min} to ${PORT.max}.`);
  return Number(text);
}

/**
 * The fields `scope` and `expires_at` of an API request, each only if a flag sets it. A scope has all three parts: one without a
 * flag is undefined, which JSON leaves out.
 * @throws InvalidInput for a `--ttl` that is not a time like 30m
 */
export function scopeAndExpiry(flags: HelperFlags): object {
  const scope = { source: flags.source, destination: flags.destination, in_interface: flags.inInterface };
  const scoped = Object.values(scope).some((value) => value !== undefined);
  if (flags.scope === false && scoped) throw new InvalidInput('scope', '--no-scope excludes --source, --destination and --in-interface.');
  return {
    ...(scoped ? { scope } : {}),
    ...(flags.scope === false ? { scope: null } : {}),
    ...(flags.ttl === false ? { expires_at: null } : {}),
    ...(typeof flags.ttl !== 'string' ? {} : { expires_at: new Date(Date.now() + parseTtl(flags.ttl) * 1000).toISOString() }),
  };
}

/** Seconds of a time like 30m. */
function parseTtl(text: string): number {
  try {
    return TTL.read(text);
  } catch (error) {
    if (error instanceof Mismatch) throw new InvalidInput('ttl', `--ttl: '${text}' is not ${error.expected}.`);
    throw error;
  }
}
