import type { Principal } from '../principal.ts';

/** The credentials of a request. */
export interface Presented {
  /** The value of `X-Auth-Token`, or the bearer token of `Authorization`; empty for none. */
  readonly token: string;
  readonly requestId: string;
}

/** Authenticates requests. The modes are Pinhole's own tokens, Keystone's, and none at all. */
export interface Identity {
  /**
   * Returns the principal of a request.
   * @throws PinholeError `unauthenticated`, which never says why; `identity-unavailable` if the identity service cannot be asked:
   * the request is refused then
   */
  authenticate(presented: Presented): Promise<Principal>;
  /** For the `WWW-Authenticate` header of a 401. */
  readonly challenge: string;
  /** Whether an unknown token costs a request to another service. If not, a token costs one look into the database. */
  readonly asksElsewhere: boolean;
}
