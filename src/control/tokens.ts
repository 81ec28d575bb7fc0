import { createHash, timingSafeEqual } from 'node:crypto';
import { newTokenText, parseTokenText, type TokenInput } from '../contract/token.ts';
import { InvalidInput, NotFound, PinholeError } from '../model/errors.ts';
import type { Token } from '../store/interface.ts';
import { audit, type Context } from './context.ts';
import type { Identity, Presented } from './identity/interface.ts';
import { type RuleName, routerTarget } from './policy/policy.ts';
import { ownPrincipal, type Principal, withRole } from './principal.ts';

export type { Token };

/** Pinhole's own tokens, and the mode of identity that they are. */
export class Tokens implements Identity {
  readonly challenge = 'Bearer';
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  /** @throws PinholeError `unauthenticated`, with nothing in it that says why */
  async authenticate({ token: text, requestId }: Presented): Promise<Principal> {
    const { id, secret } = parseTokenText(text) ?? NO_TOKEN;
    const token = id ? await this.#context.store.read.token(id) : null;
    // An unknown id is compared too, so that the answer's time does not tell which ids exist.
    const matches = timingSafeEqual(hash(secret), Buffer.from(token?.hash ?? '0'.repeat(64), 'hex'));
    if (!token || !matches || token.revokedAt !== null || this.#isOver(token)) {
      throw new PinholeError('unauthenticated', 'The request you have made requires authentication.');
    }
    return withRole({ name: `token:${token.id}`, projectId: token.projectId }, token.role, requestId);
  }

  async list(principal: Principal): Promise<Token[]> {
    this.#enforce(principal, 'get_token');
    return this.#context.store.read.tokens();
  }

  /** @returns the row and the secret text, which is stored nowhere */
  async create(principal: Principal, input: TokenInput): Promise<{ token: Token; text: string }> {
    this.#enforce(principal, 'create_token');
    if (input.role !== 'admin' && !input.projectId)
      throw new InvalidInput('project_id', `Invalid input for project_id. A ${input.role}'s token is for one project.`);
    const text = newTokenText();
    return { token: await this.#insert(principal, text, input), text };
  }

  /** Makes the token that a supervisor wrote to disk valid, once: revoked, it stays revoked. */
  async adopt(text: string): Promise<void> {
    const parts = parseTokenText(text);
    if (!parts) throw new InvalidInput('admin-token', 'The admin token on disk is not a token of Pinhole.');
    if (await this.#context.store.read.token(parts.id)) return;
    await this.#insert(ownPrincipal('up'), text, { role: 'admin', projectId: null, description: 'first admin token', expiresAt: null });
  }

  async #insert(principal: Principal, text: string, input: TokenInput): Promise<Token> {
    const { id, secret } = parseTokenText(text) ?? NO_TOKEN;
    const at = this.#context.clock.now().toISOString();
    const { role, projectId = null, description, expiresAt = null } = input;
    const secretHash = hash(secret).toString('hex');
    const token: Token = { id, hash: secretHash, role, projectId, description, expiresAt, createdAt: at, revokedAt: null };
    await this.#context.store.write(async (tx) => {
      await tx.insertToken(token);
      const after = { role: token.role, projectId: token.projectId, description: token.description, expiresAt: token.expiresAt };
      audit(tx, principal, { at, action: 'create_token', target: id, projectId: token.projectId ?? '', before: null, after });
    });
    return token;
  }

  async revoke(principal: Principal, id: string): Promise<void> {
    this.#enforce(principal, 'delete_token');
    const at = this.#context.clock.now().toISOString();
    await this.#context.store.write(async (tx) => {
      const token = await tx.token(id);
      if (!token) throw new NotFound('token', id);
      await tx.revokeToken(id, at);
      audit(tx, principal, { at, action: 'revoke_token', target: id, projectId: token.projectId ?? '', before: null, after: null });
    });
  }

  #enforce(principal: Principal, rule: RuleName): void {
    this.#context.policy().enforce(principal, rule, routerTarget({ projectId: '' }));
  }

  #isOver(token: Token): boolean {
    return token.expiresAt !== null && Date.parse(token.expiresAt) <= this.#context.clock.now().getTime();
  }
}

/** What a text that is no token is taken for: no row has this id. */
const NO_TOKEN = { id: '', secret: '' } as const;

function hash(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}
