import { PinholeError } from '../model/errors.ts';

/** How many places there are, and how they are shared. */
export interface Shares {
  readonly total: number;
  /** Of the total, those that only admins get. */
  readonly reserved: number;
  /** The most that one owner gets. */
  readonly perOwner: number;
  /** What an owner is, in words. Default: a project. */
  readonly owners?: 'project' | 'address';
}

/** Who asks for a place. */
export interface Claimant {
  /** A project, or a name where there is no project. */
  readonly owner: string;
  readonly isAdmin: boolean;
}

/** Places that many share: no owner gets all of them, and admins find some that are left. */
export class Places {
  readonly #shares: Shares;
  readonly #ofOwner = new Map<string, number>();
  #count = 0;

  constructor(shares: Shares) {
    this.#shares = shares;
  }

  /** How many are taken now. */
  get taken(): number {
    return this.#count;
  }

  /** Takes a place. @returns a function that gives it back, once @throws PinholeError `overloaded` that says whose places are taken */
  take({ owner, isAdmin }: Claimant): () => void {
    const { total, reserved, perOwner, owners = 'project' } = this.#shares;
    const own = this.#ofOwner.get(owner) ?? 0;
    if (own >= perOwner) throw overloaded(`All ${perOwner} places that one ${owners} may have on this server are taken.`);
    if (this.#count >= (isAdmin ? total : total - reserved)) throw overloaded(`All ${total} places of this server are taken.`);
    this.#ofOwner.set(owner, own + 1);
    this.#count++;
    let isTaken = true;
    return () => {
      if (!isTaken) return;
      isTaken = false;
      this.#count--;
      const left = (this.#ofOwner.get(owner) ?? 1) - 1;
      if (left > 0) this.#ofOwner.set(owner, left);
      else this.#ofOwner.delete(owner);
    };
  }
}

function overloaded(message: string): PinholeError {
  return new PinholeError('overloaded', `${message} Close one, or try again later.`);
}
