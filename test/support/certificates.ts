import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Certificate {
  readonly certificate: string;
  readonly key: string;
}

/** An authority of a test's own, made by openssl. */
export class Authority {
  readonly ca: string;
  readonly #directory: string;
  readonly #key: string;
  #serial = 1;

  constructor(directory: string) {
    this.#directory = directory;
    this.ca = join(directory, 'ca.pem');
    this.#key = join(directory, 'ca-key.pem');
    openssl(
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-days',
      '2',
      '-subj',
      '/CN=test authority',
      '-keyout',
      this.#key,
      '-out',
      this.ca,
    );
  }

  issue(name: string): Certificate {
    const file = (suffix: string) => join(this.#directory, `${name}-${this.#serial}.${suffix}`);
    const [key, request, certificate, extensions] = ['key', 'csr', 'pem', 'ext'].map(file) as [string, string, string, string];
    this.#serial++;
    writeFileSync(extensions, 'subjectAltName=DNS:localhost,IP:127.0.0.1\n');
    openssl(
      'req',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-subj',
      `/CN=${name}`,
      '-keyout',
      key,
      '-out',
      request,
    );
    openssl(
      'x509',
      '-req',
      '-in',
      request,
      '-CA',
      this.ca,
      '-CAkey',
      this.#key,
      '-set_serial',
      String(this.#serial),
      '-days',
      '2',
      '-extfile',
      extensions,
      '-out',
      certificate,
    );
    return { certificate, key };
  }
}

function openssl(...argv: string[]): void {
  execFileSync('openssl', argv, { stdio: 'pipe' });
}
