import type { Answer } from '../../client/answer.ts';
import type { ClientFlags } from '../../client/client.ts';
import type { Host, HostState } from '../../contract/host.ts';
import { largest } from '../../model/extremes.ts';
import { type Column, print, printJson, type Style, table } from '../../terminal/table.ts';

const STYLES: Readonly<Record<HostState, Style>> = { alive: 'green', silent: 'red', unknown: 'magenta' };
/** Hosts with a problem first. */
const ORDER: readonly HostState[] = ['unknown', 'silent', 'alive'];

const COLUMNS: readonly Column<Host>[] = [
  { title: 'HOST', value: ({ host }) => host },
  { title: 'STATE', value: ({ state }) => state, style: ({ state }) => STYLES[state] },
  { title: 'KERNEL', value: ({ kernelRelease }) => kernelRelease ?? '-' },
  { title: 'VERSION', value: ({ version }) => version ?? '-' },
  { title: 'ROUTERS', value: ({ routers }) => String(routers) },
  { title: 'SEEN', value: ({ seenAt }) => seenAt ?? 'never' },
];

/** Prints hosts as a table, with problems first and a line for each; with `--json`, the API's objects as an array. */
export function showHosts(hosts: readonly Answer<Host>[], flags: ClientFlags): void {
  if (flags.json) {
    printJson(hosts.map(({ json }) => json));
    return;
  }
  const rows = hosts.map(({ value }) => value).sort((a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state));
  print(table(rows, COLUMNS));
  for (const host of rows) for (const problem of problemsOf(host)) print(`${host.host}: ${problem}\n`);
}

/** Prints one host, a field a line; with `--json`, the API's object. */
export function showHost({ value, json }: Answer<Host>, flags: ClientFlags): void {
  if (flags.json) {
    printJson(json);
    return;
  }
  const { host, state, seenAt, startedAt, version, kernelRelease, routers, kernel, verifiedAt, held } = value;
  const fields: [string, string | null][] = [
    ['host', host],
    ['state', state],
    ['last heartbeat', seenAt],
    ['agent started', startedAt],
    ['agent version', version],
    ['kernel', kernelRelease],
    ['kernel process', kernel && (kernel.up ? `answers since ${kernel.since}` : `${kernel.reason} since ${kernel.since}`)],
    ['helpers', capabilitiesOf(value)],
    ['routers', String(routers)],
    ['all verified since', verifiedAt],
    ['held', held?.reason ?? null],
  ];
  const width = largest(
    fields.map(([name]) => name.length),
    0,
  );
  print(fields.map(([name, text]) => `${name.padEnd(width)}  ${text ?? '-'}\n`).join(''));
}

function problemsOf({ state, host, routers, seenAt, kernel, held }: Host): string[] {
  return [
    ...(state === 'unknown'
      ? [`${routers === 1 ? 'a router names it' : `${routers} routers name it`}, and no agent has ever reported from ${host}`]
      : []),
    ...(state === 'silent' ? [`its agent has been silent since ${seenAt}`] : []),
    ...(state === 'alive' && kernel && !kernel.up ? [`its kernel process ${kernel.reason} since ${kernel.since}`] : []),
    ...(held ? [`${held.reason}: pinhole host confirm ${host}`] : []),
  ];
}

/** What its kernel can assign, as its agent says; null if it does not. */
function capabilitiesOf({ agent }: Host): string | null {
  const { kernel } = (agent ?? {}) as { kernel?: { helpers?: unknown } | null };
  return Array.isArray(kernel?.helpers) ? kernel.helpers.filter((one) => typeof one === 'string').join(' ') : null;
}
