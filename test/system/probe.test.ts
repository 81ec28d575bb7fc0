import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ownPrefix, ScratchNetwork } from '../../src/lab/scratch-network.ts';
import { CLI } from '../support/cli-path.ts';
import { eventually } from '../support/eventually.ts';

const PREFIX = `${ownPrefix('pht')}-prb`;
const CLIENT = { ipv4: '10.79.1.2', ipv6: 'fd79:1::2' };
const ROUTER = { ipv4: '10.79.2.1' };
const SERVER = { ipv4: '10.79.2.2', ipv6: 'fd79:2::2' };
type Family = keyof typeof SERVER;

/** Only related connections pass beside those to the ports of the protocols and of the channel. */
const FIREWALL = `
table inet filter {
  chain forward {
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    iifname "lan" tcp dport { 21, 2121, 5060, 6667, 9799 } accept
    iifname "lan" udp dport { 69, 5060 } accept
  }
}
`;
/** The same, without a rule for what helpers admit. */
const NO_RELATED = FIREWALL.replace('established,related', 'established');
const NAT = `
table ip nat {
  chain postrouting { type nat hook postrouting priority srcnat; policy accept; oifname "wan" masquerade; }
}
`;

/** A table that assigns helpers, as Pinhole writes it. */
function helpers(table: string, assignments: readonly [type: string, protocol: string, port: number][]): string {
  const objects = assignments.map(([type, protocol], index) => {
    const family = type === 'irc' ? ' l3proto ip;' : '';
    return `ct helper h${index} { type "${type}" protocol ${protocol};${family} }`;
  });
  const rules = assignments.map(([, protocol, port], index) => `${protocol} dport ${port} ct helper set "h${index}"`);
  return `table inet ${table} {\n${objects.join('\n')}\nchain assign { type filter hook prerouting priority mangle; policy accept;\n${rules.join('\n')}\n}\n}\n`;
}

const ALL = helpers('assigner', [
  ['ftp', 'tcp', 21],
  ['tftp', 'udp', 69],
  ['sip', 'udp', 5060],
  ['sip', 'tcp', 5060],
  ['irc', 'tcp', 6667],
]);

interface Trial {
  helper: string;
  mode: string;
  protocol: string;
  port: number;
  data: string;
  alg: string;
  why: string[];
  rewritten: { to_reflector: { sent: string; arrived: string }[]; to_client: { sent: string; arrived: string }[] };
}

/**
 * client ── lan │ router │ wan ── server, with the kernel's own helpers between a probe client and a reflector.
 */
