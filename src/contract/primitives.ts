import { formatNetwork, parseNetwork } from '../model/address.ts';
import { FAMILIES, type Family } from '../model/catalogue.ts';
import { Mismatch } from './mismatch.ts';
import { notAFolder } from './netns.ts';
import { integer, oneOf, type TextShape, text } from './scalars.ts';
import { TimeShape } from './time.ts';

/** What entities are made of: every bound and pattern of Pinhole stands here, or with its entity, once. */

declare const brand: unique symbol;
/** A string that was checked to be of one kind, so that ids of two kinds cannot be mixed up. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };

export type RouterId = Brand<string, 'RouterId'>;
export type HelperId = Brand<string, 'HelperId'>;

const UUID_TEXT = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}';
export const UUID_PATTERN = new RegExp(`^${UUID_TEXT}$`);
export const UUID = text({ max: 36, pattern: UUID_PATTERN, what: 'a UUID in lower case', format: 'uuid' });
export const HELPER_ID: TextShape<HelperId> = text({ ...UUID.options, what: 'the id of a helper' });
/** A server's router has a UUID; a cloud's router is known to its agent by the namespace that it is served in. */
export const ROUTER_ID: TextShape<RouterId> = text({
  max: 64,
  pattern: new RegExp(`^(?:qrouter-|snat-)?${UUID_TEXT}$`),
  what: 'the id of a router',
});

/** Ids as they stand in reports and events, of routers and helpers that may be no more. */
export const ROUTER_REF: TextShape = text(ROUTER_ID.options);
export const HELPER_REF: TextShape = text(HELPER_ID.options);

/** Names and descriptions, which people write: Neutron's bound (`neutron_lib.db.constants.NAME_FIELD_SIZE`), in bytes here. */
export const NAME = text({ max: 255, what: 'a name' });
export const DESCRIPTION = text({ max: 255, what: 'a description' });
export const PROJECT_ID = text({ max: 255, what: 'the id of a project' });
export const HOST_NAME = text({
  max: 255,
  min: 1,
  pattern: /^[A-Za-z0-9_.:-]+$/,
  what: 'the name of a host (letters, digits and _.:-)',
});

/** IFNAMSIZ less its NUL (linux/if.h). */
export const INTERFACE_NAME = text({
  max: 15,
  min: 1,
  pattern: /^[A-Za-z0-9_.:@-]+$/,
  what: 'the name of a network interface',
  canonical: notAFolder('the name of a network interface'),
});

/** An address or network; read in any spelling, kept in nft's. */
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
/** An address as the kernel shows it. */
export const ADDRESS = text({ max: 64, pattern: /^[0-9a-f:.]+$/, what: 'an address' });

const MAX_PORT = 65_535;
export const PORT = integer(1, MAX_PORT);
/** 0 where none is known. */
export const PORT_OR_NONE = integer(0, MAX_PORT);

/** Names of helpers and protocols as the API takes them; the catalogue says which of them a kernel has. */
export const HELPER_NAME = text({ max: 64, min: 1, pattern: /^[A-Za-z0-9._-]+$/, what: 'the name of a conntrack helper' });
export const PROTOCOL_NAME = text({ max: 16, min: 1, pattern: /^[a-z0-9-]+$/, what: 'the name of a transport protocol' });
/** A helper as the kernel calls it (`NF_CT_HELPER_NAME_LEN`, 16 with its NUL). */
export const KERNEL_TYPE = text({ max: 15, min: 1, pattern: /^[A-Za-z0-9.-]+$/, what: "a helper's name in the kernel" });
export const TRANSPORT = oneOf('tcp', 'udp');
export const FAMILY = oneOf<Family>(...FAMILIES);

/** RFC 3339; kept in UTC with milliseconds. */
export const TIME = new TimeShape();

export const COUNT = integer(0, Number.MAX_SAFE_INTEGER);
/** Rises with each change. Fifteen digits, as many as a table's stamp and an ETag have room for. */
export const REVISION = integer(0, 999_999_999_999_999);
/** Why something is as it is, for people. */
export const REASON = text({ max: 1_000, what: 'a reason' });

/** Makes a reason of any text, an error's say: one line of well-formed Unicode, cut to {@link REASON}'s bytes. */
export function asReason(cause: string): string {
  const line = cause.toWellFormed().replace(/\p{Cc}+/gu, ' ');
  if (Buffer.byteLength(line) <= REASON.max) return line;
  const end = '…';
  const kept = Buffer.from(line).subarray(0, REASON.max - Buffer.byteLength(end));
  // A character that was cut in two decodes to U+FFFD at the end.
  return `${kept.toString('utf8').replace(/\ufffd+$/, '')}${end}`;
}
/** Names one state of one database: it changes when a database is restored. */
export const EPOCH = text({ max: 64, what: 'the epoch of a database' });
/** SHA-256, in hex. */
export const SHA256 = text({ max: 64, min: 64, pattern: /^[0-9a-f]+$/, what: 'a SHA-256 in hex' });
export const REQUEST_ID = text({ max: 64, what: 'the id of a request' });

/** Most helpers that one router may have, whatever its quota: one table holds them all. */
export const MAX_HELPERS_PER_ROUTER = 2_000;
/** Most routers that one host's agent serves. */
export const MAX_ROUTERS_PER_HOST = 100_000;
