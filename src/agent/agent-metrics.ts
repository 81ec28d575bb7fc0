import { type Metrics, type Observed, observe, observeEach, observeTogether } from '../telemetry/metrics.ts';
import type { Agent } from './agent.ts';

type Counts = Agent['counts'];

const NUMBERS: readonly (readonly [Observed, (counts: Counts) => number])[] = [
  [{ name: 'pinhole_agent_routers', help: 'Routers of this host' }, ({ routers }) => routers],
  [
    {
      name: 'pinhole_agent_queue_length',
      help: 'Routers and namespaces that wait for work: if it does not go down, the log says what fails',
    },
    ({ queued }) => queued,
  ],
  [
    {
      name: 'pinhole_agent_repairs_total',
      help: 'Changes by other programs that were repaired: the log names the program and the namespace',
      kind: 'counter',
    },
    ({ drifts }) => drifts,
  ],
  [
    { name: 'pinhole_agent_stripped_connections_total', help: 'Live connections that lost a helper that was removed', kind: 'counter' },
    ({ stripped }) => stripped,
  ],
  [
    { name: 'pinhole_agent_pulls_total', help: 'Questions asked of the server for what is declared', kind: 'counter' },
    ({ pulls }) => pulls,
  ],
  [
    { name: 'pinhole_agent_pull_seconds_total', help: 'Seconds that their answers took, together', kind: 'counter' },
    ({ pullSeconds }) => pullSeconds,
  ],
  [
    {
      name: 'pinhole_agent_sync_seconds_total',
      help: 'Seconds that looks at the kernel and changes of it took, together',
      kind: 'counter',
    },
    ({ syncSeconds }) => syncSeconds,
  ],
  [
    { name: 'pinhole_agent_kernel_process_up', help: '1 while the kernel process answers, otherwise 0: its own log says why' },
    ({ kernelProcessUp }) => kernelProcessUp,
  ],
  [
    { name: 'pinhole_agent_kernel_process_losses_total', help: 'How often the kernel process was lost', kind: 'counter' },
    ({ kernelProcessLosses }) => kernelProcessLosses,
  ],
  [
    {
      name: 'pinhole_agent_verification_age_seconds',
      help: 'Seconds since every helper that is ACTIVE was verified in the kernel: above the bound, they become STALE',
    },
    ({ verificationAgeSeconds }) => verificationAgeSeconds,
  ],
];

/** Registers the metrics of an agent. */
export function registerAgentMetrics(metrics: Metrics, agent: Agent): void {
  observeTogether(metrics, NUMBERS, () => agent.counts);
  const syncs = 'Looks at namespaces by outcome. failed: the kernel refused a table, and the status of its router says why';
  observeEach(metrics, { name: 'pinhole_agent_syncs_total', help: syncs, kind: 'counter', label: 'outcome' }, () => {
    const { unchanged, verified, writes, failures } = agent.counts;
    return { unchanged, verified, written: writes, failed: failures };
  });
  const helpers = "Helpers of this host by the worst status of their families: 'pinhole status --problems' says what is wrong";
  observeEach(metrics, { name: 'pinhole_agent_helpers', help: helpers, label: 'status' }, () => agent.helpersByStatus());
  const held = "1 while a removal of many helpers is held: 'pinhole host list' names the hosts, 'pinhole host confirm' lets it through";
  observe(metrics, { name: 'pinhole_agent_pull_held', help: held }, () => (agent.isHeld ? 1 : 0));
}