describe('a probe through a real router', () => {
  const net = new ScratchNetwork(PREFIX);

  beforeAll(async () => {
    for (const host of ['client', 'router', 'server']) await net.addHost(host);
    await net.link(
      { host: 'client', interface: 'eth0', addresses: [`${CLIENT.ipv4}/24`, `${CLIENT.ipv6}/64`] },
      { host: 'router', interface: 'lan', addresses: ['10.79.1.1/24', 'fd79:1::1/64'] },
    );
    await net.link(
      { host: 'server', interface: 'eth0', addresses: [`${SERVER.ipv4}/24`, `${SERVER.ipv6}/64`] },
      { host: 'router', interface: 'wan', addresses: [`${ROUTER.ipv4}/24`, 'fd79:2::1/64'] },
    );
    for (const [host, v4, v6] of [
      ['client', '10.79.1.1', 'fd79:1::1'],
      ['server', '10.79.2.1', 'fd79:2::1'],
    ] as const) {
      await net.route(host, 'default', v4);
      await net.route(host, 'default', v6);
    }
    await net.sysctl('router', { 'net.ipv4.ip_forward': 1, 'net.ipv6.conf.all.forwarding': 1 });
    const reflector = net.start('server', [process.execPath, CLI, 'probe', 'reflector', '--json', '--ftp', '21,2121']);
    let said = '';
    reflector.stdout?.on('data', (chunk) => {
      said += chunk;
    });
    reflector.stderr?.on('data', (chunk) => {
      said += chunk;
    });
    await eventually(() => said.includes('\n'), { what: 'the reflector listens', timeoutMs: 30_000 });
    expect(said).toContain('"channel_port":9799');
  });
  afterAll(() => net.destroy());

  async function probe(ruleset: string, family: Family, ...flags: string[]): Promise<Trial[]> {
    await net.nft('router', `flush ruleset\n${ruleset}`);
    await net.exec('router', ['conntrack', '-F']).catch(() => undefined);
    const argv = [process.execPath, CLI, 'probe', 'client', SERVER[family], '--json', '--wait', '3', ...flags];
    const { stdout } = await net.exec('client', argv, { timeoutMs: 60_000 }).catch((error: { code: number; stdout: string }) => {
      if (error.code !== 1) throw error;
      return error;
    });
    return JSON.parse(stdout).paths[0].trials;
  }

  /** Trials at the usual ports, as `ftp PORT tcp: passed, present`. */
  const lines = (trials: readonly Trial[]) =>
    trials.filter(({ port }) => port !== 2121).map((one) => `${one.helper} ${one.mode} ${one.protocol}: ${one.data}, ${one.alg}`);
  const every = (family: Family, result: string) =>
    [
      ...(family === 'ipv4' ? ['ftp PORT tcp'] : []),
      'ftp EPRT tcp',
      ...(family === 'ipv4' ? ['ftp PASV tcp'] : []),
      'ftp EPSV tcp',
      'tftp read udp',
      'sip INVITE udp',
      'sip INVITE tcp',
      ...(family === 'ipv4' ? ['irc DCC SEND tcp'] : []),
    ].map((what) => `${what}: ${result}`);

  it('NAT and helpers: every connection passes, and every protocol has an ALG', async () => {
    const trials = await probe(FIREWALL + NAT + ALL, 'ipv4');
    expect(lines(trials)).toEqual(every('ipv4', 'passed, present'));
    const arrived = (mode: string, protocol = 'tcp') =>
      trials
        .find((one) => one.mode === mode && one.protocol === protocol && one.port !== 2121)
        ?.rewritten.to_reflector.map((one) => one.arrived);
    expect(arrived('PORT')).toEqual([expect.stringMatching(/^PORT 10,79,2,1,\d+,\d+$/)]);
    expect(arrived('EPRT')).toEqual([expect.stringMatching(/^EPRT \|1\|10\.79\.2\.1\|\d+\|$/)]);
    expect(arrived('DCC SEND')).toEqual([expect.stringContaining(`DCC SEND pinhole ${(10 << 24) + (79 << 16) + (2 << 8) + 1} `)]);
    for (const protocol of ['tcp', 'udp']) expect(arrived('INVITE', protocol)).toContain('c=IN IP4 10.79.2.1');
    for (const mode of ['PASV', 'EPSV', 'read']) expect(arrived(mode, mode === 'read' ? 'udp' : 'tcp')).toEqual([]);
  });

  it('NAT without helpers: nothing passes, and no ALG does its work', async () => {
    expect(lines(await probe(FIREWALL + NAT, 'ipv4'))).toEqual(every('ipv4', 'blocked, none'));
  });

  it.each(['ipv4', 'ipv6'] as const)('a firewall without NAT, %s: the announced ports show the ALG', async (family) => {
    const trials = await probe(FIREWALL + ALL, family);
    expect(lines(trials)).toEqual(every(family, 'passed, present'));
    expect(trials.flatMap(({ rewritten }) => [...rewritten.to_reflector, ...rewritten.to_client])).toEqual([]);
    expect(lines(await probe(FIREWALL, family))).toEqual(every(family, 'blocked, none'));
  });

  it('NAT and helpers, but a firewall that drops related connections: an ALG rewrites, and its ports are closed', async () => {
    const rewriting = ['PORT', 'EPRT', 'INVITE', 'DCC SEND'];
    const trials = await probe(NO_RELATED + NAT + ALL, 'ipv4');
    expect(lines(trials)).toEqual(
      every('ipv4', '').map((what) => `${what}blocked, ${rewriting.some((mode) => what.includes(mode)) ? 'present' : 'none'}`),
    );
  });

  it.each(['ipv4', 'ipv6'] as const)('an open path, %s: everything passes, and an ALG that is there is not noticed', async (family) => {
    expect(lines(await probe(ALL, family))).toEqual(every(family, 'passed, unknown'));
    expect(lines(await probe('', family))).toEqual(every(family, 'passed, unknown'));
  });

  it('a second assigner beside ours shows at the port that ours does not serve', async () => {
    const ours = helpers('pinhole', [['ftp', 'tcp', 21]]);
    const strange = helpers('strange', [['ftp', 'tcp', 2121]]);
    const algs = async (ruleset: string) =>
      (await probe(FIREWALL + NAT + ruleset, 'ipv4', '--only', 'ftp'))
        .filter(({ mode }) => mode === 'PORT')
        .map(({ port, alg }) => [port, alg]);
    expect(await algs(ours)).toEqual([
      [21, 'present'],
      [2121, 'none'],
    ]);
    expect(await algs(ours + strange)).toEqual([
      [21, 'present'],
      [2121, 'present'],
    ]);
  });
});
