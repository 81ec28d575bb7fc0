import { describe, expect, it } from 'vitest';
import { DEFAULT_CONFINEMENT } from '../../src/contract/confinement.ts';
import { unconfined } from '../../src/diagnosis/unconfined.ts';

const helper = (name: string, protocol: string) => ({ helper: name, protocol });
const edge = { name: 'edge', confinement: null };

describe('who is not confined', () => {
  it('names the helpers of a router that is not confined, each once, and the remedy', () => {
    expect(unconfined(edge, [helper('sip', 'udp'), helper('ftp', 'tcp'), helper('sip', 'tcp')])).toEqual([
      {
        check: 'confinement',
        result: 'note',
        detail:
          "not confined: with ftp, sip, a forged announcement opens any port of a host behind the router. 'pinhole router set edge --confine' keeps low ports and those of known services closed.",
      },
    ]);
  });

  it('says nothing of a router that is confined', () => {
    expect(unconfined({ name: 'edge', confinement: DEFAULT_CONFINEMENT }, [helper('ftp', 'tcp')])).toEqual([]);
  });

  it('says nothing of helpers that no kernel has, or that only the router itself uses', () => {
    expect(unconfined(edge, [helper('amanda', 'tcp'), helper('snmp', 'udp'), helper('netbios-ns', 'udp')])).toEqual([]);
  });
});
