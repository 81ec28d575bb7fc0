import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { ownPrefix, ScratchNetwork } from '../../src/kernel/scratch.ts';
import type { Report } from '../../src/review/report.ts';
import { CLI } from '../support/cli-path.ts';
import { corpus } from '../support/corpus.ts';
import { reviewOne } from '../support/review.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const PREFIX = `${ownPrefix('pht')}-review`;

async function review(...argv: string[]): Promise<Report> {
  const { stdout } = await promisify(execFile)(process.execPath, [CLI, 'review', ...argv, '--json'], {
    cwd: ROOT,
    maxBuffer: 64 * 1024 * 1024,
  });
  return JSON.parse(stdout);
}

function table(...chains: string[]): string {
  return `table inet fw {
	ct helper ftp-tcp {
		type "ftp" protocol tcp
		l3proto inet
	}
	ct helper irc-tcp {
		type "irc" protocol tcp
		l3proto ip
	}
	ct helper tftp-udp {
		type "tftp" protocol udp
		l3proto inet
	}
	ct helper sip-udp {
		type "sip" protocol udp
		l3proto inet
	}
${chains.join('')}}
`;
}

const chain = (name: string, head: string, ...rules: string[]) =>
  `	chain ${name} {\n		type ${head}\n${rules.map((rule) => `		${rule}\n`).join('')}	}\n`;
const PRE = 'filter hook prerouting priority mangle; policy accept;';
const ASSIGN = [
  'tcp dport 21 ct helper set "ftp-tcp"',
  'tcp dport 6667 ct helper set "irc-tcp"',
  'udp dport 69 ct helper set "tftp-udp"',
  'udp dport 5060 ct helper set "sip-udp"',
];
const FORWARD = 'filter hook forward priority filter; policy drop;';
const NAT = chain('nat', 'nat hook postrouting priority srcnat; policy accept;', 'oifname "wan0" masquerade');

