import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ownPrefix } from '../../src/lab/scratch-network.ts';
import { seededChance } from '../../src/ports/chance.ts';
import { FIREWALLD, UFW } from '../support/doctor-labs/rulesets.ts';
import { iptablesRuleset } from '../support/packet-lab/iptables-rules.ts';
import { type Comparison, DifferentialLab } from '../support/packet-lab/lab.ts';
import { nftRuleset } from '../support/packet-lab/nft-rules.ts';
import { Picker } from '../support/packet-lab/pick.ts';
import { Traffic } from '../support/packet-lab/traffic.ts';

const SOAK = process.env['PINHOLE_SOAK'] !== undefined;
/** Rulesets of each kind, and packets through each. The soak has 120,000 packets. */
const [RULESETS, BATCHES] = SOAK ? [100, 4] : [8, 1];
const BATCH = 100;
/** A run of the evaluator that says "not known" of more than this part of all packets proves little. */
const MOST_UNKNOWN = 0.25;

const KINDS = ['nft', 'iptables-nft', 'iptables-legacy'] as const;
type Kind = (typeof KINDS)[number];

/** Loads random rules. @returns their text */
async function loadRandom(lab: DifferentialLab, kind: Kind, pick: Picker): Promise<string> {
  if (kind === 'nft') {
    const rules = nftRuleset(pick);
    if (!(await lab.loadNft(rules))) throw new Error(`nft refuses\n${rules}`);
    return rules;
  }
  const rules = { ipv4: iptablesRuleset(pick, 'ipv4'), ipv6: iptablesRuleset(pick, 'ipv6') };
  const program = kind === 'iptables-nft' ? 'nft' : 'legacy';
  if (!(await lab.loadIptables(program, rules))) throw new Error(`${kind} refuses\n${rules.ipv4}\n${rules.ipv6}`);
  return `${rules.ipv4}\n${rules.ipv6}`;
}

function shoot(lab: DifferentialLab, pick: Picker, batches: number): Comparison[] {
  const traffic = new Traffic(pick);
  return Array.from({ length: batches }, () => {
    traffic.forget();
    return lab.compare(Array.from({ length: BATCH }, () => traffic.next()));
  }).flat();
}

function described({ shot: { header, device, tracked }, kernel, sent }: Comparison): string {
  const stops = sent.stops.map((stop) => (stop.kind === 'rule' ? (stop.by.rule?.text ?? `policy of ${stop.by.chain.name}`) : stop.text));
  return JSON.stringify({ device, ...header, state: tracked.state, status: tracked.status, kernel, evaluator: stops, output: sent.output });
}

function shareOf(all: readonly Comparison[], result: Comparison['result']): number {
  return all.filter((one) => one.result === result).length / all.length;
}

describe.each(KINDS)('the evaluator and the kernel, with random rules of %s', (kind) => {
  const lab = new DifferentialLab(`${ownPrefix('pht')}-diff`);
  beforeAll(() => lab.build());
  afterAll(() => lab.destroy());

  it('do the same with random packets', async () => {
    const all: Comparison[] = [];
    for (let seed = 1; seed <= RULESETS; seed++) {
      const pick = new Picker(seededChance(seed));
      const rules = await loadRandom(lab, kind, pick);
      const compared = shoot(lab, pick, BATCHES);
      const wrong = compared.find(({ result }) => result === 'disagreed');
      if (wrong) expect.fail(`seed ${seed}: ${described(wrong)}\n${rules}`);
      all.push(...compared);
    }
    const unknown = shareOf(all, 'unknown');
    process.stdout.write(`${kind}: ${all.length} packets through ${RULESETS} rulesets, ${(unknown * 100).toFixed(1)} % not known\n`);
    expect(unknown).toBeLessThan(MOST_UNKNOWN);
    expect(new Set(all.map(({ kernel }) => kernel.kind))).toEqual(new Set(['forwarded', 'taken', 'dropped']));
  });
});

describe('the evaluator and the kernel, with rules that programs wrote', () => {
  const lab = new DifferentialLab(`${ownPrefix('pht')}-diffr`);
  beforeAll(() => lab.build());
  afterAll(() => lab.destroy());

  it.each(['firewalld', 'ufw'] as const)('do the same with random packets: %s', async (program) => {
    const loaded =
      program === 'firewalld'
        ? lab.loadNft(FIREWALLD)
        : lab.loadNft('').then(() => lab.loadIptables('nft', { ipv4: UFW.v4, ipv6: UFW.v6 }));
    expect(await loaded).toBe(true);
    const compared = shoot(lab, new Picker(seededChance(7)), SOAK ? 20 : 3);
    expect(compared.filter(({ result }) => result === 'disagreed').map(described)).toEqual([]);
    expect(shareOf(compared, 'unknown')).toBeLessThan(MOST_UNKNOWN);
  });
});
