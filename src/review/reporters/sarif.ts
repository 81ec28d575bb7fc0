import type { Log, ReportingDescriptor, Result, Run } from 'sarif';
import { cweUrl, typeName } from '../cwe.ts';
import type { Finding, Severity } from '../finding.ts';
import type { Report } from '../report.ts';
import { ALL_RULES } from '../rules.ts';

const LEVELS: Readonly<Record<Severity, Result.level>> = { critical: 'error', high: 'error', medium: 'warning', low: 'note', info: 'note' };
/** A number from 0 to 10, as in CVSS, by which code-scanning viewers sort (`security-severity`). */
const SECURITY_SEVERITY: Readonly<Record<Severity, string>> = { critical: '9.5', high: '8.0', medium: '5.5', low: '3.0', info: '1.0' };
const SCHEMA = 'https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json';

/**
 * SARIF 2.1.0 (OASIS) with CWE as taxonomy, for code-scanning viewers.
 * @param tool version of this Pinhole, for `tool.driver`
 */
export function sarif(report: Report, tool: { readonly version: string }): string {
  const findings = [...report.findings, ...report.suppressed];
  const used = [...new Set(findings.map(({ rule }) => rule))].sort();
  const cwes = [...new Set([...findings.flatMap(({ cwe, pillar }) => [cwe, pillar]), ...used.flatMap((id) => ruleOf(id)?.cwe ?? [])])].sort(
    (a, b) => a - b,
  );
  const run: Run = {
    tool: {
      driver: {
        name: 'pinhole review',
        version: tool.version,
        semanticVersion: tool.version,
        rules: used.map((id) => descriptor(id, cwes)),
        supportedTaxonomies: [{ name: 'CWE', index: 0 }],
      },
    },
    taxonomies: [
      {
        name: 'CWE',
        version: '4.15',
        organization: 'MITRE',
        shortDescription: { text: 'Common Weakness Enumeration, Research Concepts (CWE-1000)' },
        informationUri: 'https://cwe.mitre.org/data/definitions/1000.html',
        isComprehensive: false,
        taxa: cwes.map((cwe) => ({
          id: `CWE-${cwe}`,
          name: typeName(cwe).replace(/[^A-Za-z]+(\w)?/g, (_, next?: string) => next?.toUpperCase() ?? ''),
          shortDescription: { text: typeName(cwe) },
          helpUri: cweUrl(cwe),
        })),
      },
    ],
    artifacts: report.subjects.map(({ name }) => ({ location: { uri: uriOf(name) } })),
    results: findings.map((finding) => resultOf(finding, used.indexOf(finding.rule), cwes)),
    columnKind: 'utf16CodeUnits',
    invocations: [
      {
        executionSuccessful: report.notes.every(({ level }) => level !== 'error'),
        toolExecutionNotifications: report.notes.map(({ subject, note, level }) => ({
          level: level ?? ('note' as const),
          message: { text: `${subject}: ${note}` },
        })),
      },
    ],
  };
  const log: Log = { $schema: SCHEMA, version: '2.1.0', runs: [run] };
  return `${JSON.stringify(log, null, 2)}\n`;
}

function ruleOf(id: string) {
  return ALL_RULES.find(({ rule }) => rule.id === id)?.rule;
}

/** The description of a rule (3.49, reportingDescriptor). */
function descriptor(id: string, cwes: readonly number[]): ReportingDescriptor {
  const rule = ruleOf(id);
  if (!rule) return { id, shortDescription: { text: 'A claim of the second reader, checked against the code.' } };
  return {
    id,
    name: id.replace(/(^|-)(\w)/g, (_, _dash, letter: string) => letter.toUpperCase()),
    shortDescription: { text: `${rule.title[0]?.toUpperCase()}${rule.title.slice(1)}.` },
    fullDescription: { text: rule.why },
    help: { text: rule.remedy },
    helpUri: cweUrl(rule.cwe),
    defaultConfiguration: { level: LEVELS[rule.severity] },
    relationships: [
      { target: { id: `CWE-${rule.cwe}`, index: cwes.indexOf(rule.cwe), toolComponent: { name: 'CWE', index: 0 } }, kinds: ['superset'] },
    ],
    properties: { tags: ['security', `external/cwe/cwe-${rule.cwe}`], 'security-severity': SECURITY_SEVERITY[rule.severity] },
  };
}

/** A finding as a result (3.27): evidence with lines becomes the code flow, the rest joins the message. */
function resultOf(finding: Finding, ruleIndex: number, cwes: readonly number[]): Result {
  const { subject, solution } = finding;
  const location = (line: number, endLine = line) => ({
    physicalLocation: { artifactLocation: { uri: uriOf(subject) }, region: { startLine: line, endLine } },
  });
  const flow = finding.evidence.filter(({ line }) => line !== null);
  const facts = finding.evidence.filter(({ line }) => line === null).map(({ fact }) => fact);
  const result: Result = {
    ruleId: finding.rule,
    ruleIndex,
    level: LEVELS[finding.severity],
    message: { text: [`${finding.claim}.`, ...facts.map((fact) => `${fact}.`), solution.text].join(' ') },
    locations: [
      {
        ...location(finding.line, finding.endLine),
        ...(finding.symbol ? { logicalLocations: [{ fullyQualifiedName: finding.symbol }] } : {}),
      },
    ],
    partialFingerprints: { 'pinholeReview/v1': finding.fingerprint },
    taxa: [{ id: `CWE-${finding.cwe}`, index: cwes.indexOf(finding.cwe), toolComponent: { name: 'CWE', index: 0 } }],
    properties: { confidence: finding.confidence, severity: finding.severity, pillar: `CWE-${finding.pillar}` },
  };
  if (flow.length > 0)
    result.codeFlows = [
      {
        threadFlows: [
          { locations: flow.map(({ line, fact }) => ({ location: { ...location(line as number), message: { text: fact } } })) },
        ],
      },
    ];
  const fix = solution.diff ? replacements(solution.diff) : [];
  if (fix.length > 0)
    result.fixes = [
      { description: { text: solution.text }, artifactChanges: [{ artifactLocation: { uri: uriOf(subject) }, replacements: fix }] },
    ];
  if (finding.suppressed !== null) result.suppressions = [{ kind: 'external', justification: finding.suppressed }];
  return result;
}

/**
 * A hunk as a SARIF replacement (3.57). Hunks of this reviewer replace whole lines, SARIF wants regions. Hunks with context
 * lines give none.
 */
function replacements(diff: string) {
  const [, from, count] = /^@@ -(\d+)(?:,(\d+))? /.exec(diff) ?? [];
  const lines = diff.split('\n').slice(1);
  const added = lines.filter((line) => line.startsWith('+')).map((line) => line.slice(1));
  const removed = lines.filter((line) => line.startsWith('-'));
  if (from === undefined || lines.some((line) => !/^[-+]/.test(line))) return [];
  const start = count === '0' ? Number(from) + 1 : Number(from);
  return [
    {
      deletedRegion: { startLine: start, startColumn: 1, endLine: start + removed.length, endColumn: 1 },
      insertedContent: { text: added.map((line) => `${line}\n`).join('') },
    },
  ];
}

/** A file as a relative or `file:` URI; a live ruleset gets the scheme `netns:`. */
function uriOf(name: string): string {
  const live = /^netns (.*)$|^host$/.exec(name);
  if (live) return `netns:${encodeURIComponent(live[1] ?? 'host')}`;
  return name.split('/').map(encodeURIComponent).join('/').replace(/^\//, 'file:///');
}
