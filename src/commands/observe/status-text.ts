import type { StatusView } from '../../client/resources.ts';
import type { KernelState } from '../../contract/agent.ts';
import { formatScope } from '../../contract/scope.ts';
import { BY_URGENCY, type StatusValue, worstOf } from '../../contract/status.ts';
import { announces } from '../../model/catalogue.ts';
import { fitted, wrapped } from '../../terminal/lines.ts';
import { type Column, paint, statusStyle, table } from '../../terminal/table.ts';

/** What is known of a host, as far as it matters to its helpers. */
export interface HostFact {
  readonly host: string;
  /** Time of its last heartbeat, if it is silent. */
  readonly silentSince: string | null;
  /** Null where its agent does not say. */
  readonly kernel: KernelState | null;
}

const MAX_HOST_LINES = 5;
/** What the columns after the names take. */
const OTHER_COLUMNS = 50;

type Helper = StatusView['helpers'][number];
type Family = Helper['families'][number];

/** One helper in the families that share a status; a router without helpers has one row too. */
interface Row {
  readonly view: StatusView;
  readonly helper: Helper | null;
  readonly families: readonly Family[];
  readonly status: StatusValue | '-';
  readonly reason: string;
}

export interface StatusTextOptions {
  readonly onlyProblems: boolean;
  readonly now: Date;
  /** Characters of the longest line, 80 or more. Names are cut to fit. */
  readonly width: number;
}

/**
 * The status of routers as text: a summary, hosts with a problem, and a table with problems first.
 * @returns `problems`: the number of helpers that are not ACTIVE, and of hosts with a problem
 */
export function statusText(
  views: readonly StatusView[],
  hosts: readonly HostFact[],
  { onlyProblems, now, width }: StatusTextOptions,
): { readonly text: string; readonly problems: number } {
  const helpers = views.flatMap((view) => view.helpers.map(worst));
  const wrong = hosts.flatMap((host) => problemOf(host) ?? []);
  const rows = views.flatMap(rowsOf).filter((row) => !onlyProblems || isProblem(row));
  rows.sort((a, b) => rank(a) - rank(b));
  const parts = [
    ...wrapped([summary(helpers, hosts), ...unconfined(views)].join('; '), width),
    ...hostLines(wrong, width),
    ...(rows.length > 0 ? ['', ...tableLines(rows, now, width)] : []),
  ];
  return { text: `${parts.join('\n')}\n`, problems: helpers.filter((one) => one !== 'ACTIVE').length + wrong.length };
}

/** `5 helpers: 1 ERROR, 4 ACTIVE; 2 hosts, 1 silent`; behind it stands how many routers are not confined. */
function summary(helpers: readonly StatusValue[], hosts: readonly HostFact[]): string {
  const counts = BY_URGENCY.flatMap((status) => {
    const count = helpers.filter((one) => one === status).length;
    return count === 0 ? [] : [paint(statusStyle(status) ?? 'reset', `${count} ${status}`)];
  });
  const silent = hosts.filter(({ silentSince }) => silentSince !== null).length;
  const away = hosts.filter((host) => isKernelAway(host)).length;
  const ofHosts = [
    counted(hosts.length, 'host'),
    ...(silent > 0 ? [`${silent} silent`] : []),
    ...(away > 0 ? [`${away} whose kernel process does not answer`] : []),
  ];
  const line = [counted(helpers.length, 'helper'), counts.join(', ')].filter(Boolean).join(': ');
  return hosts.length === 0 ? line : `${line}; ${ofHosts.join(', ')}`;
}

