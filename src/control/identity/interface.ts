import type { Principal } from '../principal.ts';

/** What a request brought to say who asks. */
export interface Presented {
  /** `X-Auth-Token`, or the bearer token of `Authorization`; empty where there is none. */
  readonly token: string;
  readonly requestId: string;
}

/** Says who asks. Three modes: Pinhole's own tokens, Keystone's, and none at all. */
export interface Identity {
  /**
   * @throws PinholeError `unauthenticated`, with nothing in it that says why; `identity-unavailable` where that cannot be found
   * out now: nobody is let in then
   */
  authenticate(presented: Presented): Promise<Principal>;
  /** For the `WWW-Authenticate` header of a 401. */
  readonly challenge: string;
}
