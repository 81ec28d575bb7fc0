import type { FastifyInstance } from 'fastify';
import { Places } from '../control/places.ts';
import { ownerOf, type Principal } from '../control/principal.ts';
import { peerOf } from './connections.ts';
import { FairTurns } from './fair-turns.ts';

/** Of the requests in progress, one in so many is kept for admins, and before the token is checked for clients on this host. */
const RESERVE = 10;

/** What a request in progress holds and has to give back. */
class Held {
  #release: (() => void)[] = [];
  #isOver = false;

  add(release: () => void): void {
    if (this.#isOver) release();
    else this.#release.push(release);
  }

  /** Gives back what is held so far. */
  giveBack(): void {
    for (const release of this.#release.splice(0)) release();
  }

  /** Gives back everything, also what is added later: the client may go at any moment. */
  end(): void {
    this.#isOver = true;
    this.giveBack();
  }
}

const held = Symbol('held');
type Holding = { [held]?: Held };

/**
 * Limits the number of requests whose token is being checked, or that need none, with a share for each address. A request beyond the
 * limit is refused at once, before any of it is read, with `overloaded` and `Retry-After: 1`; the others are still answered in good
 * time.
 * @param max number of requests, at least 1
 */
export function boundArrivals(app: FastifyInstance, max: number): void {
  const places = new Places({ ...sharesOf(max), owners: 'address' });
  app.addHook('onRequest', async (request, reply) => {
    const { address, isLocal } = peerOf(request.raw.socket);
    const own = new Held();
    own.add(places.take({ owner: address, isAdmin: isLocal }));
    (request as Holding)[held] = own;
    reply.raw.once('close', () => own.end());
  });
  /** A stream that stays open is not work. Followers have limits of their own. */
  app.decorate('stopCounting', (request: object) => (request as Holding)[held]?.giveBack());
}

/**
 * Shares the work on requests among projects, once it is known who asks: the number of requests in progress, beyond which a request is
 * refused, and the smaller number of those that are worked on at the same time, for which requests wait in turn once they have arrived
 * completely. Called after the hook that authenticates.
 */
export function shareConcurrency(
  app: FastifyInstance,
  { max, isAdmin }: { readonly max: number; readonly isAdmin: (principal: Principal) => boolean },
): void {
  const places = new Places(sharesOf(max));
  const total = Math.ceil(max / 2);
  const turns = new FairTurns({ total, perOwner: Math.ceil(total / 2) });
  app.addHook('onRequest', async (request) => {
    const { principal } = request;
    if (principal === null) return;
    const own = (request as Holding)[held];
    own?.giveBack();
    own?.add(places.take({ owner: ownerOf(principal), isAdmin: isAdmin(principal) }));
  });
  app.addHook('preHandler', async (request) => {
    if (request.principal === null) return;
    const turn = turns.ask(ownerOf(request.principal));
    (request as Holding)[held]?.add(turn.end);
    await turn.come;
  });
}

function sharesOf(max: number): { readonly total: number; readonly reserved: number; readonly perOwner: number } {
  return { total: max, reserved: Math.floor(max / RESERVE), perOwner: Math.ceil(max / 2) };
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Takes a request out of the count before its answer ends. */
    stopCounting(request: object): void;
  }
}
