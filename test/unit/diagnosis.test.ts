import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Diagnosis } from '../../src/contract/diagnosis.ts';
import { ANY_PATH, diagnose, type Question } from '../../src/diagnosis/diagnosis.ts';
import type { AllRules } from '../../src/kernel/interface.ts';
import { FAULTS, HEALTHY } from '../support/doctor-labs/index.ts';

/** What the kernel said in the labs of `test/system/doctor.test.ts`, which writes this file with `PINHOLE_DOCTOR_RECORD=1`. */
const RECORDED = new Map(
  readFileSync(join(import.meta.dirname, '../support/doctor-labs/recorded.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { name: string; facts: AllRules })
    .map(({ name, facts }) => [name, facts] as const),
);

const recorded = (name: string): AllRules => {
  const facts = RECORDED.get(name);
  if (!facts) throw new Error(`no lab is recorded under ${name}`);
  return facts;
};
const said = (found: readonly Diagnosis[], result: Diagnosis['result']) =>
  found.filter((one) => one.result === result).map(({ check, detail }) => `${check}: ${detail}`);

describe('diagnose, on what the labs recorded', () => {
  it.each(FAULTS.filter(({ name }) => RECORDED.has(name)))('names the fault: $name', ({ name, cause }) => {
    const problems = said(diagnose(recorded(name)), 'problem');
    const pattern = cause instanceof RegExp ? cause : /^$/;
    expect(problems.join('\n')).toMatch(pattern);
    expect(problems.filter((line) => !pattern.test(line))).toEqual([]);
  });

  it.each(HEALTHY.filter(({ name }) => RECORDED.has(name)))('reports no problem: $name', ({ name }) => {
    const found = diagnose(recorded(name));
    expect(said(found, 'problem')).toEqual([]);
    expect(said(found, 'ok')).not.toEqual([]);
  });

  it('sorts problems first', () => {
    const order = diagnose(recorded('related in one direction only')).map(({ result }) => result);
    expect(order).toEqual([...order].sort((a, b) => ['problem', 'note', 'ok'].indexOf(a) - ['problem', 'note', 'ok'].indexOf(b)));
    expect(order[0]).toBe('problem');
  });
});

describe('diagnose', () => {
  const PLAIN = recorded('plain nft');
  const problems = (facts: AllRules, question: Partial<Question> = {}) =>
    said(diagnose(facts, { ...ANY_PATH, ...question }), 'problem').join('\n');
  const notes = (facts: AllRules, question: Partial<Question> = {}) =>
    said(diagnose(facts, { ...ANY_PATH, ...question }), 'note').join('\n');

  /** The plain lab with a rule at the beginning of its forward chain. */
  function withRule(...expr: object[]): AllRules {
    const { nftables } = JSON.parse(PLAIN.nft) as { nftables: Record<string, unknown>[] };
    const at = nftables.findIndex(({ rule }) => (rule as { chain?: string } | undefined)?.chain === 'forward');
    const rule = { rule: { family: 'inet', table: 'filter', chain: 'forward', handle: 99, expr } };
    return { ...PLAIN, nft: JSON.stringify({ nftables: [...nftables.slice(0, at), rule, ...nftables.slice(at)] }) };
  }
  const port = (from: number, to: number) => ({
    match: { op: '==', left: { payload: { protocol: 'tcp', field: 'dport' } }, right: { range: [from, to] } },
  });
  const drop = { drop: null };

  it('does not alarm because of a flow table: the kernel leaves connections with a helper out of it', () => {
    expect(problems(withRule({ flow: { op: 'add', flowtable: '@f' } }))).toBe('');
  });

  it('does not know what a quota, a queue or the time of day decides, and says so', () => {
    for (const rule of [[{ quota: { val: 1, inv: true } }, drop], [{ queue: null }]]) {
      const facts = withRule(...rule);
      expect(problems(facts)).toBe('');
      expect(notes(facts)).toMatch(/passive: lan → wan.*not known: inet filter forward handle 99/);
      expect(said(diagnose(facts), 'ok')).toEqual([]);
    }
  });

  it('does not know whether a server announces ports of which some are dropped', () => {
    expect(notes(withRule(port(20_000, 29_999), drop))).toMatch(
      /passive: .*connections to ports 20000-29999 are stopped, and those to others pass/,
    );
  });

  it('names the rule that closes the control port to all clients', () => {
    expect(problems(withRule(port(21, 21), drop))).toMatch(/control: .*inet filter forward handle 99 .*drops it. Accept tcp port 21/);
  });

  it('advises what the chain can hold: no ct at a device, and words of iptables in its chains', () => {
    expect(problems(recorded('dropped at ingress of the inner interface'))).toMatch(/before conntrack sees it. Accept it there by/);
    expect(problems(recorded('iptables: related of another helper'))).toMatch(
      /FORWARD by its policy drops it.* Add '-m conntrack --ctstate RELATED/,
    );
  });

  it('finds a full connection table', () => {
    const full = { 'net.netfilter.nf_conntrack_count': '262100', 'net.netfilter.nf_conntrack_max': '262144' };
    expect(problems({ ...PLAIN, settings: { ...PLAIN.settings, ...full } })).toMatch(/connection table: 262100 of 262144/);
  });

  it('finds a full expectation table', () => {
    const network = { ...PLAIN.network, expectations: '4096\n' };
    expect(problems({ ...PLAIN, network })).toMatch(/expectation table: 4096 of 4096 expectations/);
  });

  it('knows nothing of packets that tc filters', () => {
    const filtered = { ...PLAIN, network: { ...PLAIN.network, filtered: 'lan\nwan\nother\n' } };
    expect(diagnose(filtered).map(({ result }) => result)).not.toContain('ok');
    expect(notes(filtered)).toMatch(/tc filters packets at wan/);
  });

  it('asks for the NAT module of a helper only where addresses are translated', () => {
    const missingNat = ['nf_nat_ftp'];
    expect(problems(PLAIN, { missingNat })).toBe('');
    expect(problems(recorded('NAT 1:1'), { missingNat })).toMatch(/control: .*run modprobe nf_nat_ftp/);
  });

  it('finds helpers that are declared and that no rule assigns', () => {
    const declared = [{ type: 'sip', protocol: 'udp', port: 5060 }];
    expect(problems(PLAIN, { declared })).toMatch(/^sip udp\/5060: no rule assigns it/);
    const gone = { ...PLAIN, nft: '{"nftables": []}', listing: '' };
    expect(problems(gone, { declared: [{ type: 'ftp', protocol: 'tcp', port: 21 }] })).toMatch(/^ftp tcp\/21: no rule assigns it/);
    expect(notes(gone)).toMatch(/^table inet pinhole: assigns no helper/);
  });

  it('says that rules of iptables-legacy are there and cannot be read', () => {
    expect(notes({ ...PLAIN, legacy: null })).toMatch(/iptables-legacy: not known/);
  });

  it('follows only the client and the server that are named', () => {
    const named = { from: '10.79.1.2', to: '10.79.3.2' };
    expect(said(diagnose(PLAIN, { ...ANY_PATH, named }), 'ok')).toEqual([
      'ftp tcp/21 ipv4: control and data connections pass: lan → other',
    ]);
    expect(problems(PLAIN, { named: { from: '10.79.2.2', to: '10.79.1.2' } })).toMatch(
      /control: wan → lan: inet filter forward by its policy/,
    );
    expect(notes(PLAIN, { named: { from: '192.0.2.1', to: '192.0.2.2' } })).toMatch(/no two networks/);
  });

  it('knows that no helper reads FTP over TLS', () => {
    expect(notes(PLAIN)).toMatch(/AUTH TLS/);
    expect(problems(recorded('implicit FTPS'))).toMatch(/ftp tcp\/990 TLS: no helper can read FTP over TLS/);
  });
});
