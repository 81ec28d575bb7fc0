import type { Audit } from '../control/audit.ts';
import type { EventFeed } from '../control/events.ts';
import type { ExpectationFeed } from '../control/expectations.ts';
import type { Helpers } from '../control/helpers.ts';
import type { Live } from '../control/live.ts';
import type { ProjectQuotas } from '../control/quotas.ts';
import type { Routers } from '../control/routers.ts';
import type { Status } from '../control/status.ts';
import type { Tokens } from '../control/tokens.ts';

/** The use cases that the routes call. */
export interface Services {
  readonly routers: Routers;
  readonly helpers: Helpers;
  readonly status: Status;
  readonly tokens: Tokens;
  readonly expectations: ExpectationFeed;
  readonly events: EventFeed;
  readonly audit: Audit;
  readonly live: Live;
  readonly quotas: ProjectQuotas;
}
