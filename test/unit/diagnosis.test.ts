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
  const result = (json: string, check: string) => diagnose(json).find((one) => one.check === check);

  it('finds connections that are offloaded past helpers', () => {
    expect(result(OFFLOAD, 'flow offload')).toMatchObject({ result: 'problem', detail: expect.stringContaining('inet fw forward') });
  });

  it('accepts a drop policy beside a rule for related connections', () => {
    expect(result(OFFLOAD, 'related connections are accepted')).toMatchObject({ result: 'ok' });
  });

  it('has nothing to say of an empty ruleset but that we are not there', () => {
    expect(
      diagnose('{"nftables":[]}')
        .filter(({ result }) => result !== 'ok')
        .map(({ check }) => check),
    ).toEqual(['table inet pinhole']);
  });
});
