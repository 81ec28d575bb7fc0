import type { Command } from 'commander';
import { withConfig } from '../options.ts';

export function defineReview(program: Command): void {
  const review = program
    .command('review')
    .description('security review of rulesets, configuration and agent source, with evidence')
    .argument('[paths...]', 'files and folders; - is standard input')
    .option('--netns <name>', 'the rules of a network namespace, live (as root, or in the group of the kernel process)')
    .option('--host-netns', "those of the host's own (likewise)")
    .option('--types <types>', 'defect types, like CWE-703,CWE-691 (default: the ten pillars of CWE-1000)')
    .option('--format <format>', 'by-type (default), list, json, sarif, markdown or html')
    .option('--json', 'like --format json')
    .option('--output <file>', 'write it there')
    .option('--fail-on <severity>', 'exit 1 where a finding is info, low, medium, high or critical, or worse than that')
    .option('--baseline <file>', 'findings that are known, each with its reason')
    .option('--write-baseline <file>', 'write what was found as a baseline; what --baseline knew keeps its reason')
    .option('--kind <kind>', 'what the files are, where their names and contents do not say')
    .option('--kernel <version>', 'kernel that the rulesets are for, like 6.1.82: for known advisories')
    .option('--prove', 'try findings of rulesets in throw-away namespaces (as root)')
    .option('--second-reader', "ask the model of 'review.llm' too, and keep what the code bears out");
  withConfig(review).action(async (paths, flags) => (await import('./review.ts')).review(paths, flags));
}
