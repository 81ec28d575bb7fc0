import { readFileSync } from 'node:fs';
import type { SignedHead } from '../../contract/audit.ts';
import { Reader } from '../../contract/reader.ts';
import { InvalidInput, PinholeError } from '../../model/errors.ts';

const MAX_FILE = 16 * 1024 * 1024;

/** Reads a file that `pinhole audit heads` wrote. @throws InvalidInput; PinholeError `too-large` */
export function readHeads(file: string): SignedHead[] {
  const { heads } = new Reader(parseFile(file), file).object('heads');
  return heads.array(10_000, (item) => {
    const fields = item.object('chain', 'seq', 'hash', 'at', 'key_id', 'public_key', 'signature');
    return {
      chain: fields.chain.string(255),
      seq: fields.seq.integer(0, Number.MAX_SAFE_INTEGER),
      hash: fields.hash.string(64),
      at: fields.at.string(64),
      keyId: fields.key_id.string(64),
      publicKey: fields.public_key.string(1000),
      signature: fields.signature.string(255),
    };
  });
}

function parseFile(file: string): unknown {
  try {
    const text = readFileSync(file, 'utf8');
    if (text.length > MAX_FILE) throw new PinholeError('too-large', `${file} is larger than ${MAX_FILE} bytes.`);
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof PinholeError) throw error;
    throw new InvalidInput('heads', `${file} is no file that 'pinhole audit heads' wrote: ${(error as Error).message}`);
  }
}
