export class Agent {
  constructor(private readonly routers: RouterTable) {}

  apply(changes: readonly Change[]): void {
    for (const change of changes) {
      const router = this.routers.lookup(change.routerId);
      if (!router) break; // finds: early-return-in-batch
      router.apply(change);
    }
  }
}
