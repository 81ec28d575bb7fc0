import { createHash } from 'node:crypto';
import { Reader } from '../../contract/reader.ts';
import { PinholeError } from '../../model/errors.ts';
import type { Ports } from '../../ports/ports.ts';
import { type Backoff, Retry } from '../../ports/retry.ts';
import { ofSystem, type Principal, principalOf } from '../principal.ts';
import type { Identity, Presented } from './interface.ts';

/** Where Keystone is, the service account that validates tokens, and limits. */
export interface KeystoneOptions {
  /** URL of the v3 API, like `https://keystone.example:5000/v3`. */
  readonly authUrl: string;
  readonly username: string;
  readonly password: string;
  readonly userDomain: string;
  readonly project: string;
  readonly projectDomain: string;
  /** Seconds for which the answer about a token is reused. A revocation takes effect within this time. */
  readonly cacheSeconds: number;
  readonly timeoutSeconds: number;
  /** PEM of the authority that signed Keystone's certificate, trusted beside the well-known ones; null for none. */
  readonly ca: string | null;
}

/** One HTTP exchange with Keystone. @throws Error after a timeout or a failed connection */
export type KeystoneTransport = (request: {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}) => Promise<{ status: number; headers: Readonly<Record<string, unknown>>; body: string }>;

interface Validated {
  readonly who: { name: string; projectId: string | null; userId: string };
  readonly roles: readonly string[];
  readonly isOfSystem: boolean;
  readonly expiresAt: number;
}

/** Null if Keystone answered that the token does not exist. */
type Verdict = Validated | null;

const MAX_CACHED = 10_000;
/** A refused token causes at most one request to Keystone in this time. */
const REFUSAL_CACHE_MS = 5_000;
const ATTEMPTS = 3;
const RETRY: Backoff = { firstMs: 100, maxMs: 400 };
/** Fernet tokens have about 200 characters, JWS tokens about 800. */
const MAX_TOKEN = 8_192;
const TOKEN = /^[\x21-\x7e]+$/;

/**
 * Authenticates Keystone v3 tokens, which it validates with a service account. Answers are cached under the token's hash. If
 * Keystone cannot be asked, the request gets 503 and never a guess.
 */
export class KeystoneIdentity implements Identity {
  readonly asksElsewhere = true;
  readonly #options: KeystoneOptions;
  readonly #send: KeystoneTransport;
  readonly #ports: Ports;
  readonly #cache = new Map<string, { verdict: Verdict; until: number }>();
  /** Validations under way. Concurrent requests with one token share one. */
  readonly #asking = new Map<string, Promise<Verdict>>();
  #serviceToken: { text: string; until: number } | null = null;

  /** @param send exchanges a request and an answer with Keystone */
  constructor(options: KeystoneOptions, send: KeystoneTransport, ports: Ports) {
    this.#options = options;
    this.#send = send;
    this.#ports = ports;
  }

  get challenge(): string {
    return `Keystone uri="${this.#options.authUrl}"`;
  }

  /**
   * Returns the principal of a valid token: its user, project and roles.
   * @throws PinholeError `unauthenticated`, `identity-unavailable`
   */
  async authenticate({ token, requestId }: Presented): Promise<Principal> {
    if (token === '' || token.length > MAX_TOKEN || !TOKEN.test(token)) throw unauthenticated();
    const verdict = await this.#verdict(token);
    if (!verdict || verdict.expiresAt <= this.#now()) throw unauthenticated();
    return (verdict.isOfSystem ? ofSystem : principalOf)(verdict.who, verdict.roles, requestId);
  }

  #now(): number {
    return this.#ports.clock.now().getTime();
  }

  async #verdict(token: string): Promise<Verdict> {
    const key = createHash('sha256').update(token).digest('base64');
    const cached = this.#cache.get(key);
    if (cached && cached.until > this.#now()) return cached.verdict;
    const asking = this.#asking.get(key) ?? this.#ask(token, key);
    this.#asking.set(key, asking);
    return asking;
  }

