import type { Result } from './measure.ts';

export interface Report {
  readonly kernel: string;
  readonly cpu: string;
  readonly cores: number;
  readonly node: string;
  readonly results: readonly Result[];
}

/** docs/performance.md, made anew by each run that is saved. */
export function markdown({ kernel, cpu, cores, node, results }: Report): string {
  const sections = results.map(({ what, target, ok, figures }) => {
    const rows = Object.entries(figures).map(([name, value]) => `| ${name} | ${value} |`);
    const verdict = ok === null ? '' : ok ? ' Reached.' : ' **Missed.**';
    return `## ${capital(what)}\n\nTarget: ${target}.${verdict}\n\n| figure | value |\n|---|---|\n${rows.join('\n')}\n`;
  });
  return `# Performance

Written by \`npm run bench\` (as root; the parts are in \`bench/\`; \`npm run bench -- --only PART --save\` measures one anew). Absolute times are
those of one shared machine: compare figures of one part with each other. Alternatives are interleaved with ours and medians are given.

Linux ${kernel}, ${cpu}, ${cores} cores, Node ${node}.

${sections.join('\n')}`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
