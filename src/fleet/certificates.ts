import { execFile } from 'node:child_process';
import { createPrivateKey, randomBytes, X509Certificate } from 'node:crypto';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { PinholeError } from '../model/errors.ts';
import { textOf } from './files.ts';
import type { Certificates } from './machine-files.ts';

const run = promisify(execFile);
const AUTHORITY_DAYS = 3_650;
const MACHINE_DAYS = 825;
/** Where keys and certificates are made, before they have their names. */
const SCRATCH = 'scratch';
/** A certificate that ends earlier than in this time is made anew. */
const RENEW_MS = 30 * 86_400_000;
const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
/** Longest common name (RFC 5280, ub-common-name). The names that count are the alternative ones. */
const MAX_COMMON_NAME = 64;

/** The authority of a fleet and the certificates of its machines, in the fleet's folder. */
export class Authority {
  readonly #folder: string;
  readonly #now: Date;

  constructor(folder: string, now: Date) {
    this.#folder = folder;
    this.#now = now;
  }

  /** Makes the authority, unless it is there, and removes what an interrupted call left. @throws PinholeError `program-missing` */
  async open(): Promise<void> {
    rmSync(join(this.#folder, SCRATCH), { recursive: true, force: true });
    for (const name of [SCRATCH, 'authority', 'certificates']) mkdirSync(join(this.#folder, name), { recursive: true, mode: 0o700 });
    if (this.#read(null) !== null) return;
    await this.#make(null, async (key, cert) => {
      const extensions = ['-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=critical,keyCertSign,cRLSign'];
      const subject = ['-subj', '/CN=Pinhole fleet', '-days', String(AUTHORITY_DAYS)];
      await openssl('req', '-x509', ...NEW_KEY, ...subject, ...extensions, '-keyout', key, '-out', cert);
    });
  }

  /** Returns a machine's certificates, which are made unless they are there and hold for another month. */
  async of(machine: string): Promise<Certificates> {
    const ca = this.#read(null) as { cert: string; key: string };
    const known = this.#read(machine);
    if (known === null || !this.#holds(known.cert, ca.cert)) await this.#issue(machine);
    const { cert, key } = this.#read(machine) as { cert: string; key: string };
    return { ca: ca.cert, cert, key };
  }

  async #issue(machine: string): Promise<void> {
    await this.#make(machine, async (key, cert) => {
      const [request, extensions] = [`${cert}.request`, `${cert}.extensions`];
      const common = machine.length > MAX_COMMON_NAME ? 'machine of the fleet' : machine;
      await openssl('req', '-new', ...NEW_KEY, '-subj', `/CN=${common}`, '-keyout', key, '-out', request);
      const kind = isIP(machine) === 0 ? 'DNS' : 'IP';
      writeFileSync(extensions, `subjectAltName=${kind}:${machine}\nextendedKeyUsage=serverAuth,clientAuth\nbasicConstraints=CA:FALSE\n`);
      const serial = `0x${(randomBytes(1).readUInt8() & 0x7f).toString(16)}${randomBytes(15).toString('hex')}`;
      const signer = ['-CA', this.#path(null, 'cert'), '-CAkey', this.#path(null, 'key'), '-set_serial', serial];
      await openssl('x509', '-req', '-in', request, ...signer, '-days', String(MACHINE_DAYS), '-extfile', extensions, '-out', cert);
    });
  }

  /** Puts key and certificate in place, the certificate last: a certificate without its key is no use, and is made anew. */
  async #make(name: string | null, work: (key: string, cert: string) => Promise<void>): Promise<void> {
    const scratch = mkdtempSync(join(this.#folder, SCRATCH, 'new-'));
    const [key, cert] = [join(scratch, 'key'), join(scratch, 'cert')];
    await work(key, cert);
    renameSync(key, this.#path(name, 'key'));
    renameSync(cert, this.#path(name, 'cert'));
    rmSync(scratch, { recursive: true });
  }

  /** Key and certificate that belong together; null if they do not, or one is missing. */
  #read(name: string | null): { cert: string; key: string } | null {
    const [key, cert] = [textOf(this.#path(name, 'key')), textOf(this.#path(name, 'cert'))];
    if (key === null || cert === null) return null;
    return new X509Certificate(cert).checkPrivateKey(createPrivateKey(key)) ? { key, cert } : null;
  }

  #holds(cert: string, ca: string): boolean {
    const certificate = new X509Certificate(cert);
    const lasts = Date.parse(certificate.validTo) - this.#now.getTime() > RENEW_MS;
    return lasts && certificate.verify(new X509Certificate(ca).publicKey);
  }

  /** @param name of a machine; null for the authority itself */
  #path(name: string | null, what: 'key' | 'cert'): string {
    return name === null ? join(this.#folder, 'authority', `${what}.pem`) : join(this.#folder, 'certificates', `${name}-${what}.pem`);
  }
}

async function openssl(...argv: string[]): Promise<void> {
  await run('openssl', argv).catch((error: NodeJS.ErrnoException & { stderr?: string }) => {
    if (error.code === 'ENOENT') throw new PinholeError('program-missing', 'openssl is not installed, and certificates are made with it.');
    throw new PinholeError('internal', `openssl failed: ${error.stderr?.trim() ?? error.message}`);
  });
}
