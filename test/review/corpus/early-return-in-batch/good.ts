export class Agent {
  constructor(private readonly routers: RouterTable) {}

  apply(changes: readonly Change[]): string[] {
    const unknown: string[] = [];
    for (const change of changes) {
      const router = this.routers.lookup(change.routerId);
      if (!router) {
        unknown.push(change.routerId);
        continue;
      }
      router.apply(change);
    }
    return unknown;
  }
}
