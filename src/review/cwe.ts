/** The ten pillars of CWE-1000 (Research Concepts, CWE 4.15). */
export const PILLARS = {
  284: 'Improper Access Control',
  435: 'Improper Interaction Between Multiple Correctly-Behaving Entities',
  664: 'Improper Control of a Resource Through its Lifetime',
  682: 'Incorrect Calculation',
  691: 'Insufficient Control Flow Management',
  693: 'Protection Mechanism Failure',
  697: 'Incorrect Comparison',
  703: 'Improper Check or Handling of Exceptional Conditions',
  707: 'Improper Neutralization',
  710: 'Improper Adherence to Coding Standards',
} as const;

/** Id of a pillar. */
export type Pillar = keyof typeof PILLARS;
export const PILLAR_IDS: readonly Pillar[] = [284, 435, 664, 682, 691, 693, 697, 703, 707, 710];

/** A weakness below a pillar. */
interface Weakness {
  readonly name: string;
  readonly pillar: Pillar;
}

const weakness = (pillar: Pillar, name: string): Weakness => ({ name, pillar });

/**
 * The weaknesses that rules report. Each stands under a pillar that its chain of `ChildOf` reaches in CWE-1000; where a chain
 * reaches two pillars, one was chosen.
 */
export const WEAKNESSES = {
  74: weakness(707, "Improper Neutralization of Special Elements in Output Used by a Downstream Component ('Injection')"),
  78: weakness(707, "Improper Neutralization of Special Elements used in an OS Command ('OS Command Injection')"),
  89: weakness(707, "Improper Neutralization of Special Elements used in an SQL Command ('SQL Injection')"),
  128: weakness(682, 'Wrap-around Error'),
  190: weakness(682, 'Integer Overflow or Wraparound'),
  284: weakness(284, PILLARS[284]),
  295: weakness(284, 'Improper Certificate Validation'),
  306: weakness(284, 'Missing Authentication for Critical Function'),
  319: weakness(693, 'Cleartext Transmission of Sensitive Information'),
  338: weakness(693, 'Use of Cryptographically Weak Pseudo-Random Number Generator (PRNG)'),
  346: weakness(693, 'Origin Validation Error'),
  362: weakness(691, "Concurrent Execution using Shared Resource with Improper Synchronization ('Race Condition')"),
  367: weakness(691, 'Time-of-check Time-of-use (TOCTOU) Race Condition'),
  369: weakness(682, 'Divide By Zero'),
  390: weakness(703, 'Detection of Error Condition Without Action'),
  424: weakness(693, 'Improper Protection of Alternate Path'),
  436: weakness(435, 'Interpretation Conflict'),
  441: weakness(664, "Unintended Proxy or Intermediary ('Confused Deputy')"),
  460: weakness(703, 'Improper Cleanup on Thrown Exception'),
  476: weakness(703, 'NULL Pointer Dereference'),
  478: weakness(697, 'Missing Default Case in Multiple Condition Expression'),
  532: weakness(664, 'Insertion of Sensitive Information into Log File'),
  561: weakness(710, 'Dead Code'),
  563: weakness(710, 'Assignment to Variable without Use'),
  573: weakness(710, 'Improper Following of Specification by Caller'),
  668: weakness(664, 'Exposure of Resource to Wrong Sphere'),
  684: weakness(710, 'Incorrect Provision of Specified Functionality'),
  694: weakness(710, 'Use of Multiple Resources with Duplicate Identifier'),
  696: weakness(691, 'Incorrect Behavior Order'),
  705: weakness(691, 'Incorrect Control Flow Scoping'),
  732: weakness(284, 'Incorrect Permission Assignment for Critical Resource'),
  770: weakness(664, 'Allocation of Resources Without Limits or Throttling'),
  772: weakness(664, 'Missing Release of Resource after Effective Lifetime'),
  820: weakness(664, 'Missing Synchronization'),
  834: weakness(691, 'Excessive Iteration'),
  862: weakness(284, 'Missing Authorization'),
  923: weakness(284, 'Improper Restriction of Communication Channel to Intended Endpoints'),
  1023: weakness(697, 'Incomplete Comparison with Missing Factors'),
  1024: weakness(697, 'Comparison of Incompatible Types'),
  1088: weakness(664, 'Synchronous Access of Remote Resource without Timeout'),
  1099: weakness(710, 'Inconsistent Naming Conventions for Identifiers'),
  1164: weakness(710, 'Irrelevant Code'),
  1188: weakness(664, 'Initialization of a Resource with an Insecure Default'),
  1339: weakness(682, 'Insufficient Precision or Accuracy of a Real Number'),
  1395: weakness(664, 'Dependency on Vulnerable Third-Party Component'),
} as const satisfies Readonly<Record<number, Weakness>>;

/** Id of a weakness that a rule can report. */
export type Cwe = keyof typeof WEAKNESSES;

/** The pillar under which a weakness is reported. */
export function pillarOf(cwe: Cwe): Pillar {
  return WEAKNESSES[cwe].pillar;
}

/** The name of a pillar or weakness, as MITRE writes it. */
export function typeName(id: Pillar | Cwe): string {
  return id in PILLARS ? PILLARS[id as Pillar] : WEAKNESSES[id as Cwe].name;
}

/** The page of a weakness on MITRE's site. */
export function cweUrl(id: number): string {
  return `https://cwe.mitre.org/data/definitions/${id}.html`;
}

/**
 * Reads an id as users write it: `CWE-703`, `cwe-703` or `703`. The id of a weakness below a pillar selects that weakness alone.
 * @returns null for an unknown id
 */
export function parseType(text: string): Pillar | Cwe | null {
  const id = Number(/^(?:CWE-)?(\d{1,5})$/i.exec(text.trim())?.[1]);
  return id in PILLARS || id in WEAKNESSES ? (id as Pillar | Cwe) : null;
}
