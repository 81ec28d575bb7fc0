import { formatNetwork, parseNetwork } from '../model/address.ts';
import { FAMILIES, type Family } from '../model/catalogue.ts';
import { Mismatch } from './mismatch.ts';
import { notAFolder } from './netns.ts';
import { integer, oneOf, type TextShape, text } from './scalars.ts';
import { TimeShape } from './time.ts';

/** The fields of which entities consist. Every bound and pattern of Pinhole is defined once: here, or with its entity. */

declare const brand: unique symbol;
/** A checked string of one kind. The compiler refuses to mix kinds. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };

export type RouterId = Brand<string, 'RouterId'>;
export type HelperId = Brand<string, 'HelperId'>;

const UUID_TEXT = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}';
export const UUID_PATTERN = new RegExp(`^${UUID_TEXT}$`);
export const UUID = text({ max: 36, pattern: UUID_PATTERN, what: 'a UUID in lower case', format: 'uuid' });
export const HELPER_ID: TextShape<HelperId> = text({ ...UUID.options, what: 'the id of a helper' });
/** A router of Pinhole's server has a UUID. A router of a cloud is known to its agent by the namespace that serves it. */
export const ROUTER_ID: TextShape<RouterId> = text({
  max: 64,
  pattern: new RegExp(`^(?:qrouter-|snat-)?${UUID_TEXT}$`),
  what: 'the id of a router',
});

/** Ids in reports and events: their routers and helpers may have been deleted. */
export const ROUTER_REF: TextShape = text(ROUTER_ID.options);
export const HELPER_REF: TextShape = text(HELPER_ID.options);

/** Names and descriptions are free text. The bound is Neutron's (`neutron_lib.db.constants.NAME_FIELD_SIZE`), here in bytes. */
export const NAME = text({ max: 255, what: 'a name' });
export const DESCRIPTION = text({ max: 255, what: 'a description' });
export const PROJECT_ID = text({ max: 255, what: 'the id of a project' });
export const HOST_NAME = text({
  max: 255,
  min: 1,
  pattern: /^[A-Za-z0-9_.:-]+$/,
  what: 'the name of a host (letters, digits and _.:-)',
});

/** The bound is IFNAMSIZ without its NUL (linux/if.h). */
export const INTERFACE_NAME = text({
  max: 15,
  min: 1,
  pattern: /^[A-Za-z0-9_.:@-]+$/,
  what: 'the name of a network interface',
  canonical: notAFolder('the name of a network interface'),
});

/** An address or network. Any spelling is read; nft's spelling is kept. */
export const NETWORK = text({
  max: 64,
  pattern: /^[0-9a-fA-F:./]+$/,
  what: 'an address or network like 192.0.2.0/24 or 2001:db8::/32',
  canonical: (network) => {
    try {
      return formatNetwork(parseNetwork(network, ''));
    } catch {
      throw new Mismatch('an address or network like 192.0.2.0/24 or 2001:db8::/32');
    }
  },
});
/** An address as the kernel prints it. */
export const ADDRESS = text({ max: 64, pattern: /^[0-9a-f:.]+$/, what: 'an address' });

/** The largest port of TCP and UDP. */
export const MAX_PORT = 65_535;
export const PORT = integer(1, MAX_PORT);
/** A port; 0 if none is known. */
export const PORT_OR_NONE = integer(0, MAX_PORT);

/** Names that the API accepts. The catalogue knows which of them a kernel has. */
export const HELPER_NAME = text({ max: 64, min: 1, pattern: /^[A-Za-z0-9._-]+$/, what: 'the name of a conntrack helper' });
export const PROTOCOL_NAME = text({ max: 16, min: 1, pattern: /^[a-z0-9-]+$/, what: 'the name of a transport protocol' });
/** The kernel's name of a helper: `NF_CT_HELPER_NAME_LEN` (16) includes the NUL. */
export const KERNEL_TYPE = text({ max: 15, min: 1, pattern: /^[A-Za-z0-9.-]+$/, what: "a helper's name in the kernel" });
export const TRANSPORT = oneOf('tcp', 'udp');
export const FAMILY = oneOf<Family>(...FAMILIES);

/** RFC 3339, kept in UTC with milliseconds. */
export const TIME = new TimeShape();

export const COUNT = integer(0, Number.MAX_SAFE_INTEGER);
/** A number that rises with each change. It has at most fifteen digits, for which a table's stamp and an ETag have room. */
export const REVISION = integer(0, 999_999_999_999_999);
/** An explanation for people. */
export const REASON = text({ max: 1_000, what: 'a reason' });

/** Returns any text, like an error's message, as a valid {@link REASON}. */
export function asReason(cause: string): string {
  return asLine(cause, REASON.max);
}

/** Returns any text as one line of well-formed Unicode without control characters, cut with `…` to `max` bytes of UTF-8. */
export function asLine(any: string, max: number): string {
  const line = any.toWellFormed().replace(/\p{Cc}+/gu, ' ');
  if (Buffer.byteLength(line) <= max) return line;
  const end = '…';
  const kept = Buffer.from(line).subarray(0, max - Buffer.byteLength(end));
  // A character that was cut in two decodes to U+FFFD at the end.
  return `${kept.toString('utf8').replace(/\ufffd+$/, '')}${end}`;
}
/** Identifies one state of one database. Restoring a database changes it. */
export const EPOCH = text({ max: 64, what: 'the epoch of a database' });
/**
 * Identifies one installation: a database and its servers, or a cloud. Restoring a database does not change it. Twelve digits are what a
 * table's stamp has room for.
 */
export const INSTALLATION = text({ max: 12, min: 12, pattern: /^[0-9a-f]+$/, what: 'the id of an installation, twelve digits in hex' });
/** SHA-256 in hex. */
export const SHA256 = text({ max: 64, min: 64, pattern: /^[0-9a-f]+$/, what: 'a SHA-256 in hex' });
export const REQUEST_ID = text({ max: 64, what: 'the id of a request' });

/** Maximum number of helpers of one router, whatever its quota, because one table holds them all. */
export const MAX_HELPERS_PER_ROUTER = 2_000;
/** Maximum number of routers that the agent of one host serves. */
export const MAX_ROUTERS_PER_HOST = 100_000;
