import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from './eventually.ts';
import type { PeerLab } from './peer-lab.ts';

/** Ports of the media at both ends, which tests use themselves: sipp sends none. */
export const MEDIA = { client: 36_010, server: 36_000 } as const;
const PORT = 5060;

/** Addresses of both ends of a call. */
export interface CallEnds {
  readonly client: string;
  readonly server: string;
}

/** A call between two sipp, from the client of a lab to its server: its signalling, without media. */
export class SipCall {
  /** Ends both sipp, without a BYE. */
  readonly stop: () => Promise<void>;
  /** Address and port for media to the client, as the server reads them in the SDP. */
  readonly toClient: { readonly address: string; readonly port: number };

  readonly #ends: CallEnds;

  private constructor(ends: CallEnds, toClient: SipCall['toClient'], stop: () => Promise<void>) {
    this.#ends = ends;
    this.toClient = toClient;
    this.stop = stop;
  }

  /** Sets up a call, and returns when the caller has acknowledged the answer. @param options `seconds` that it lasts */
  static async start(
    lab: PeerLab,
    { transport, ends, seconds }: { transport: 'u1' | 't1'; ends: CallEnds; seconds: number },
  ): Promise<SipCall> {
    const { client, server } = ends;
    const messages = join(lab.directory, `uas-${transport}-${Date.now()}.log`);
    const common = async (name: 'uac' | 'uas', own: string, media: number) => [
      ...['-sf', await scenario(lab, name, MEDIA[name === 'uas' ? 'server' : 'client'])],
      ...['-i', bracket(own), '-mi', bracket(own), '-mp', String(media), '-t', transport, '-nostdin'],
    ];
    const traced = ['-trace_msg', '-message_file', messages];
    const uas = lab.network.start('server', ['sipp', ...(await common('uas', server, 16_000)), '-p', String(PORT), ...traced], {
      cwd: lab.directory,
    });
    await lab.listening('server', transport === 'u1' ? 'u' : 't', PORT);
    const call = [`${bracket(server)}:${PORT}`, '-m', '1', '-d', String(seconds * 1000)];
    const uac = lab.network.start('client', ['sipp', ...(await common('uac', client, 26_000)), ...call], { cwd: lab.directory });
    const stop = async () => {
      for (const child of [uac, uas]) child.kill('SIGKILL');
      for (const host of ['client', 'server']) for (const pid of await sippPids(lab, host)) process.kill(pid, 'SIGKILL');
      await eventually(async () => !(await lab.network.exec('server', ['ss', '-Hlntu', `sport = :${PORT}`])).stdout.includes(String(PORT)));
    };
    try {
      const sdp = () => /INVITE[\s\S]*?\bc=IN IP[46] (\S+)[\s\S]*?m=audio (\d+)/.exec(readText(messages));
      await eventually(() => sdp() !== null && /ACK sip/.test(readText(messages)), { what: 'the call is set up' });
      const [, address = '', port = ''] = sdp() ?? [];
      return new SipCall(ends, { address, port: Number(port) }, stop);
    } catch (error) {
      await stop();
      throw error;
    }
  }

  /** Parameters of a scripted peer at each end that sends media to the address in the other's SDP. */
  media(): { readonly server: object; readonly client: object } {
    const { client, server } = this.#ends;
    return {
      server: { own: server, port: MEDIA.server, to: this.toClient },
      client: { own: client, port: MEDIA.client, to: { address: server, port: MEDIA.server } },
    };
  }
}

/** sipp's built-in scenario, with media on a port that the test uses itself. @returns its file */
async function scenario(lab: PeerLab, name: 'uac' | 'uas', port: number): Promise<string> {
  const { stdout } = await lab.network.exec('client', ['sipp', '-sd', name]).catch((error: { stdout: string }) => error);
  const file = join(lab.directory, `${name}.xml`);
  writeFileSync(file, stdout.slice(stdout.indexOf('<?xml')).replaceAll('[media_port]', String(port)));
  return file;
}

function bracket(address: string): string {
  return address.includes(':') ? `[${address}]` : address;
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

async function sippPids(lab: PeerLab, host: string): Promise<number[]> {
  return (await lab.network.pids(host)).filter((pid) => readText(`/proc/${pid}/cmdline`).startsWith('sipp'));
}
