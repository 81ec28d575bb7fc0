import { accessSync, constants, existsSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { InvalidInput } from '../model/errors.ts';

/**
 * A file that a flag names for what a command will have to say. Asked before the work, so that no result is lost for it.
 * @throws InvalidInput naming the flag, now or when it is written
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
