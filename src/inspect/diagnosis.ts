/**
 * Why a helper may not work in a namespace, read from everybody's rules there (`nft -j list ruleset`). Pure.
 */
export interface Diagnosis {
  readonly check: string;
  readonly result: 'ok' | 'note' | 'problem';
  readonly detail: string;
}

interface ChainJson {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly hook?: string;
  readonly prio?: number;
  readonly policy?: string;
}

interface RuleJson {
  readonly family: string;
  readonly table: string;
  readonly chain: string;
  readonly expr: readonly Readonly<Record<string, unknown>>[];
}

interface Ruleset {
  readonly chains: readonly ChainJson[];
  readonly rules: readonly RuleJson[];
  readonly flowtables: number;
}

type Check = (ruleset: Ruleset) => Diagnosis;

export function diagnose(json: string): Diagnosis[] {
  const ruleset = parse(json);
  return CHECKS.map((check) => check(ruleset));
}

function parse(json: string): Ruleset {
  const items = (JSON.parse(json) as { nftables: Readonly<Record<string, unknown>>[] }).nftables;
  const of = <T>(kind: string) => items.flatMap((item) => (item[kind] ? [item[kind] as T] : []));
  return { chains: of<ChainJson>('chain'), rules: of<RuleJson>('rule'), flowtables: of('flowtable').length };
}

const CHECKS: readonly Check[] = [ownTable, relatedAccept, notrack, zones, flowOffload, shadowing];

function ownTable({ chains }: Ruleset): Diagnosis {
  const check = 'table inet pinhole';
  return chains.some(isOurTable)
    ? { check, result: 'ok', detail: 'is there' }
    : { check, result: 'note', detail: 'is not there: no helper is declared for this namespace, or none could be applied' };
}

/** A helper only announces: somebody has to accept what is related. */
function relatedAccept({ chains, rules }: Ruleset): Diagnosis {
  const check = 'related connections are accepted';
  const dropping = chains.filter(({ hook, policy }) => hook === 'forward' && policy === 'drop');
  if (dropping.length === 0) return { check, result: 'ok', detail: 'no forward chain drops by policy' };
  const accepts = rules.some((rule) => matchesState(rule, 'related') && rule.expr.some((part) => 'accept' in part));
  const where = dropping.map(({ family, table, name }) => `${family} ${table} ${name}`).join(', ');
  if (accepts) return { check, result: 'ok', detail: `${where} drops by policy, and a rule accepts ct state related` };
  return {
    check,
    result: 'problem',
    detail: `${where} drops by policy and no rule accepts 'ct state related': what helpers announce is dropped. Add one, for helpers' connections.`,
  };
}

function matchesState({ expr }: RuleJson, state: string): boolean {
  return expr.some((part) => {
    const match = part['match'] as { left?: { ct?: { key?: string } }; right?: unknown } | undefined;
    if (match?.left?.ct?.key === 'state') return JSON.stringify(match.right).includes(`"${state}"`);
    // iptables' own matches are opaque in nft's JSON.
    const xt = part['xt'] as { name?: string } | undefined;
    return xt?.name === 'conntrack' || xt?.name === 'state';
  });
}

function notrack({ rules }: Ruleset): Diagnosis {
  const found = rules.filter(({ expr }) => expr.some((part) => 'notrack' in part));
  return finding('connections are tracked', found, 'notrack: such connections have no helper. Exempt the control connections from it.');
}

function zones({ rules }: Ruleset): Diagnosis {
  const found = rules.filter(
    ({ expr }) => JSON.stringify(expr).includes('"key":"zone"') && expr.some((part) => 'mangle' in part || 'ct' in part),
  );
  const check = 'conntrack zones';
  if (found.length === 0) return { check, result: 'ok', detail: 'none are set' };
  return {
    check,
    result: 'note',
    detail: `${places(found)} set a zone: a zone on the control connection alone breaks the data connection; set it for all traffic`,
  };
}

function flowOffload({ rules, flowtables }: Ruleset): Diagnosis {
  const found = rules.filter(({ expr }) => expr.some((part) => 'flow' in part));
  if (flowtables === 0 || found.length === 0) return { check: 'flow offload', result: 'ok', detail: 'none' };
  return {
    check: 'flow offload',
    result: 'problem',
    detail: `${places(found)} offload connections: their packets pass helpers by. Keep control connections out of it, by their ports.`,
  };
}

/** Whoever sets a helper first wins: other rules before ours shadow it. */
function shadowing({ rules }: Ruleset): Diagnosis {
  const others = rules.filter((rule) => !isOurTable(rule));
  const found = others.filter(({ expr }) =>
    expr.some((part) => 'ct helper' in part || (part['xt'] as { name?: string } | undefined)?.name === 'CT'),
  );
  const check = 'nobody else assigns helpers';
  if (found.length === 0) return { check, result: 'ok', detail: 'no other rule does' };
  return {
    check,
    result: 'note',
    detail: `${places(found)} assign helpers too: of two for one connection the first wins, and raw (iptables -j CT) comes before ours`,
  };
}

function finding(check: string, found: readonly RuleJson[], why: string): Diagnosis {
  return found.length === 0 ? { check, result: 'ok', detail: '' } : { check, result: 'problem', detail: `${places(found)}: ${why}` };
}

function places(rules: readonly RuleJson[]): string {
  return [...new Set(rules.map(({ family, table, chain }) => `${family} ${table} ${chain}`))].slice(0, 5).join(', ');
}

function isOurTable({ family, table }: { family: string; table: string }): boolean {
  return family === 'inet' && table === 'pinhole';
}
