import { describe, expect, it } from 'vitest';
import { diagnose } from '../../src/inspect/diagnosis.ts';

/** As `nft -j list ruleset` prints it; this machine's kernel may lack flow tables. */
const OFFLOAD = JSON.stringify({
  nftables: [
    { metainfo: { version: '1.0.6' } },
    { flowtable: { family: 'inet', name: 'f', table: 'fw', handle: 1, hook: 'ingress', prio: 0 } },
    { chain: { family: 'inet', table: 'fw', name: 'forward', handle: 2, type: 'filter', hook: 'forward', prio: 0, policy: 'drop' } },
    { rule: { family: 'inet', table: 'fw', chain: 'forward', handle: 3, expr: [{ flow: { op: 'add', flowtable: '@f' } }] } },
    {
      rule: {
        family: 'inet',
        table: 'fw',
        chain: 'forward',
        handle: 4,
        expr: [{ match: { op: 'in', left: { ct: { key: 'state' } }, right: ['established', 'related'] } }, { accept: null }],
      },
    },
  ],
});

describe('diagnose', () => {
  const rules = (nft: string) => ({ nft, listing: '', iptables: null, ip6tables: null });
  const result = (json: string, check: string) => diagnose(rules(json)).find((one) => one.check === check);

  it('takes the rules as a kernel gives them, with the settings of the namespace', () => {
    const fromKernel = { ...rules(OFFLOAD), settings: { 'net.netfilter.nf_conntrack_helper': '0' } };
    expect(diagnose(fromKernel)).toEqual(diagnose(rules(OFFLOAD)));
  });

  it('finds connections that are offloaded past helpers', () => {
    expect(result(OFFLOAD, 'flow offload')).toMatchObject({ result: 'problem', detail: expect.stringContaining('inet fw forward') });
  });

  it('ignores the sysctls in a kernel’s answer', () => {
    const answer = { ...rules(OFFLOAD), settings: { 'net.netfilter.nf_conntrack_helper': '0' } };
    expect(diagnose(answer)).toEqual(diagnose(rules(OFFLOAD)));
  });

  it('accepts a drop policy beside a rule for related connections', () => {
    expect(result(OFFLOAD, 'related connections are accepted')).toMatchObject({ result: 'ok' });
  });

  /** As `nft -j list ruleset` prints a table with these chains; each rule is a list of expressions. */
  function ruleset(...chains: { name: string; hook: string; policy: string; prio?: number; rules: object[][] }[]): string {
    const items = chains.flatMap(({ name, hook, policy, prio = 0, rules: expressions }) => [
      { chain: { family: 'inet', table: name, name: hook, handle: 1, type: 'filter', hook, prio, policy } },
      ...expressions.map((expr, at) => ({ rule: { family: 'inet', table: name, chain: hook, handle: at + 2, expr } })),
    ]);
    return JSON.stringify({ nftables: items });
  }
  const related = { match: { op: 'in', left: { ct: { key: 'state' } }, right: ['established', 'related'] } };
  const accepting = [related, { accept: null }];
  const CHECK = 'related connections are accepted';

  it('is not content with an input chain that accepts what forward drops', () => {
    const rules = ruleset(
      { name: 'fw', hook: 'input', policy: 'drop', rules: [accepting] },
      { name: 'fw', hook: 'forward', policy: 'drop', rules: [] },
    );
    expect(result(rules, CHECK)).toMatchObject({ result: 'problem', detail: expect.stringContaining('inet fw forward by its policy') });
  });

  it('finds a drop before the accept, a final reject under an accept policy, and a second table that drops', () => {
    const dropped = ruleset({ name: 'fw', hook: 'forward', policy: 'drop', rules: [[{ drop: null }], accepting] });
    const rejected = ruleset({ name: 'fw', hook: 'forward', policy: 'accept', rules: [[{ reject: null }]] });
    const second = ruleset(
      { name: 'fw', hook: 'forward', policy: 'drop', rules: [accepting] },
      { name: 'other', hook: 'forward', policy: 'drop', prio: 10, rules: [] },
    );
    for (const rules of [dropped, rejected, second]) expect(result(rules, CHECK)?.result).toBe('problem');
  });

  it('says that it does not know where a rule looks at what is not seen', () => {
    const mark = { match: { op: '==', left: { meta: { key: 'mark' } }, right: 1 } };
    const rules = ruleset({ name: 'fw', hook: 'forward', policy: 'accept', rules: [[mark, { drop: null }]] });
    expect(result(rules, CHECK)).toMatchObject({ result: 'note', detail: expect.stringContaining('not known') });
  });

  it('has nothing to say of an empty ruleset but that we are not there', () => {
    expect(
      diagnose(rules('{"nftables":[]}'))
        .filter(({ result }) => result !== 'ok')
        .map(({ check }) => check),
    ).toEqual(['table inet pinhole']);
  });
});
