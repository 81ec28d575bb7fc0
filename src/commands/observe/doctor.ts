import { Client, type ClientFlags } from '../../client/client.ts';
import { findRouter, STATUS_VIEW, type StatusView } from '../../client/resources.ts';
import { loadConfig } from '../../config/config.ts';
import { type Diagnosis, ROUTER_DIAGNOSIS } from '../../contract/diagnosis.ts';
import { type Netns, showNetns } from '../../contract/netns.ts';
import type { Router } from '../../contract/router.ts';
import { declaredOf } from '../../diagnosis/declared.ts';
import { diagnose, type Question, worstFirst } from '../../diagnosis/diagnosis.ts';
import { unconfined } from '../../diagnosis/unconfined.ts';
import { hostChecks } from '../../inspect/host-checks.ts';
import { LinuxKernel } from '../../kernel/linux/linux-kernel.ts';
import { parseNetwork } from '../../model/address.ts';
import { Denied, InvalidInput, PinholeError, Reported } from '../../model/errors.ts';
import { silentLogger } from '../../ports/logger.ts';
import { print, printJson } from '../../terminal/table.ts';
import { doctorText } from './doctor-text.ts';

/** Flags of `doctor`. Each is undefined unless it was given. */
export interface DoctorFlags extends ClientFlags {
  readonly netns?: string;
  readonly from?: string;
  readonly to?: string;
  readonly try?: boolean;
}

type Named = Question['named'];
type HelperView = StatusView['helpers'][number];

/** A router, and what became of its helpers. */
interface Patient {
  readonly router: Router;
  readonly helpers: readonly HelperView[];
  readonly client: Client;
}

/**
 * Prints why helpers do not work in a router or, with `--netns`, in a namespace, and what this kernel can do. Root asks the kernel of this
 * host; where the router is on another host, or for another user, the router's agent is asked through the API.
 * @throws Denied for a question to this kernel unless root asks; InvalidInput for an address; Reported, so that the exit status is 1, if a
 * check found a problem
 */
export async function doctor(router: string | undefined, flags: DoctorFlags): Promise<void> {
  const named = { from: address(flags.from, '--from'), to: address(flags.to, '--to') };
  const patient = router === undefined ? null : await patientOf(router, flags);
  const isRoot = process.getuid?.() === 0;
  const found = patient && !(isRoot && isHere(patient.router, flags)) ? await byAgent(patient, named) : null;
  if (found && flags.try) throw new InvalidInput('--try', '--try sends packets on this host: call it as root on the host of the router.');
  if (!found && !isRoot) throw new Denied('This needs root: it asks the kernel. Try again with sudo.');
  show(found ?? (await byKernel(patient, named, flags)), flags);
}

/** A single address; null: not given. @throws InvalidInput */
function address(text: string | undefined, flag: string): string | null {
  if (text === undefined) return null;
  if (text.includes('/')) throw new InvalidInput(flag, `${flag} is one address, like 192.0.2.1.`);
  parseNetwork(text, flag);
  return text;
}

async function patientOf(name: string, flags: DoctorFlags): Promise<Patient> {
  const client = new Client(flags);
  const { value: router } = await findRouter(client, name);
  const { helpers } = await client.read(STATUS_VIEW, 'GET', `/v1/status/${router.id}`);
  return { router, helpers, client };
}

/** Whether a router is one of this host, as far as is known. */
function isHere({ host }: Router, { config }: DoctorFlags): boolean {
  return host === null || host === loadConfig({ config }, process.env).host;
}

/** What the router's agent finds. */
async function byAgent({ router, helpers, client }: Patient, { from, to }: Named): Promise<Diagnosis[]> {
  const query = new URLSearchParams({ ...(from === null ? {} : { from }), ...(to === null ? {} : { to }) });
  const { checks } = await client.read(ROUTER_DIAGNOSIS, 'GET', `/v1/routers/${router.id}/diagnosis?${query}`);
  return [...helpers.flatMap(statusRows), ...unconfined(router, helpers), ...checks];
}

/** What the kernel of this host shows. */
async function byKernel(patient: Patient | null, named: Named, flags: DoctorFlags): Promise<Diagnosis[]> {
  const kernel = new LinuxKernel({ allowed: () => true, logger: silentLogger });
  try {
    const capabilities = await kernel.capabilities();
    const question: Question = { named, missingNat: capabilities.missingNat, declared: [] };
    const found = hostChecks(capabilities);
    if (patient) found.push(...(await routerChecks({ kernel, question }, patient)));
    else if (flags.netns !== undefined) found.push(...diagnose(await kernel.allRules(flags.netns), question));
    if (flags.try) found.push(...(await (await import('./doctor-try.ts')).doctorTry(kernel, patient?.router.id, flags)));
    return found;
  } finally {
    await kernel.close();
  }
}

/** @throws Reported, so that the exit status is 1, if a check found a problem */
function show(found: readonly Diagnosis[], { json }: DoctorFlags): void {
  const sorted = worstFirst(found);
  if (json) printJson(sorted);
  else print(doctorText(sorted));
  const problems = found.filter(({ result }) => result === 'problem').length;
  if (problems > 0) throw new Reported('internal', `${problems} ${problems === 1 ? 'problem' : 'problems'} found`);
}

/** What a namespace is asked, and the kernel that answers. */
interface Asked {
  readonly kernel: LinuxKernel;
  readonly question: Question;
}

async function routerChecks({ kernel, question }: Asked, { router, helpers }: Patient): Promise<Diagnosis[]> {
  const { name, netns, host } = router;
  if (netns === null) return [{ check: `router ${name}`, result: 'problem', detail: 'has no network namespace, so no agent serves it' }];
  const declared = helpers.flatMap((helper) => declaredOf(helper, helper.families));
  const found = [...helpers.flatMap(statusRows), ...unconfined(router, helpers)];
  return [...found, ...(await rulesOf({ kernel, question: { ...question, declared } }, netns, host))];
}

function statusRows({ helper, protocol, port, families }: HelperView): Diagnosis[] {
  return families.map(({ family, status, reason }) => ({
    check: `${helper} ${protocol}/${port} ${family} status`,
    result: status === 'ACTIVE' ? 'ok' : 'problem',
    detail: [status, reason].filter(Boolean).join(': '),
  }));
}

async function rulesOf({ kernel, question }: Asked, netns: Netns, host: string | null): Promise<Diagnosis[]> {
  try {
    return diagnose(await kernel.allRules(netns), question);
  } catch (error) {
    if (!(error instanceof PinholeError) || error.code !== 'netns-not-found') throw error;
    return [
      {
        check: `network namespace ${showNetns(netns)}`,
        result: 'problem',
        detail: host === null ? 'is not on this host; the router has no host' : `is not on this host; the router's host is ${host}`,
      },
    ];
  }
}
