/**
 * Names on the bus: Neutron's where Neutron has one (neutron_lib `topics`, `resources_rpc`), so that one agent serves
 * either server.
 */
export const SERVER_TOPIC = 'q-plugin';
/** The topic on which neutron-server receives heartbeats. */
export const REPORTS_TOPIC = 'q-reports-plugin';
export const HELPER_TOPIC = 'neutron-vo-ConntrackHelper-1.0';

export const METHODS = {
  /** A hint to a router's host that the router has changed. */
  push: 'push',
  /** A pull of desired routers (Pinhole's server) or helpers (neutron-server). */
  bulkPull: 'bulk_pull',
  reportState: 'report_state',
  reportStatus: 'report_status',
  /** A change of an expectation, from an agent to the server that watches. */
  expectation: 'expectation_event',
  /** Requests to an agent. */
  plan: 'plan',
  diagnose: 'diagnose',
  confirm: 'confirm',
  reapply: 'reapply',
  expectations: 'expectations',
  watchExpectations: 'watch_expectations',
} as const;

/** Versions of the interfaces: Neutron's for its methods, 1.0 for Pinhole's own. */
const VERSIONS: Readonly<Record<string, string>> = {
  [METHODS.push]: '1.1',
  [METHODS.bulkPull]: '1.1',
  [METHODS.reportState]: '1.2',
  // 1.1: times of verification.
  [METHODS.reportStatus]: '1.1',
};

/** Returns the version of a method's interface, as oslo.messaging sends it. */
export function versionOf(method: string): string {
  return VERSIONS[method] ?? '1.0';
}

/** Returns the topic of hints for one host. Each host has its own, so that a change costs no other host anything. */
export function hintTopic(host: string): string {
  return `${HELPER_TOPIC}.${host}`;
}

/** Returns the topic of requests to the agent of one host. */
export function agentTopic(host: string): string {
  return `pinhole-agent.${host}`;
}

/** Returns the topic on which one server receives what it asked agents to send. @param id the name of the server's audit chain */
export function serverTopic(id: string): string {
  return `pinhole-server.${id}`;
}
