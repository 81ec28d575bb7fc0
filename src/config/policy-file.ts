import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { InvalidInput } from '../model/errors.ts';

const MAX_FILE = 1024 * 1024;

/**
 * Reads a policy file in oslo.policy's YAML. @returns check strings by rule name
 * @throws InvalidInput that names the file and what is wrong
 */
export function readPolicyFile(file: string): Record<string, string> {
  const rules = parseFile(file) ?? {};
  if (typeof rules !== 'object' || Array.isArray(rules)) throw bad(file, 'is not a map of rule names to checks');
  for (const [name, check] of Object.entries(rules)) {
    if (typeof check !== 'string') throw bad(file, `${name} is not a check in quotes, like "rule:admin_only"`);
  }
  return rules as Record<string, string>;
}

function parseFile(file: string): unknown {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw bad(file, `cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
  if (text.length > MAX_FILE) throw bad(file, `is larger than ${MAX_FILE} bytes`);
  try {
    return parse(text, { maxAliasCount: 0 });
  } catch (error) {
    throw bad(file, `is not YAML: ${(error as Error).message.split('\n')[0]}`);
  }
}

function bad(file: string, problem: string): InvalidInput {
  return new InvalidInput('policy_file', `${file}: ${problem}.`);
}