/** What counts the routers with helpers that announce connections to any port: nothing where there are none. */
function unconfined(views: readonly StatusView[]): string[] {
  const open = views.filter(({ router, helpers }) => router.confinement === null && helpers.some(announces));
  return open.length === 0 ? [] : [`${counted(open.length, 'router')} not confined`];
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

function problemOf(host: HostFact): string | null {
  if (host.silentSince !== null) return `The agent on ${host.host} has been silent since ${host.silentSince}.`;
  return isKernelAway(host) ? `The kernel process on ${host.host} ${host.kernel?.reason} (since ${host.kernel?.since}).` : null;
}

/** What a silent agent last said of its kernel process does not count. */
function isKernelAway({ silentSince, kernel }: HostFact): boolean {
  return silentSince === null && kernel !== null && !kernel.up;
}

function hostLines(problems: readonly string[], width: number): string[] {
  const lines = problems.slice(0, MAX_HOST_LINES).flatMap((line) => wrapped(line, width));
  const rest = problems.length - MAX_HOST_LINES;
  return rest > 0 ? [...lines, `${counted(rest, 'more host')} likewise.`] : lines;
}

function worst({ families }: Helper): StatusValue {
  return worstOf(families.map(({ status }) => status));
}

function rowsOf(view: StatusView): Row[] {
  if (view.helpers.length === 0) return [{ view, helper: null, families: [], status: '-', reason: view.reason }];
  return view.helpers.flatMap((helper) =>
    together(helper.families).map((families): Row => {
      const { status, reason } = families[0] as Family;
      return { view, helper, families, status, reason: [formatScope(helper.scope), reason].filter(Boolean).join('; ') };
    }),
  );
}

/** Families of one status and reason are one row. */
export function together<F extends Pick<Family, 'status' | 'reason'>>(families: readonly F[]): F[][] {
  const groups: F[][] = [];
  for (const family of families) {
    const group = groups.find(([one]) => one?.status === family.status && one.reason === family.reason);
    if (group) group.push(family);
    else groups.push([family]);
  }
  return groups;
}

function isProblem({ status, reason }: Row): boolean {
  return status === '-' ? reason !== '' : status !== 'ACTIVE';
}

/** Problems first, then what has something to explain; routers without helpers last. */
function rank({ status, reason }: Row): number {
  const place = status === '-' ? BY_URGENCY.length : BY_URGENCY.indexOf(status);
  return 2 * place + (reason === '' ? 1 : 0);
}

function tableLines(rows: readonly Row[], now: Date, width: number): string[] {
  const isOneHost = new Set(rows.map(({ view }) => view.router.host)).size <= 1;
  const names = width - OTHER_COLUMNS;
  const [nameWidth, hostWidth] = isOneHost ? [names, 0] : [Math.ceil(names / 2) - 1, Math.floor(names / 2) - 1];
  const columns: Column<Row>[] = [
    { title: 'ROUTER', value: ({ view }) => fitted(view.router.name || view.router.id, nameWidth) },
    { title: 'HOST', value: ({ view }) => fitted(view.router.host ?? '-', hostWidth) },
    { title: 'HELPER', value: ({ helper }) => fitted(helper?.helper ?? '-', 10) },
    { title: 'PORT', value: ({ helper }) => (helper ? `${helper.protocol}/${helper.port}` : '-') },
    { title: 'FAMILY', value: ({ families }) => families.map(({ family }) => family).join(' ') || '-' },
    { title: 'STATUS', value: ({ status }) => status, style: ({ status }) => statusStyle(status) },
    { title: 'SEEN', value: (row) => ageOf(row, now) },
  ];
  const [head = '', ...lines] = table(
    rows,
    columns.filter(({ title }) => title !== 'HOST' || !isOneHost),
  )
    .trimEnd()
    .split('\n');
  return [head, ...lines.flatMap((line, index) => [line, ...explanation(rows[index] as Row, width)])];
}

function explanation({ helper, reason }: Row, width: number): string[] {
  const text = helper === null ? reason || 'no helpers' : reason;
  return text === '' ? [] : wrapped(text, width, '  ');
}

/** How long ago the kernel was last seen to have the helper: `12 s`. */
function ageOf({ families }: Row, now: Date): string {
  const times = families.flatMap(({ verifiedAt }) => (verifiedAt === null ? [] : [Date.parse(verifiedAt)]));
  if (times.length === 0) return '-';
  const seconds = Math.max(0, Math.round((now.getTime() - times.reduce((least, time) => Math.min(least, time))) / 1_000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 2 * 3_600) return `${Math.round(seconds / 60)} m`;
  return seconds < 48 * 3_600 ? `${Math.round(seconds / 3_600)} h` : `${Math.round(seconds / 86_400)} d`;
}
