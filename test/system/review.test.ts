import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { ownPrefix, ScratchNetwork } from '../../src/lab/scratch-network.ts';
import type { Report } from '../../src/review/report.ts';
import { CLI } from '../support/cli-path.ts';
import { corpus } from '../support/corpus.ts';
import { eventually } from '../support/eventually.ts';
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

  /** Those of proofs: others on this host come and go. */
  async function namespaces(): Promise<string> {
    const { stdout } = await promisify(execFile)('ip', ['netns', 'list']);
    return stdout
      .split('\n')
      .filter((line) => line.startsWith('phpv'))
      .sort()
      .join('\n');
  }

  it('finds the same in a live namespace as in the loaded text, for every ruleset of the corpus that this kernel accepts', async () => {
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

  it('points at the lines of what nft lists, and knows findings again after the rules were loaded anew', async () => {
    const text = table(
      chain(
        'pre',
        PRE,
        'tcp dport { 21, 2121, 2122, 2123, 2124, 2125, 2126, 2127, 2128, 2129, 2130, 2131, 2132, 2133, 2134 } ct helper set "ftp-tcp"',
        ...ASSIGN.slice(1),
      ),
      chain('forward', FORWARD, 'ct state established,related accept', 'iifname "lan0" accept'),
    );
    await network.addHost('edge');
    await network.nft('edge', text);
    const netns = network.netns('edge');
    const baseline = join(folder, 'live.baseline.json');
    const report = await review('--netns', netns, '--write-baseline', baseline);
    const listing = (await network.exec('edge', ['nft', '-a', 'list', 'ruleset'])).stdout.split('\n');
    const handled = report.findings.filter(({ symbol }) => symbol?.includes(' handle '));
    expect(handled.length).toBeGreaterThan(5);
    for (const { line, symbol } of handled) {
      const handle = `# handle ${symbol?.split(' handle ')[1]}`;
      const end = listing.findIndex((content, index) => index >= line - 1 && /# handle \d+$/.test(content));
      expect(listing[end], `${symbol} at line ${line}`).toMatch(new RegExp(`${handle}$`));
    }
    await network.nft('edge', `add table ip before\nadd chain ip before c\nflush ruleset\ntable ip before {\n}\n${text}`);
    const again = await review('--netns', netns, '--baseline', baseline);
    expect(again.findings).toEqual([]);
    expect(again.suppressed).toHaveLength(report.findings.length);
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

  it('proves that connections of a helper from another table pass, that irc opens a port, and that a rule at raw priority assigns nothing', async () => {
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
    const unreached = write(
      'unreached.nft',
      table(chain('pre', PRE, 'tcp dport { 21, 22 } accept', 'tcp dport 21 ct helper set "ftp-tcp"')),
    );
    const proved = [];
    for (const file of [shadowed, dead, unreached])
      proved.push(...(await review(file, '--prove')).findings.filter(({ confidence }) => confidence === 'proved'));
    expect(proved.map(({ rule }) => rule).sort()).toEqual([
      'helper-without-related-accept',
      'shadowed-assignment',
      'shadowed-assignment',
      'slipstreaming-exposure',
    ]);
  });

  it('proves that a helper beside conntrack is lost when the rules are loaded again', async () => {
    const file = write(
      'beside.nft',
      table(chain('pre', 'filter hook prerouting priority -200; policy accept;', 'tcp dport 21 ct helper set "ftp-tcp"')),
    );
    const { findings, notes } = await review(file, '--prove');
    const finding = findings.find(({ rule }) => rule === 'wrong-priority');
    expect(finding?.confidence, JSON.stringify(notes)).toBe('proved');
    expect(finding?.evidence.map(({ fact }) => fact).join('\n')).toMatch(/got ftp; then the ruleset was loaded again\n.*got no helper/);
  });

  it('agrees with the kernel about every ruleset of the corpus', async () => {
    const files = corpus().filter(({ subject: { kind } }) => kind === 'nft' || kind === 'nft-json' || kind === 'iptables');
    const { findings, notes } = await review(...files.map(({ subject }) => join('test/review/corpus', subject.name)), '--prove');
    expect(notes.filter(({ note }) => note.includes('withdrawn'))).toEqual([]);
    expect(findings.filter(({ confidence }) => confidence === 'proved').length).toBeGreaterThan(10);
  });

  it('withdraws a finding that the kernel refutes: an unknown match drops the packet', async () => {
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

  it.each([
    ['ftp', 'tcp dport 21 ct helper set "ftp-tcp"', 'related-to-low-ports', 22],
    ['tftp', 'udp dport 69 ct helper set "tftp-udp"', 'related-to-low-ports', 22],
    ['sip', 'udp dport 5060 ct helper set "sip-udp"', 'slipstreaming-exposure', 40_022],
  ])('tries what is for IPv6 alone with packets of IPv6: %s', async (type, assign, rule, port) => {
    const file = write(
      `${type}.v6.nft`,
      table(chain('pre', PRE, assign), chain('forward', FORWARD, 'ct state established,related accept', 'iifname "lan0" accept'))
        .replace('table inet', 'table ip6')
        .replace(/\tct helper irc-tcp \{[^}]*\}\n/, '')
        .replaceAll('l3proto inet', 'l3proto ip6'),
    );
    const report = await review(file, '--prove');
    const finding = report.findings.find((one) => one.rule === rule);
    expect(finding?.confidence, JSON.stringify(report.notes)).toBe('proved');
    const facts = finding?.evidence.map(({ fact }) => fact).join('\n');
    expect(facts).toContain(`watched: fd66:1::2 announced its port ${port} to fd66:2::2 through ${type}, and fd66:2::2 reached it`);
    expect(facts).toContain('trace: ip6 fw forward rule ct state established,related accept (verdict accept)');
  });

  it('proves a rule of an inet table that accepts related packets of IPv6 only', async () => {
    const related = (...families: string[]) =>
      table(
        chain('pre', PRE, 'tcp dport 21 ct helper set "ftp-tcp"'),
        chain(
          'forward',
          FORWARD,
          'ct state established accept',
          ...families.map((family) => `meta nfproto ${family} ct state related accept`),
          'iifname "lan0" accept',
        ),
      );
    const proved = (await review(write('v6.nft', related('ipv6')), '--prove')).findings.find(({ rule }) => rule === 'related-to-low-ports');
    expect(proved?.confidence).toBe('proved');
    expect(proved?.evidence.map(({ fact }) => fact).join('\n')).toContain('fd66:2::2 reached it');
    const iptables = `# Generated by ip6tables-save v1.8.9 (nf_tables)
*raw
:PREROUTING ACCEPT [0:0]
-A PREROUTING -s 2001:db8:1::40/122 -p tcp -m tcp --dport 21 -j CT --helper ftp
COMMIT
*filter
:FORWARD DROP [0:0]
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -s 2001:db8:1::40/122 -j ACCEPT
COMMIT
`;
    const { findings, notes } = await review(write('rules.v6', iptables), '--prove');
    const low = findings.find(({ rule }) => rule === 'related-to-low-ports');
    expect(low?.confidence, JSON.stringify(notes)).toBe('proved');
    expect(low?.evidence.map(({ fact }) => fact).join('\n')).toContain('2001:db8:1::42 announced its port 22');
  });

  it('concludes nothing about a helper that the connections of the laboratory did not get', async () => {
    const rules = (...forward: string[]) =>
      table(chain('pre', PRE, 'meta mark 7 tcp dport 21 ct helper set "ftp-tcp"'), chain('forward', FORWARD, ...forward), NAT);
    const open = await review(write('marked.nft', rules('ct state established,related accept', 'iifname "lan0" accept')), '--prove');
    expect(open.findings.map(({ rule }) => rule)).toContain('related-to-low-ports');
    const dead = await review(
      write('marked-dead.nft', rules('ct state established accept', 'ct state new tcp dport 21 accept')),
      '--prove',
    );
    expect(dead.findings.find(({ rule }) => rule === 'helper-without-related-accept')?.confidence).toBe('certain');
    for (const { notes } of [open, dead]) expect(notes.map(({ note }) => note).join('\n')).toContain('did not get ftp');
  });

  it('does not attribute a port to a helper if it is open without one', async () => {
    const file = write(
      'open.nft',
      table(
        chain('pre', PRE, 'meta mark 7 tcp dport 21 ct helper set "ftp-tcp"'),
        chain('forward', 'filter hook forward priority filter; policy accept;', 'ct state established,related accept'),
      ),
    );
    const report = await review(file, '--prove');
    expect(report.findings.find(({ rule }) => rule === 'related-to-low-ports')?.confidence).not.toBe('proved');
    expect(report.notes.map(({ note }) => note).join('\n')).toContain('no rule keeps it closed');
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

  it('proves what is live, with the tables of iptables beside those of nft', async () => {
    await network.addHost('edge');
    const iptables = (...argv: string[]) => network.exec('edge', ['iptables', ...argv]);
    await iptables('-t', 'raw', '-A', 'PREROUTING', '-i', 'lan0', '-p', 'tcp', '--dport', '21', '-j', 'CT', '--helper', 'ftp');
    await iptables('-P', 'FORWARD', 'DROP');
    await iptables('-A', 'FORWARD', '-m', 'conntrack', '--ctstate', 'RELATED,ESTABLISHED', '-j', 'ACCEPT');
    await iptables('-A', 'FORWARD', '-i', 'lan0', '-j', 'ACCEPT');
    await network.nft('edge', `table ip mine {\n${NAT}}\n`);
    const report = await review('--netns', network.netns('edge'), '--prove');
    expect(report.findings.find(({ rule }) => rule === 'related-to-low-ports')?.confidence, JSON.stringify(report.notes)).toBe('proved');
  });

  it('runs no text of a ruleset as a command: the laboratory ignores hostile interface names', async () => {
    const rule = (chainName: string, ...expr: object[]) => ({ rule: { family: 'inet', table: 'fw', chain: chainName, expr } });
    const match = (left: object, right: string | number) => ({ match: { op: '==', left, right } });
    const port = match({ payload: { protocol: 'tcp', field: 'dport' } }, 21);
    const base = (name: string, hook: string, prio: number, policy: string) => ({
      chain: { family: 'inet', table: 'fw', name, type: 'filter', hook, prio, policy },
    });
    const related = { match: { op: 'in', left: { ct: { key: 'state' } }, right: ['related', 'established'] } };
    const file = write(
      'hostile.json',
      JSON.stringify({
        nftables: [
          { table: { family: 'inet', name: 'fw' } },
          { 'ct helper': { family: 'inet', table: 'fw', name: 'ftp-tcp', type: 'ftp', protocol: 'tcp', l3proto: 'inet' } },
          base('pre', 'prerouting', -150, 'accept'),
          base('fwd', 'forward', 0, 'drop'),
          rule('pre', match({ meta: { key: 'iifname' } }, 'x\nlink del none'), port, { 'ct helper': 'ftp-tcp' }),
          rule('fwd', related, { accept: null }),
          rule('fwd', port, { accept: null }),
        ],
      }),
    );
    const { notes } = await review(file, '--prove');
    const said = notes.map(({ note }) => note).join('\n');
    // The laboratory stands, its interface has another name, and so the client gets no helper.
    expect(said).not.toContain('the laboratory failed');
    expect(said).toContain('related-to-low-ports not tried: the connection of the laboratory did not get ftp');
  });

  it('leaves nothing behind when it is interrupted, or was killed before', async () => {
    const before = await namespaces();
    const file = write(
      'interrupted.nft',
      table(
        ...ASSIGN.map((assign, index) => chain(`pre${index}`, PRE, assign)),
        chain('forward', FORWARD, 'ct state established,related accept'),
        NAT,
      ),
    );
    const start = async () => {
      const child = spawn(process.execPath, [CLI, 'review', file, '--prove'], { cwd: ROOT, stdio: ['ignore', 'ignore', 'pipe'] });
      let stderr = '';
      child.stderr.on('data', (chunk) => {
        stderr += chunk;
      });
      const ended = new Promise<number | null>((done) => child.once('close', done));
      await eventually(async () => (await namespaces()).includes(`phpv${child.pid}x`), { what: 'the laboratory is there' });
      return { child, ended, stderr: () => stderr };
    };
    const killed = await start();
    killed.child.kill('SIGKILL');
    await killed.ended;
    const interrupted = await start();
    expect(await namespaces()).not.toContain(`phpv${killed.child.pid}x`);
    interrupted.child.kill('SIGINT');
    expect(await interrupted.ended).toBe(1);
    expect(interrupted.stderr()).toContain('interrupted by SIGINT');
    expect(await namespaces()).toBe(before);
  });

  it('is denied to users other than root, as the kernel process answers its agent only', async () => {
    const argv = ['--reuid=65533', '--regid=65533', '--clear-groups', process.execPath, CLI, 'review', '--netns', 'any', '--json'];
    const { code, stdout } = await new Promise<{ code: unknown; stdout: string }>((done) => {
      execFile('setpriv', argv, { cwd: '/' }, (error, out) => done({ code: error?.code ?? 0, stdout: out }));
    });
    expect({ code, stdout }).toMatchObject({ code: 4, stdout: expect.stringContaining('needs root') });
  });

  it('notes that nothing was tried for a ruleset that this kernel does not accept', async () => {
    const file = write(
      'refused.nft',
      table(
        chain('pre', PRE, 'tcp dport 21 ct helper set "ftp-tcp"', 'tcp dport 22 ct helper set "nothing"'),
        chain('forward', FORWARD, 'ct state established,related accept'),
      ),
    );
    const report = await review(file, '--prove');
    expect(report.findings.find(({ rule }) => rule === 'related-to-low-ports')?.confidence).toBe('certain');
    expect(report.notes.map(({ note }) => note).join('\n')).toContain('this kernel does not accept the ruleset');
  });
});
