import { Client, type ClientFlags } from '../../client/client.ts';
import { findRouter, STATUS_VIEW } from '../../client/resources.ts';
import { type Netns, showNetns } from '../../contract/netns.ts';
import { type Diagnosis, diagnose } from '../../inspect/diagnosis.ts';
import { hostChecks } from '../../inspect/host-checks.ts';
import { LinuxKernel } from '../../kernel/linux/linux-kernel.ts';
import { Denied, PinholeError, Reported } from '../../model/errors.ts';
import { silentLogger } from '../../ports/logger.ts';
import { type Column, print, printJson, type Style, table } from '../../terminal/table.ts';

const STYLES: Readonly<Record<Diagnosis['result'], Style>> = { ok: 'green', note: 'yellow', problem: 'red' };

const COLUMNS: readonly Column<Diagnosis>[] = [
  { title: 'CHECK', value: ({ check }) => check },
  { title: 'RESULT', value: ({ result }) => result, style: ({ result }) => STYLES[result] },
  { title: 'DETAIL', value: ({ detail }) => detail },
];

/**
 * Prints what this kernel can do, and why helpers do not work in a router or, with `--netns`, in a namespace.
 * @throws Denied unless root; Reported, so that the exit status is 1, if a check found a problem
 */
export async function doctor(router: string | undefined, flags: ClientFlags & { netns?: string }): Promise<void> {
  if (process.getuid?.() !== 0) throw new Denied('This needs root: it asks the kernel. Try again with sudo.');
  const kernel = new LinuxKernel({ allowed: () => true, logger: silentLogger });
  try {
    const found = hostChecks(await kernel.capabilities());
    if (router !== undefined) found.push(...(await routerChecks(kernel, router, flags)));
    else if (flags.netns !== undefined) found.push(...diagnose(await kernel.allRules(flags.netns)));
    if (flags.json) printJson(found);
    else print(table(found, COLUMNS));
    const problems = found.filter(({ result }) => result === 'problem').length;
    if (problems > 0) throw new Reported('internal', `${problems} ${problems === 1 ? 'problem' : 'problems'} found`);
  } finally {
    await kernel.close();
  }
}

async function routerChecks(kernel: LinuxKernel, name: string, flags: ClientFlags): Promise<Diagnosis[]> {
  const client = new Client(flags);
  const { id, netns, host } = (await findRouter(client, name)).value;
  if (netns === null) return [{ check: `router ${name}`, result: 'problem', detail: 'has no network namespace, so no agent serves it' }];
  const view = await client.read(STATUS_VIEW, 'GET', `/v1/status/${id}`);
  const statuses = view.helpers.flatMap(({ helper, protocol, port, families }) =>
    families.map(
      ({ family, status, reason }): Diagnosis => ({
        check: `${helper} ${protocol}/${port} ${family}`,
        result: status === 'ACTIVE' ? 'ok' : 'problem',
        detail: [status, reason].filter(Boolean).join(': '),
      }),
    ),
  );
  const tls = view.helpers.filter(({ helper, port }) => helper === 'ftp' && port === 990);
  const ftps: Diagnosis[] = tls.map(({ port }) => ({
    check: `ftp port ${port}`,
    result: 'problem',
    detail: 'no helper can read FTP over TLS: give the server a fixed range of data ports and open that range',
  }));
  return [...statuses, ...ftps, ...(await rulesOf(kernel, netns, host))];
}

async function rulesOf(kernel: LinuxKernel, netns: Netns, host: string | null): Promise<Diagnosis[]> {
  try {
    return diagnose(await kernel.allRules(netns));
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
