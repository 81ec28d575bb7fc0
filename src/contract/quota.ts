import { documented, nullable } from './compounds.ts';
import { COUNT, PROJECT_ID } from './primitives.ts';
import { partial, record } from './record.ts';
import { integer } from './scalars.ts';
import type { Of } from './shape.ts';

/** A limit; -1 for none. */
export const LIMIT = integer(-1, 1_000_000_000);
const USE = record({ used: COUNT, limit: documented(LIMIT, '-1: none') });

export const QUOTA = record({ projectId: PROJECT_ID, routers: USE, helpers: USE });
/** A project's usage and limits. */
export type QuotaView = Of<typeof QUOTA>;

const SETTING = documented(nullable(LIMIT), '-1: none; null: the configured one');
export const QUOTA_UPDATE = partial({ routers: SETTING, helpers: SETTING });
/** A change of limits. A missing limit stays as it is. */
export type QuotaChange = Of<typeof QUOTA_UPDATE>;
