import { spawn } from 'node:child_process';
import { PinholeError } from '../../model/errors.ts';

const MAX_ERRORS = 2_000;
const MAX_OUTPUT = 1024 * 1024;

/** A connection string without its password, and the environment in which PostgreSQL's programs find that. */
export interface Login {
  readonly url: string;
  readonly password: string | null;
}

/** Takes the password out of a connection string: every user of a host can read the arguments of programs. */
export function withoutPassword(text: string): Login {
  const [, scheme = '', authority = '', path = '', query = ''] = /^([a-z]+:\/\/)([^/?]*)([^?]*)(?:\?(.*))?$/s.exec(text) ?? [];
  const at = authority.lastIndexOf('@');
  const colon = authority.indexOf(':');
  const hasPassword = at > 0 && colon >= 0 && colon < at;
  const words = query.split('&').filter(Boolean);
  const isPassword = (word: string) => /^password=/i.test(word);
  const given = hasPassword ? authority.slice(colon + 1, at) : words.find(isPassword)?.slice('password='.length);
  // Of node-postgres alone; libpq refuses options that it does not know.
  const rest = words.filter((word) => !isPassword(word) && !/^uselibpqcompat=/.test(word)).join('&');
  const bare = hasPassword ? `${authority.slice(0, colon)}${authority.slice(at)}` : authority;
  return { url: `${scheme}${bare}${path}${rest === '' ? '' : `?${rest}`}`, password: given === undefined ? null : decode(given) };
}

/**
 * Runs one of PostgreSQL's programs to its end.
 * @returns its standard output, at most 1 MiB
 * @throws PinholeError `program-missing`, with the package that has it; `store-unavailable` with what it said, never with the password
 */
export function runProgram(program: string, argv: readonly string[], { password }: Login): Promise<string> {
  const env = {
    ...process.env,
    PGAPPNAME: 'pinhole-backup',
    PGCONNECT_TIMEOUT: '5',
    PGOPTIONS: '-c lock_timeout=5s',
    ...(password === null ? {} : { PGPASSWORD: password }),
  };
  return new Promise((resolve, reject) => {
    const child = spawn(program, argv, { stdio: ['ignore', 'pipe', 'pipe'], env });
    let [output, errors] = ['', ''];
    child.stdout.on('data', (chunk) => {
      output = (output + chunk).slice(0, MAX_OUTPUT);
    });
    child.stderr.on('data', (chunk) => {
      errors = (errors + chunk).slice(0, MAX_ERRORS);
    });
    child.once('error', (error: NodeJS.ErrnoException) => reject(error.code === 'ENOENT' ? missing(program) : error));
    child.once('close', (code) => {
      if (code === 0) return resolve(output);
      const said = password === null ? errors : errors.replaceAll(password, '***');
      reject(new PinholeError('store-unavailable', `${program} failed: ${said.trim() || `exit status ${code}`}`));
    });
  });
}

function missing(program: string): PinholeError {
  return new PinholeError(
    'program-missing',
    `${program} is not installed, and PostgreSQL's databases are backed up with it. It is one of PostgreSQL's client programs (Debian: postgresql-client).`,
  );
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
