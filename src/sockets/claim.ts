import { lstatSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { InvalidInput } from '../model/errors.ts';

/**
 * Makes room for a unix socket: removes one that a dead process left. One that a process listens on stays, also while that process does
 * not answer, and so does anything that is no socket.
 * @param field the setting that names the path
 * @throws InvalidInput if the path is taken
 */
export async function claimSocket(path: string, field: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (!found) return;
  if (!found.isSocket()) throw new InvalidInput(field, `${path} is there already and is no socket: Pinhole does not remove it.`);
  if (await isLeft(path)) rmSync(path, { force: true });
  else throw new InvalidInput(field, `Another process listens on ${path}. Stop it first, or choose another path.`);
}

/** Whether nothing listens on a socket: then the kernel refuses connections. Any other answer is not taken for a dead process. */
function isLeft(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(false);
    });
    socket.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code === 'ECONNREFUSED' || code === 'ENOENT'));
  });
}
