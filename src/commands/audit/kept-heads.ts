import { readFileSync } from 'node:fs';
import { readAnswer } from '../../client/answer.ts';
import { SIGNED_HEAD, type SignedHead } from '../../contract/audit.ts';
import { list } from '../../contract/compounds.ts';
import { record } from '../../contract/record.ts';
import { InvalidInput, PinholeError } from '../../model/errors.ts';

const MAX_FILE = 16 * 1024 * 1024;

const HEADS = record({ heads: list(SIGNED_HEAD, 10_000) });

/**
 * Reads a file that `pinhole audit heads` wrote, at most 16 MiB and 10,000 heads.
 * @throws InvalidInput that names the file and the field; PinholeError `too-large`
 */
export function readHeads(file: string): readonly SignedHead[] {
  return readAnswer(HEADS, parseFile(file), { path: file, origin: 'input' }).heads;
}

function parseFile(file: string): unknown {
  try {
    const text = readFileSync(file, 'utf8');
    if (text.length > MAX_FILE) throw new PinholeError('too-large', `${file} is larger than ${MAX_FILE} bytes.`);
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof PinholeError) throw error;
    throw new InvalidInput('heads', `${file} is not a file that 'pinhole audit heads' wrote: ${(error as Error).message}`);
  }
}
