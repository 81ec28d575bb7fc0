import type { PinholeError } from '../../model/errors.ts';
import type { PathReport, TrialReport } from '../../probe/client.ts';
import type { Change } from '../../probe/differences.ts';
import { showEndpoint } from '../../probe/endpoint.ts';
import type { Hole } from '../../probe/verdict.ts';
import { type Column, type Style, table } from '../../terminal/table.ts';

/** An address of the reflector that could not be asked. */
export interface Missing {
  readonly address: string;
  readonly error: PinholeError;
}

const WIDTH = 80;
/** Order of the table: what does not work first. */
const DATA_ORDER: readonly TrialReport['data'][] = ['blocked', 'partly', 'untested', 'passed'];
const DATA_STYLES: Readonly<Record<TrialReport['data'], Style>> = { blocked: 'red', partly: 'red', untested: 'red', passed: 'green' };

/** What "unknown" means where the connections passed. */
const OPEN = 'Where ALG is unknown, ports that were not announced are open too: an ALG would not be noticed.';

const COLUMNS: readonly Column<TrialReport>[] = [
  { title: 'TRIAL', value: titleOf },
  { title: 'FAMILY', value: ({ family }) => family },
  { title: 'PORT', value: portText },
  { title: 'DATA', value: ({ data }) => data, style: ({ data }) => DATA_STYLES[data] },
  { title: 'ALG', value: ({ alg }) => alg, style: ({ alg }) => (alg === 'present' ? 'yellow' : null) },
];

/** The reports for people: a summary, a table with problems first, and what each trial saw. At most 80 columns, except for long words. */
export function showPaths(paths: readonly PathReport[], missing: readonly Missing[]): string {
  const trials = paths.flatMap((path) => path.trials).sort((a, b) => DATA_ORDER.indexOf(a.data) - DATA_ORDER.indexOf(b.data));
  const summary = [...paths.map(translation), ...missing.map(({ error }) => error.message), algs(trials)].flatMap((text) => wrap(text, ''));
  const told = trials.filter(({ alg, data }) => alg !== 'unknown' || data !== 'passed');
  const rest = told.length < trials.length ? wrap(OPEN, '') : [];
  return `${summary.join('\n')}\n\n${table(trials, COLUMNS)}\n${told.map(detailsOf).join('')}${rest.map((line) => `${line}\n`).join('')}`;
}

/** The reports for programs. Names are snake_case, as everywhere on the wire. */
export function toJson(paths: readonly PathReport[], missing: readonly Missing[]): unknown {
  return {
    paths: paths.map(({ family, reflector, own, seen, trials }) => ({
      family,
      reflector,
      own_address: own,
      seen_address: seen,
      trials: trials.map((one) => ({
        helper: one.trial.helper,
        mode: one.trial.mode,
        protocol: one.trial.transport,
        port: one.port,
        data: one.data,
        alg: one.alg,
        why: one.why,
        client: one.client,
        reflector: one.reflector,
        announced: one.announced,
        rewritten: { to_reflector: one.rewritten.toReflector, to_client: one.rewritten.toClient },
        holes: one.holes.map(({ direction, target, announced, quiet }) => ({ direction, target, announced, other_port: quiet })),
      })),
    })),
    unreachable: missing.map(({ address, error }) => ({ address, error: error.message })),
  };
}

function titleOf({ trial }: TrialReport): string {
  return `${trial.helper} ${trial.mode}`;
}

function portText({ trial, port }: TrialReport): string {
  return `${trial.transport}/${port}`;
}

function translation({ family, own, seen, reflector }: PathReport): string {
  if (seen === null) return `${family}: from ${own} to ${reflector}.`;
  return own === seen
    ? `${family}: ${reflector} sees this host's own address, ${own}: no source NAT.`
    : `${family}: ${reflector} sees ${seen} instead of ${own}: source NAT.`;
}

/** Who reads along. */
function algs(trials: readonly TrialReport[]): string {
  const present = [...new Set(trials.filter(({ alg }) => alg === 'present').map((one) => `${one.trial.helper} on ${portText(one)}`))];
  return present.length > 0 ? `An ALG is in the path: ${present.join(', ')}.` : 'No ALG was noticed in the path.';
}

function detailsOf(report: TrialReport): string {
  const lines = [
    ...wrap(`${titleOf(report)}, ${report.family}, ${portText(report)}: ${report.why.join('; ')}.`, ''),
    ...report.rewritten.toReflector.flatMap((one) => changeLines(one, 'reflector')),
    ...report.rewritten.toClient.flatMap((one) => changeLines(one, 'client')),
    ...report.holes.flatMap(holeLines),
  ];
  return `${lines.join('\n')}\n`;
}

function changeLines({ sent, arrived }: Change, to: string): string[] {
  return [`  sent to the ${to}:`, `    ${oneLine(sent)}`, '  arrived as:', `    ${oneLine(arrived)}`];
}

function holeLines({ direction, target, announced, quiet }: Hole): string[] {
  const to = direction === 'to-client' ? 'client' : 'reflector';
  return wrap(`to the ${to} at ${showEndpoint(target)}: ${announced}; to a port that was not announced: ${quiet}`, '  ');
}

/** Bytes of strangers: control characters must not reach the terminal. */
function oneLine(text: string): string {
  const shown = text.replace(/[^ -~]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16).padStart(2, '0')}`);
  return shown === '' ? '(no such line)' : shown.slice(0, WIDTH - 4);
}

function wrap(text: string, indent: string): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= WIDTH) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(`${lines.length === 0 ? indent : `${indent}  `}${word}`);
  }
  return lines;
}