  async #ask(token: string, key: string): Promise<Verdict> {
    try {
      const verdict = await this.#validate(token);
      const cacheMs = verdict ? this.#options.cacheSeconds * 1000 : Math.min(REFUSAL_CACHE_MS, this.#options.cacheSeconds * 1000);
      this.#remember(key, { verdict, until: this.#now() + cacheMs });
      return verdict;
    } finally {
      this.#asking.delete(key);
    }
  }

  #remember(key: string, entry: { verdict: Verdict; until: number }): void {
    this.#cache.delete(key);
    this.#cache.set(key, entry);
    // A Map keeps the order of insertion, so that its first key is the oldest.
    if (this.#cache.size > MAX_CACHED) this.#cache.delete(this.#cache.keys().next().value as string);
  }

  async #validate(token: string): Promise<Verdict> {
    for (let renewed = false; ; renewed = true) {
      const service = await this.#service();
      const headers = { 'x-auth-token': service, 'x-subject-token': token };
      const { status, body } = await this.#persist({ method: 'GET', path: '/auth/tokens?nocatalog', headers });
      if (status === 200) return readToken(body);
      if (status === 404) return null;
      // Keystone answers 401 if the service account's token is not valid, and 404 if the validated one is not.
      if (status !== 401 || renewed) throw this.#unavailable(`Keystone answered ${status} to a validation`);
      this.#serviceToken = null;
    }
  }

  async #service(): Promise<string> {
    const known = this.#serviceToken;
    if (known && known.until > this.#now()) return known.text;
    const { username, password, userDomain, project, projectDomain } = this.#options;
    const body = JSON.stringify({
      auth: {
        identity: { methods: ['password'], password: { user: { name: username, domain: { name: userDomain }, password } } },
        scope: { project: { name: project, domain: { name: projectDomain } } },
      },
    });
    const headers = { 'content-type': 'application/json' };
    const answer = await this.#persist({ method: 'POST', path: '/auth/tokens?nocatalog', headers, body });
    const text = answer.headers['x-subject-token'];
    if (answer.status !== 201 || typeof text !== 'string')
      throw this.#unavailable(`Keystone answered ${answer.status} to Pinhole's own account`);
    // The token is renewed after 90 % of its life, before a request can fail because of it.
    this.#serviceToken = { text, until: this.#now() + (readToken(answer.body).expiresAt - this.#now()) * 0.9 };
    return text;
  }

  /** Repeats an exchange that failed, or that Keystone answered with 5xx or 429. @throws PinholeError `identity-unavailable` */
  async #persist(request: Parameters<KeystoneTransport>[0]): ReturnType<KeystoneTransport> {
    const retry = new Retry(RETRY, this.#ports.chance);
    for (let attempt = 1; ; attempt++) {
      try {
        const answer = await this.#send(request);
        if (answer.status < 500 && answer.status !== 429) return answer;
        if (attempt === ATTEMPTS) throw new Error(`Keystone answered ${answer.status}`);
      } catch (error) {
        if (attempt === ATTEMPTS) throw this.#unavailable((error as Error).message);
      }
      await this.#ports.clock.sleep(retry.failed());
    }
  }

  #unavailable(reason: string): PinholeError {
    this.#ports.logger.warn({ reason }, 'Keystone cannot be asked; tokens that are not cached are refused');
    return new PinholeError('identity-unavailable', 'The Keystone service is temporarily unavailable.');
  }
}

/**
 * Reads the body of a validation. Roles count only together with a project, or with system scope: unscoped and domain-scoped tokens
 * have no rights, as with Neutron's `scope_types`.
 */
function readToken(text: string): Validated {
  let body: { token?: Record<string, unknown> };
  try {
    body = JSON.parse(text);
  } catch {
    throw new PinholeError('identity-unavailable', 'The Keystone service is temporarily unavailable.');
  }
  const token = body.token ?? {};
  const user = (token['user'] ?? {}) as Record<string, unknown>;
  const project = token['project'] as Record<string, unknown> | undefined;
  const userId = new Reader(user['id'], 'token.user.id').string(255);
  const expiresAt = Date.parse(new Reader(token['expires_at'], 'token.expires_at').string(64));
  const roles = (Array.isArray(token['roles']) ? token['roles'] : []) as { name?: unknown }[];
  const isOfSystem = (token['system'] as Record<string, unknown> | undefined)?.['all'] === true;
  const projectId = project ? new Reader(project['id'], 'token.project.id').string(255) : null;
  return {
    who: { name: `keystone:${userId}`, projectId, userId },
    roles: projectId === null && !isOfSystem ? [] : roles.flatMap(({ name }) => (typeof name === 'string' ? [name] : [])),
    isOfSystem: projectId === null && isOfSystem,
    expiresAt: Number.isNaN(expiresAt) ? 0 : expiresAt,
  };
}

function unauthenticated(): PinholeError {
  return new PinholeError('unauthenticated', 'The request you have made requires authentication.');
}
