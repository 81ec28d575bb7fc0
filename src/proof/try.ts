import type { Diagnosis } from '../contract/diagnosis.ts';
import type { DesiredHelper } from '../contract/helper.ts';
import type { Protocol } from '../model/catalogue.ts';
import type { Service } from '../probe/channel.ts';
import type { PathReport, TrialReport } from '../probe/client.ts';
import { showEndpoint } from '../probe/endpoint.ts';
import { PROBED } from '../probe/trials.ts';
import type { Hole } from '../probe/verdict.ts';
import type { Stopped } from './trace.ts';

/** A helper to try: as it is declared, or as it stands in the kernel. */
export type Tried = Pick<DesiredHelper, 'helper' | 'protocol' | 'port' | 'scope'>;

/** The port of FTP over TLS from the first byte. */
const FTPS_PORT = 990;

/** What can be tried of some helpers, and notes about the rest. */
export function planTries(helpers: readonly Tried[]): { services: Service[]; notes: Diagnosis[] } {
  const services: Service[] = [];
  const notes: Diagnosis[] = [];
  for (const { helper, protocol, port } of helpers) {
    const probed = PROBED.find((one) => one === helper);
    const transport = transportOf(protocol);
    const check = `try ${helper} ${protocol}/${port}`;
    if (!probed || !transport) notes.push({ check, result: 'note', detail: `not tried: no probe speaks ${helper}` });
    else if (probed === 'ftp' && port === FTPS_PORT)
      notes.push({ check, result: 'note', detail: 'not tried: port 990 is FTP over TLS, which no helper can read' });
    else if (!services.some((one) => one.helper === probed && one.transport === transport && one.port === port))
      services.push({ helper: probed, transport, port });
  }
  if (services.some(({ helper }) => helper === 'ftp'))
    notes.push({ check: 'try ftp', result: 'note', detail: 'tried without TLS: after AUTH TLS, no helper can read the connection' });
  return { services, notes };
}

function transportOf(protocol: string): Protocol | null {
  return protocol === 'tcp' || protocol === 'udp' ? protocol : null;
}

/**
 * What the doctor says about the reports.
 * @param stopped where packets ended, if that was traced
 * @param others trials of the same path without Pinhole's table; null: that was not tried
 */
export function tryResults(reports: readonly PathReport[], stopped: readonly Stopped[], others: readonly PathReport[] | null): Diagnosis[] {
  return reports.flatMap(({ family, trials }) => {
    const other = others?.find((one) => one.family === family);
    return trials.map((trial) =>
      resultOf(trial, stopped, other?.trials.some((one) => isSamePort(one, trial) && one.alg === 'present') ?? false),
    );
  });
}

/**
 * What the results of a copy say of the router itself, where the router has something that the copy lacks: that a packet passed there is no
 * proof.
 * @param lacking what the copy lacks, like `the tc filters of wan`
 */
export function lackingIn(results: readonly Diagnosis[], lacking: readonly string[]): Diagnosis[] {
  if (lacking.length === 0) return [...results];
  const why = `not known: the copy lacks ${lacking.join(' and ')}. Try it with --client and --server`;
  return results.map(({ check, result, detail }) => ({
    check,
    result: result === 'ok' ? 'note' : result,
    detail: result === 'ok' ? [why, detail].filter(Boolean).join('; ') : detail,
  }));
}

function isSamePort(a: TrialReport, b: TrialReport): boolean {
  return a.trial.helper === b.trial.helper && a.trial.transport === b.trial.transport && a.port === b.port;
}

function resultOf(report: TrialReport, stopped: readonly Stopped[], isOther: boolean): Diagnosis {
  const { trial, family, port, data, why } = report;
  const detail = [
    ...why,
    ...rewritings(report),
    ...report.holes.map(holeText),
    ...new Set(report.holes.flatMap((hole) => stopOf(report, hole, stopped))),
    ...(isOther ? ['without table inet pinhole an ALG is still there: another program assigns a helper, too'] : []),
  ];
  return {
    check: `try ${trial.helper} ${trial.mode} ${trial.transport}/${port} ${family}`,
    result: data === 'passed' ? 'ok' : 'problem',
    detail: detail.join('; '),
  };
}

function rewritings({ rewritten, client, announced }: TrialReport): string[] {
  const count = rewritten.toReflector.length + rewritten.toClient.length;
  if (count === 0) return [];
  const into = announced ? `, and names ${showEndpoint(announced)} for ${client.own?.address ?? 'the client'}` : '';
  return [`${count} ${count === 1 ? 'line was' : 'lines were'} rewritten${into}`];
}

function holeText({ direction, target, announced, quiet }: Hole): string {
  const to = direction === 'to-client' ? 'to the client' : 'to the server';
  return `${to} at ${showEndpoint(target)}: ${announced}, and ${quiet} beside it`;
}

/** The rules at which the packets of an announced connection ended. */
function stopOf({ trial }: TrialReport, { target, announced }: Hole, stopped: readonly Stopped[]): string[] {
  if (announced === 'passed') return [];
  const protocol: Protocol = trial.helper === 'tftp' || trial.helper === 'sip' ? 'udp' : 'tcp';
  const found = stopped.find((one) => one.protocol === protocol && one.port === target.port);
  return found ? [`stopped by ${found.by}`] : [];
}
