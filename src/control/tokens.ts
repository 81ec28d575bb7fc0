import { createHash, timingSafeEqual } from 'node:crypto';
import { newTokenText, parseTokenText, ROLE_COVERS, type TokenInput } from '../contract/token.ts';
import { InvalidInput, NotFound, PinholeError } from '../model/errors.ts';
import type { Token } from '../store/interface.ts';
import { audit, type Context } from './context.ts';
import type { Identity, Presented } from './identity/interface.ts';
import { type RuleName, routerTarget } from './policy/policy.ts';
import { ownPrincipal, type Principal, withRole } from './principal.ts';

export type { Token };

/** Use cases of Pinhole's own tokens, and the identity mode `token`. */
export class Tokens implements Identity {
  readonly challenge = 'Bearer';
  readonly asksElsewhere = false;
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  /** Returns the principal of a valid token. @throws PinholeError `unauthenticated`, which never says why */
  async authenticate({ token: text, requestId }: Presented): Promise<Principal> {
    const { id, secret } = parseTokenText(text) ?? NO_TOKEN;
    const token = id ? await this.#context.store.read.token(id) : null;
    // An unknown id is compared too, so that the time of the answer does not reveal which ids exist.
    const matches = timingSafeEqual(hash(secret), Buffer.from(token?.hash ?? '0'.repeat(64), 'hex'));
    if (!token || !matches || token.revokedAt !== null || this.#isOver(token)) {
      throw new PinholeError('unauthenticated', 'The request you have made requires authentication.');
    }
    return withRole({ name: `token:${token.id}`, projectId: token.projectId }, token.role, requestId);
  }

  /** Returns all tokens without their secrets. @throws Denied */
  async list(principal: Principal): Promise<Token[]> {
    this.#enforce(principal, 'get_token');
    return this.#context.store.read.tokens();
  }

  /**
   * Creates a token. @returns the token, and the text that the client presents, which is stored nowhere
   * @throws Denied; InvalidInput for a role that needs a project without one, or the other way round
   */
  async create(principal: Principal, input: TokenInput): Promise<{ token: Token; text: string }> {
    this.#enforce(principal, 'create_token');
    checkProject(input);
    const text = newTokenText();
    return { token: await this.#insert(principal, text, input), text };
  }

  /**
   * Makes the admin token valid that a supervisor wrote to disk. Does nothing if the token is known, so that a revoked one stays
   * revoked.
   * @throws InvalidInput for text that is not a token
   */
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

  /** Revokes a token. @throws NotFound, Denied */
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

/** The parts of a text that is not a token. No token has this id. */
const NO_TOKEN = { id: '', secret: '' } as const;

function checkProject({ role, projectId }: TokenInput): void {
  const covers = ROLE_COVERS[role];
  const refuse = (problem: string) => new InvalidInput('project_id', `Invalid input for project_id. A token with role ${role} ${problem}.`);
  if (covers === 'one-project' && !projectId) throw refuse('needs a project');
  if (covers === 'all-projects' && projectId) throw refuse('is for all projects and cannot have one');
}

function hash(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}
