import { CONFINE } from '../contract/confinement.ts';
import type { DesiredRouter } from '../contract/desired-router.ts';
import { FAMILY_STATUS, type RouterReport } from '../contract/status.ts';

/** What became of one router on this host, in the words of the API's `/v1/status`. */
export function localStatus(host: string, router: DesiredRouter, report: RouterReport | null): object {
  const families = new Map(report?.helpers.map((status) => [status.helperId, status.families]));
  const { id, name, netns, revision, confinement } = router;
  return {
    router: { id, name, host, netns, revision, confine: CONFINE.write(confinement) },
    reason: report?.reason ?? '',
    reported_revision: report?.revision ?? null,
    drifts: report?.drifts ?? 0,
    helpers: router.helpers.map(({ id: helperId, protocol, port, helper, scope, expiresAt }) => ({
      id: helperId,
      protocol,
      port,
      helper,
      scope: scope && { source: scope.source, destination: scope.destination, in_interface: scope.inInterface },
      expires_at: expiresAt,
      families: (families.get(helperId) ?? []).map((family) => FAMILY_STATUS.write(family)),
    })),
  };
}
