import { accessSync, constants, existsSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { InvalidInput } from '../model/errors.ts';

/**
 * Checks that a file that a flag names can be written, before the work whose result it will hold.
 * @returns a function that writes the file
 * @throws InvalidInput that names the flag, now or when the file is written
 */
export function outputFile(flag: string, path: string): (text: string) => void {
  const attempt = (work: () => void) => {
    try {
      work();
    } catch (error) {
      throw new InvalidInput(flag, `Invalid input for --${flag}: ${path} cannot be written (${(error as NodeJS.ErrnoException).code}).`);
    }
  };
  attempt(() => accessSync(existsSync(path) ? path : dirname(path), constants.W_OK));
  return (text) => attempt(() => writeFileSync(path, text));
}
