import type { Result } from './measure.ts';

/** Results, and the machine that they are from. */
export interface Report {
  readonly kernel: string;
  readonly cpu: string;
  readonly cores: number;
  readonly node: string;
  readonly results: readonly Result[];
}

/** The text of docs/performance.md, which each saved run replaces. */
export function markdown({ kernel, cpu, cores, node, results }: Report): string {
  const sections = results.map(({ what, target, ok, figures }) => {
    const rows = Object.entries(figures).map(([name, value]) => `| ${name} | ${value} |`);
    const verdict = ok === null ? '' : ok ? ' Reached.' : ' **Missed.**';
    return `## ${capital(what)}\n\nTarget: ${target}.${verdict}\n\n| figure | value |\n|---|---|\n${rows.join('\n')}\n`;
  });
  return `# Performance

\`npm run bench\` (as root) writes this page. Its parts are in \`bench/\`; \`npm run bench -- --only PART --save\` measures one part again.
The absolute times are those of one shared machine, so compare figures within one part. Runs of Pinhole and of its alternatives are
interleaved, and the figures are medians.

Linux ${kernel}, ${cpu}, ${cores} cores, Node ${node}.

${sections.join('\n')}`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
