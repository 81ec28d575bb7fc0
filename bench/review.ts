import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ReviewEngine } from '../src/review/engine.ts';
import type { Subject } from '../src/review/subject.ts';
import { hostileFiles } from '../test/support/hostile-files.ts';
import { median, type Result, round } from './measure.ts';

const ROUNDS = 5;
const RULES = 10_000;
const NEUTRON = '/usr/lib/python3/dist-packages/neutron';
const OWN = new URL('../../src/', import.meta.url).pathname;

/** Measures the review of sources and of large rulesets, in interleaved rounds. */
export async function benchReview(): Promise<Result[]> {
  const python = sources(join(NEUTRON, 'agent'), 'python', /\.py$/).concat(sources(join(NEUTRON, 'plugins'), 'python', /\.py$/));
  const typescript = sources(OWN, 'typescript', /(?<!\.d)\.ts$/);
  const measures: Readonly<Record<string, readonly Subject[]>> = {
    python,
    typescript,
    nft: [{ name: 'large.nft', kind: 'nft', text: nftRules(), mode: null }],
    iptables: [{ name: 'large.iptables', kind: 'iptables', text: iptablesRules(), mode: null }],
  };
  const times = new Map<string, number[]>(Object.keys(measures).map((name) => [name, []]));
  const engine = new ReviewEngine();
  for (let turn = -1; turn < ROUNDS; turn++) {
    for (const [name, subjects] of Object.entries(measures)) {
      const started = performance.now();
      for (const subject of subjects) await engine.review(subject);
      // The first turn is a warm-up.
      if (turn >= 0) times.get(name)?.push(performance.now() - started);
    }
  }
  engine.close();
  const ms = (name: string) => median(times.get(name) ?? []);
  const speed = (name: string, subjects: readonly Subject[]) => subjects.reduce((sum, { text }) => sum + text.length, 0) / 1000 / ms(name);
  const speeds = { python: speed('python', python), typescript: speed('typescript', typescript) };
  return [
    {
      what: 'Review of source, all rules, one core',
      target: 'at least 1 MB a second',
      ok: Object.values(speeds).every((one) => one >= 1),
      figures: {
        [`Python: ${python.length} files of Neutron, MB/s`]: round(speeds.python),
        [`TypeScript: ${typescript.length} files of Pinhole, MB/s`]: round(speeds.typescript),
      },
    },
    {
      what: `Review of a ruleset of ${RULES.toLocaleString('en')} rules`,
      target: 'at most 1 s',
      ok: ms('nft') <= 1000 && ms('iptables') <= 1000,
      figures: { 'nft, ms': round(ms('nft')), 'iptables-save, ms': round(ms('iptables')) },
    },
    await hostile(),
  ];
}

/** Reviews files of the maximum size that are made to cost much time. @returns the longest of the medians of three turns */
async function hostile(): Promise<Result> {
  const engine = new ReviewEngine();
  const files = hostileFiles(1);
  const times = new Map<string, number[]>(files.map(({ name }) => [name, []]));
  for (let turn = 0; turn < 3; turn++) {
    for (const file of files) {
      const started = performance.now();
      await engine.review(file);
      times.get(file.name)?.push(performance.now() - started);
    }
  }
  engine.close();
  const sorted = [...times].map(([name, of]) => [name, median(of)] as const).sort((a, b) => b[1] - a[1]);
  return {
    what: `Review of ${files.length} files that are made to keep a reviewer busy, each as large as it may be`,
    target: 'none takes more than 1 s',
    ok: (sorted[0]?.[1] ?? 0) <= 1000,
    figures: Object.fromEntries(sorted.slice(0, 5).map(([name, ms]) => [`${name}, ms`, round(ms)])),
  };
}

function sources(folder: string, kind: 'python' | 'typescript', pattern: RegExp): Subject[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && pattern.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .map((name) => ({ name, kind, text: readFileSync(name, 'utf8'), mode: null }));
}

/** Rules of which half assign helpers and half filter. Many have findings. */
function nftRules(): string {
  const half = RULES / 2;
  const assign = Array.from(
    { length: half },
    (_, i) => `\t\tip saddr 10.${i >> 8}.${i & 255}.0/24 tcp dport ${2000 + (i % 4000)} ct helper set "ftp-tcp"`,
  );
  const filter = Array.from(
    { length: half - 2 },
    (_, i) => `\t\tiifname "lan${i % 50}" ip daddr 192.0.2.${i % 256} tcp dport { ${i % 1000}, ${2000 + i} } counter accept`,
  );
  return `table inet fw {
	ct helper ftp-tcp {
		type "ftp" protocol tcp
		l3proto inet
	}
	chain prerouting {
		type filter hook prerouting priority mangle; policy accept;
		tcp dport 21 ct helper set "ftp-tcp"
${assign.join('\n')}
	}
	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state established,related accept
${filter.join('\n')}
	}
}
`;
}

function iptablesRules(): string {
  const half = RULES / 2;
  const assign = Array.from(
    { length: half },
    (_, i) => `-A PREROUTING -s 10.${i >> 8}.${i & 255}.0/24 -p tcp -m tcp --dport ${2000 + (i % 4000)} -j CT --helper ftp`,
  );
  const filter = Array.from(
    { length: half },
    (_, i) => `-A FORWARD -i lan${i % 50} -d 192.0.2.${i % 256}/32 -p tcp -m multiport --dports ${i % 1000},${2000 + i} -j ACCEPT`,
  );
  return `# Generated by iptables-save\n*raw\n:PREROUTING ACCEPT [0:0]\n${assign.join('\n')}\nCOMMIT\n*filter\n:FORWARD DROP [0:0]\n-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n${filter.join('\n')}\nCOMMIT\n`;
}
