import type { ExpectationFeed } from '../control/expectations.ts';
import type { Helpers } from '../control/helpers.ts';
import type { Routers } from '../control/routers.ts';
import type { Status } from '../control/status.ts';
import type { Tokens } from '../control/tokens.ts';

/** The use cases behind the API. */
export interface Services {
  readonly routers: Routers;
  readonly helpers: Helpers;
  readonly status: Status;
  readonly tokens: Tokens;
  readonly expectations: ExpectationFeed;
}
