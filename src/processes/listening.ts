import { InvalidInput } from '../model/errors.ts';

/** What an operator can do about a failure to listen, by the system's code (errno.h; ENOTFOUND is Node's own). */
const PROBLEMS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another process listens there. Stop it, or choose another address',
  EADDRNOTAVAIL: 'this host does not have that address',
  ENOTFOUND: 'no address has that name',
  EACCES: "the process's user may not listen there; ports below 1024 are root's",
};

/**
 * Returns the error of an address that cannot be listened on: one that says what to change, if the cause is known.
 * @param place `field`: the setting; `address`: its value
 */
export function listenFailure(error: unknown, { field, address }: { readonly field: string; readonly address: string }): unknown {
  const problem = PROBLEMS[(error as NodeJS.ErrnoException).code ?? ''];
  return problem === undefined ? error : new InvalidInput(field, `${field}: cannot listen on ${address}: ${problem}.`);
}
