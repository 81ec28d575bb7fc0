import type { Held } from '../contract/agent.ts';
import { MAX_EXPECTATIONS } from '../contract/expectation.ts';
import type { Kernel } from '../kernel/interface.ts';
import { NotFound } from '../model/errors.ts';
import { Answers } from '../wire/message.ts';
import { CONFIRM, DIAGNOSE, LIST_EXPECTATIONS, PLAN, REAPPLY, WATCH_EXPECTATIONS } from '../wire/messages.ts';
import type { DesiredState } from './desired-state.ts';
import type { ExpectationWatch } from './expectation-watch.ts';
import { type Known, LiveRequests } from './live-requests.ts';

export interface RequestParts {
  readonly kernel: Kernel;
  readonly desired: DesiredState;
  readonly expectations: ExpectationWatch;
  /** @throws PinholeError `unreachable` before the kernel process has answered for the first time */
  readonly known: () => Known;
  /** Lets a held pull through. @throws PinholeError `not-held` for another one, or none */
  readonly confirm: (id: string) => Held;
}

/** What servers may ask of this host. */
export function requests({ kernel, desired, expectations, known, confirm }: RequestParts): Answers<null> {
  const live = new LiveRequests(kernel);
  return new Answers<null>('an agent')
    .on(LIST_EXPECTATIONS, async ({ routerId }) => {
      const router = desired.get(routerId);
      if (!router) throw new NotFound('router', routerId);
      return (await kernel.expectations(router.netns)).slice(0, MAX_EXPECTATIONS);
    })
    .on(WATCH_EXPECTATIONS, async ({ topic, seconds, routers }) => {
      await expectations.watch({ topic, seconds, routers: routers && new Set(routers) });
      return null;
    })
    .on(PLAN, ({ router }) => live.plan(router, known()))
    .on(CONFIRM, ({ id }) => confirm(id))
    .on(DIAGNOSE, (request) => live.diagnose(request, known()))
    .on(REAPPLY, ({ router, helperId }) => live.reapply(router, helperId, known()));
}
