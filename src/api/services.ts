import type { Audit } from '../control/audit.ts';
import type { EventFeed } from '../control/events.ts';
import type { ExpectationFeed } from '../control/expectations.ts';
import type { Helpers } from '../control/helpers.ts';
import type { Hosts } from '../control/hosts.ts';
import type { Live } from '../control/live.ts';
import type { Manifests } from '../control/manifests.ts';
import type { Principal } from '../control/principal.ts';
import type { ProjectQuotas } from '../control/quotas.ts';
import type { Routers } from '../control/routers.ts';
import type { Status } from '../control/status.ts';
import type { Tokens } from '../control/tokens.ts';

/** The use cases that the routes call. */
export interface Services {
  /** @throws Denied for a principal who may not read metrics */
  metricsAccess(principal: Principal): void;
  readonly routers: Routers;
  readonly helpers: Helpers;
  readonly status: Status;
  readonly tokens: Tokens;
  readonly expectations: ExpectationFeed;
  readonly events: EventFeed;
  readonly audit: Audit;
  readonly live: Live;
  readonly manifests: Manifests;
  readonly hosts: Hosts;
  readonly quotas: ProjectQuotas;
}
