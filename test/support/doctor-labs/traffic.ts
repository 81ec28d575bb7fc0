import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../eventually.ts';
import type { PeerLab } from '../peer-lab.ts';
import { SipCall } from '../sip-call.ts';
import { AT } from './at.ts';

/** A file that is fetched: the mode of the transfer, and of IPv6 if it says so. All but `tftp` are FTP. */
type FileTraffic = 'passive' | 'passive-v6' | 'epsv' | 'active' | 'active-v6' | 'explicit-tls' | 'implicit-tls' | 'tftp' | 'inbound';
/** What real programs try: curl with vsftpd or tftpd, a call of two sipp with media both ways, a file by DCC through ngircd. */
export type Traffic = FileTraffic | 'sip' | 'irc';

const CONTENT = 'through a pinhole\n';
/** Seconds that a transfer may take: a dropped data connection never answers, so the failure is certain long before. */
const SECONDS = { fails: 2, works: 20 };
/** Packets of media that have to arrive of about 75. */
const ENOUGH = 10;

const FTP = [{ helper: 'ftp', protocol: 'tcp', port: 21, scope: null }] as const;
const USUAL = {
  tftp: [{ helper: 'tftp', protocol: 'udp', port: 69, scope: null }],
  sip: [{ helper: 'sip', protocol: 'udp', port: 5060, scope: null }],
  irc: [{ helper: 'irc', protocol: 'tcp', port: 6667, scope: null }],
} as const;

/** The helpers that some traffic needs. */
export function usualHelpers(traffic: Traffic) {
  return traffic === 'tftp' || traffic === 'sip' || traffic === 'irc' ? USUAL[traffic] : FTP;
}

/** Starts what the traffic needs in the lab's server, and tries it. @param expected decides how long the attempt may take. @returns whether it works */
export async function tryTraffic(lab: PeerLab, traffic: Traffic, expected: boolean): Promise<boolean> {
  if (traffic === 'sip') return mediaPasses(lab);
  if (traffic === 'irc') return dccArrives(lab);
  await (traffic === 'tftp' ? startTftp(lab) : startFtp(lab, traffic));
  const seconds = expected ? SECONDS.works : SECONDS.fails;
  const argv = ['curl', '-sS', '--max-time', String(seconds), ...request(traffic)];
  const fetched = lab.network.exec('client', argv, { timeoutMs: 60_000 });
  return fetched.then(({ stdout }) => stdout === CONTENT).catch(() => false);
}

/** Whether media of a call passes both ways. */
async function mediaPasses(lab: PeerLab): Promise<boolean> {
  const call = await SipCall.start(lab, { transport: 'u1', ends: AT.v4, seconds: 4 });
  try {
    const { server, client } = call.media();
    const received = await Promise.all([
      lab.peer<{ received: number }>('server', 'rtp.mjs', server),
      lab.peer<{ received: number }>('client', 'rtp.mjs', client),
    ]);
    return received.every(({ received }) => received > ENOUGH);
  } finally {
    await call.stop();
  }
}

/** Whether a file arrives that the client offers to a user beside the server. */
async function dccArrives(lab: PeerLab): Promise<boolean> {
  const config = join(lab.directory, 'ngircd.conf');
  const global = ['[Global]', 'Name = irc.example.test', 'Info = test', `Listen = ${AT.v4.server}`, 'Ports = 6667', 'MotdPhrase = hello'];
  const limits = ['[Options]', 'PAM = no', 'Ident = no', 'DNS = no', '[Limits]', 'MaxConnectionsIP = 0', 'MaxPenaltyTime = 0'];
  writeFileSync(config, `${[...global, ...limits].join('\n')}\n`);
  lab.network.start('server', ['ngircd', '--nodaemon', '--config', config]);
  await lab.listening('server', 't', 6667);
  const receiver = await lab.startPeer('server', 'irc-client.mjs', { role: 'bob', server: AT.v4.server });
  await lab.peer('client', 'irc-client.mjs', { role: 'alice', server: AT.v4.server, own: AT.v4.client });
  await eventually(() => receiver.lines.length > 1, { what: 'the receiver ends' });
  return (JSON.parse(receiver.lines[1] ?? '{}') as { content?: string | null }).content === 'sent by DCC\n';
}

async function startFtp(lab: PeerLab, traffic: FileTraffic): Promise<void> {
  const root = join(lab.directory, 'ftp');
  mkdirSync(join(root, 'empty'), { recursive: true });
  writeFileSync(join(root, 'file.txt'), CONTENT);
  const port = traffic === 'implicit-tls' ? 990 : 21;
  const lines = [
    'listen=NO',
    'listen_ipv6=YES',
    `listen_port=${port}`,
    'background=NO',
    'anonymous_enable=YES',
    `anon_root=${root}`,
    `secure_chroot_dir=${join(root, 'empty')}`,
    'no_anon_password=YES',
    'seccomp_sandbox=NO',
    'connect_from_port_20=YES',
    'pasv_min_port=20000',
    'pasv_max_port=60000',
    ...(port === 990 || traffic === 'explicit-tls' ? await tls(lab, port === 990) : []),
  ];
  const config = join(lab.directory, 'vsftpd.conf');
  writeFileSync(config, `${lines.join('\n')}\n`);
  await lab.network.exec('server', ['chmod', 'o+x', lab.directory]);
  lab.network.start('server', ['vsftpd', config]);
  await lab.listening('server', 't', port);
}

/** A certificate, and the settings that make vsftpd insist on it. */
async function tls(lab: PeerLab, implicit: boolean): Promise<string[]> {
  const certificate = join(lab.directory, 'server.pem');
  const make = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=server'];
  await lab.network.exec('server', ['openssl', ...make, '-keyout', certificate, '-out', `${certificate}.crt`]);
  return [
    'ssl_enable=YES',
    'allow_anon_ssl=YES',
    'require_ssl_reuse=NO',
    `implicit_ssl=${implicit ? 'YES' : 'NO'}`,
    `rsa_cert_file=${certificate}.crt`,
    `rsa_private_key_file=${certificate}`,
  ];
}

async function startTftp(lab: PeerLab): Promise<void> {
  const root = join(lab.directory, 'tftp');
  mkdirSync(root);
  writeFileSync(join(root, 'file.txt'), CONTENT, { mode: 0o644 });
  await lab.network.exec('server', ['chmod', 'o+x', lab.directory]);
  lab.network.start('server', ['in.tftpd', '--foreground', '--address', `${AT.v4.server}:69`, '--secure', root]);
  await lab.listening('server', 'u', 69);
}

/** Curl's arguments. `inbound` is asked of the router's outer address, which translates it to the inside. */
function request(traffic: FileTraffic): readonly string[] {
  const { v4, v6 } = AT;
  const plain = (...more: string[]) => [`ftp://${v4.server}/file.txt`, ...more];
  switch (traffic) {
    case 'passive':
      return plain('--disable-epsv');
    case 'epsv':
      return plain();
    case 'active':
      return plain('--ftp-port', '-', '--disable-eprt');
    case 'passive-v6':
      return [`ftp://[${v6.server}]/file.txt`];
    case 'active-v6':
      return [`ftp://[${v6.server}]/file.txt`, '--ftp-port', '-'];
    case 'explicit-tls':
      return plain('--ssl-reqd', '--insecure');
    case 'implicit-tls':
      return [`ftps://${v4.server}/file.txt`, '--insecure', '--disable-epsv'];
    case 'inbound':
      return [`ftp://${v4.lan}/file.txt`, '--disable-epsv'];
    case 'tftp':
      return [`tftp://${v4.server}/file.txt`];
  }
}
