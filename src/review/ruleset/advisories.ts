import type { Severity } from '../finding.ts';

/** A published vulnerability of a helper. */
export interface Advisory {
  readonly id: string;
  /** Kernel types. */
  readonly helpers: readonly string[];
  readonly summary: string;
  /** First mainline release that has the defect; null: as old as the helper. */
  readonly introduced: string | null;
  /** First mainline release with the fix. */
  readonly fixed: string;
  /** First fixed release of each stable series. */
  readonly backports: readonly string[];
  /** Date, as YYYY-MM-DD. */
  readonly published: string;
  readonly source: string;
  readonly severity: Severity;
}

const nvd = (id: string) => `https://nvd.nist.gov/vuln/detail/${id}`;

/**
 * From the National Vulnerability Database. Versions are those of kernel.org; a distribution may have backported a fix to an
 * older version.
 */
export const ADVISORIES: readonly Advisory[] = [
  {
    id: 'CVE-2024-26851',
    helpers: ['RAS', 'Q.931'],
    summary: 'nf_conntrack_h323 reads the length of an optional field without a bound, and shifts beyond the width of the type',
    introduced: null,
    fixed: '6.8',
    backports: ['4.19.310', '5.4.272', '5.10.213', '5.15.152', '6.1.82', '6.6.22', '6.7.10'],
    published: '2024-04-17',
    source: nvd('CVE-2024-26851'),
    severity: 'medium',
  },
  {
    id: 'CVE-2022-2663',
    helpers: ['irc'],
    summary: 'nf_conntrack_irc misreads other text as a message: unencrypted IRC can bypass a firewall',
    introduced: null,
    fixed: '6.0',
    backports: ['4.9.328', '4.14.293', '4.19.258', '5.4.213', '5.10.143', '5.15.68', '5.19.9'],
    published: '2022-09-01',
    source: nvd('CVE-2022-2663'),
    severity: 'medium',
  },
  {
    id: 'CVE-2019-9162',
    helpers: ['snmp'],
    summary: 'the SNMP NAT module checks ASN.1 lengths insufficiently: it reads and writes out of bounds',
    introduced: '4.16',
    fixed: '5.0',
    backports: ['4.19.25', '4.20.12'],
    published: '2019-02-25',
    source: nvd('CVE-2019-9162'),
    severity: 'high',
  },
  {
    id: 'CVE-2007-3642',
    helpers: ['RAS', 'Q.931'],
    summary: 'nf_conntrack_h323 dereferences a null pointer on a choice that is out of range: one packet crashes the kernel',
    introduced: null,
    fixed: '2.6.22',
    backports: ['2.6.20.15', '2.6.21.6'],
    published: '2007-07-10',
    source: nvd('CVE-2007-3642'),
    severity: 'high',
  },
];

/**
 * Whether a kernel lacks the fix.
 * @param kernel version as `uname -r` prints it; one that cannot be parsed is not affected
 */
export function isAffected(advisory: Advisory, kernel: string): boolean {
  const version = parts(kernel);
  if (version.length === 0 || compare(version, parts(advisory.fixed)) >= 0) return false;
  if (advisory.introduced !== null && compare(version, parts(advisory.introduced)) < 0) return false;
  const series = advisory.backports
    .map(parts)
    .find((fixed) => fixed[0] === version[0] && fixed[1] === version[1] && (fixed.length < 4 || fixed[2] === version[2]));
  return !series || compare(version, series) < 0;
}

/** The numbers of a version, at most four; empty: it is no version. */
function parts(version: string): number[] {
  return (/^\d+(\.\d+){0,3}/.exec(version)?.[0] ?? '').split('.').filter(Boolean).map(Number);
}

/** Negative, zero or positive, as for a sort. Missing numbers count as zero. */
function compare(a: readonly number[], b: readonly number[]): number {
  for (let index = 0; index < Math.max(a.length, b.length); index++) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
