/**
 * Names on the bus: Neutron's where Neutron has one (neutron_lib `topics`, `resources_rpc`), so that one agent serves
 * either server.
 */
export const SERVER_TOPIC = 'q-plugin';
/** Where neutron-server takes heartbeats. */
export const REPORTS_TOPIC = 'q-reports-plugin';
export const HELPER_TOPIC = 'neutron-vo-ConntrackHelper-1.0';

export const METHODS = {
  /** Hint, to the host of a router: something of it changed. */
  push: 'push',
  /** Pull of the authoritative list. */
  bulkPull: 'bulk_pull',
  reportState: 'report_state',
  reportStatus: 'report_status',
  /** From an agent while somebody watches: an expectation came or went. */
  expectation: 'expectation_event',
  /** Asked of an agent. */
  plan: 'plan',
  reapply: 'reapply',
  expectations: 'expectations',
  watchExpectations: 'watch_expectations',
} as const;

/** Versions of the interfaces: Neutron's for its methods; of Pinhole's own there is one so far. */
const VERSIONS: Readonly<Record<string, string>> = { [METHODS.push]: '1.1', [METHODS.bulkPull]: '1.1', [METHODS.reportState]: '1.2' };

export function versionOf(method: string): string {
  return VERSIONS[method] ?? '1.0';
}

/** Hints for one host only: a change costs its own host something, no other. */
export function hintTopic(host: string): string {
  return `${HELPER_TOPIC}.${host}`;
}

/** Requests to the agent of one host. */
export function agentTopic(host: string): string {
  return `pinhole-agent.${host}`;
}

/** What agents tell one server: that which somebody watches there. */
export function serverTopic(id: string): string {
  return `pinhole-server.${id}`;
}