describe('pinhole review on running kernels', () => {
  const network = new ScratchNetwork(PREFIX);
  const folder = mkdtempSync(join(tmpdir(), 'pht-review-'));
  const write = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };

  afterEach(() => network.destroy());
  afterAll(() => rmSync(folder, { recursive: true }));

  async function namespaces(): Promise<string> {
    return (await promisify(execFile)('ip', ['netns', 'list'])).stdout;
  }

  it('reads a live namespace as it reads the text that was loaded there, for every ruleset of the corpus that this kernel takes', async () => {
    const files = corpus().filter(({ subject: { kind }, kernel }) => kind === 'nft' && kernel === null);
    let loaded = 0;
    for (const { subject } of files) {
      await network.addHost('edge');
      const taken = await network.nft('edge', subject.text).then(
        () => true,
        () => false,
      );
      if (taken) {
        loaded++;
        // The kernel narrows an object of an IPv4-only helper to `l3proto ip` by itself, and this kernel is newer than the advisories.
        const rules = (found: { findings: readonly { rule: string }[] }) =>
          found.findings
            .map(({ rule }) => rule)
            .filter((rule) => rule !== 'known-advisory' && rule !== 'ipv4-only-in-v6')
            .sort();
        expect(rules(await review('--netns', network.netns('edge'))), subject.name).toEqual(rules(await reviewOne(subject)));
      }
      await network.destroy();
    }
    expect(loaded).toBeGreaterThan(20);
  });

  it("sees iptables' own matches, which nft cannot show, through iptables-save", async () => {
    await network.addHost('edge');
    await network.exec('edge', [
      'iptables',
      '-t',
      'raw',
      '-A',
      'PREROUTING',
      '-i',
      'lan0',
      '-p',
      'tcp',
      '--dport',
      '21',
      '-j',
      'CT',
      '--helper',
      'ftp',
    ]);
    await network.exec('edge', ['iptables', '-P', 'FORWARD', 'DROP']);
    await network.exec('edge', ['iptables', '-A', 'FORWARD', '-m', 'conntrack', '--ctstate', 'RELATED,ESTABLISHED', '-j', 'ACCEPT']);
    const report = await review('--netns', network.netns('edge'));
    expect(report.findings.map(({ rule }) => rule)).toEqual(expect.arrayContaining(['related-accept-bare', 'related-to-low-ports']));
    expect(report.subjects).toEqual([expect.objectContaining({ name: `netns ${network.netns('edge')}` })]);
  });

  it('proves by attack that low ports open, with the trace of the kernel, for ftp, irc and tftp', async () => {
    const before = await namespaces();
    for (const [index, assign] of ASSIGN.slice(0, 3).entries()) {
      const file = write(
        `open${index}.nft`,
        table(chain('pre', PRE, assign), chain('forward', FORWARD, 'ct state established,related accept', 'iifname "lan0" accept'), NAT),
      );
      const report = await review(file, '--prove');
      const finding = report.findings.find(({ rule }) => rule === 'related-to-low-ports');
      expect(finding?.confidence, `${assign}: ${JSON.stringify(report.notes)}`).toBe('proved');
      const facts = finding?.evidence.map(({ fact }) => fact).join('\n');
      expect(facts).toMatch(/watched: \S+ announced its port 22 to \S+ through (ftp|irc|tftp), and \S+ reached it/);
      expect(facts).toMatch(/trace: inet fw forward rule ct state established,related accept \(verdict accept\)/);
    }
    expect(await namespaces()).toBe(before);
  });

  it('proves that a helper of somebody else passes, that irc opens to strangers, and that a rule at raw priority assigns nothing', async () => {
    const file = write(
      'many.nft',
      table(
        chain('pre', PRE, 'tcp dport 6667 ct helper set "irc-tcp"'),
        chain('early', 'filter hook prerouting priority raw; policy accept;', 'tcp dport 2121 ct helper set "ftp-tcp"'),
        chain('forward', FORWARD, 'ct state established,related accept', 'iifname "lan0" accept'),
        NAT,
      ),
    );
    const report = await review(file, '--prove');
    const proved = report.findings.filter(({ confidence }) => confidence === 'proved').map(({ rule }) => rule);
    expect(proved.sort()).toEqual(['related-accept-bare', 'related-to-low-ports', 'slipstreaming-exposure', 'wrong-priority']);
  });

  it('does not say of sip that it opens low ports, which the kernel refuses, and proves that it opens high ones', async () => {
    const file = write(
      'sip.nft',
      table(
        chain('pre', PRE, ASSIGN[3] as string),
        chain('forward', FORWARD, 'ct state established,related accept', 'iifname "lan0" accept'),
        NAT,
      ),
    );
    const report = await review(file, '--prove');
    expect(report.findings.map(({ rule }) => rule)).not.toContain('related-to-low-ports');
    const finding = report.findings.find(({ rule }) => rule === 'slipstreaming-exposure');
    expect(finding?.confidence, JSON.stringify(report.notes)).toBe('proved');
  });

  it('proves that a helper is shadowed, and that one is dead', async () => {
    const shadowed = write(
      'shadowed.nft',
      table(
        chain(
          'pre',
          PRE,
          'meta nfproto ipv4 tcp dport 2121 ct helper set "irc-tcp"',
          'meta nfproto ipv4 tcp dport 2121 ct helper set "ftp-tcp"',
        ),
      ),
    );
    const dead = write(
      'dead.nft',
      table(
        chain('pre', PRE, 'tcp dport 21 ct helper set "ftp-tcp"'),
        chain('forward', FORWARD, 'ct state established accept', 'ct state new tcp dport 21 accept'),
      ),
    );
    const rules = [...(await review(shadowed, '--prove')).findings, ...(await review(dead, '--prove')).findings].filter(
      ({ confidence }) => confidence === 'proved',
    );
    expect(rules.map(({ rule }) => rule).sort()).toEqual([
      'helper-without-related-accept',
      'shadowed-assignment',
      'slipstreaming-exposure',
    ]);
  });

  it('withdraws what the kernel does not do: something that was not looked into drops it', async () => {
    const file = write(
      'held.nft',
      table(
        chain('pre', PRE, 'tcp dport 21 ct helper set "ftp-tcp"'),
        chain(
          'held',
          'filter hook forward priority filter - 5; policy accept;',
          'ct direction original tcp flags & (syn | ack) == syn tcp dport 22 drop',
        ),
        chain('forward', FORWARD, 'ct state established,related accept', 'iifname "lan0" accept'),
        NAT,
      ),
    );
    const without = await review(file);
    expect(without.findings.find(({ rule }) => rule === 'related-to-low-ports')?.confidence).toBe('likely');
    const report = await review(file, '--prove');
    expect(report.findings.map(({ rule }) => rule)).not.toContain('related-to-low-ports');
    expect(report.notes.map(({ note }) => note).join('\n')).toMatch(/related-to-low-ports withdrawn: .* could not reach it/);
  });

  it('proves against iptables rules too', async () => {
    const file = write(
      'router.iptables',
      `# Generated by iptables-save v1.8.9 (nf_tables)
*raw
:PREROUTING ACCEPT [0:0]
-A PREROUTING -i lan0 -p tcp -m tcp --dport 21 -j CT --helper ftp
COMMIT
*nat
:POSTROUTING ACCEPT [0:0]
-A POSTROUTING -o wan0 -j MASQUERADE
COMMIT
*filter
:FORWARD DROP [0:0]
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -i lan0 -o wan0 -j ACCEPT
COMMIT
`,
    );
    const report = await review(file, '--prove');
    expect(report.findings.find(({ rule }) => rule === 'related-to-low-ports')?.confidence).toBe('proved');
  });

  it('says of a ruleset that this kernel does not take that nothing was tried', async () => {
    const file = write(
      'refused.nft',
      table(
        chain('pre', PRE, 'tcp dport 21 ct helper set "ftp-tcp"', 'tcp dport 22 ct helper set "nothing"'),
        chain('forward', FORWARD, 'ct state established,related accept'),
      ),
    );
    const report = await review(file, '--prove');
    expect(report.findings.find(({ rule }) => rule === 'related-to-low-ports')?.confidence).toBe('certain');
    expect(report.notes.map(({ note }) => note).join('\n')).toContain('this kernel does not take the ruleset');
  });
});
