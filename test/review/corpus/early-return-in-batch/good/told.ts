export class Resolver {
  error: string | null = null;
  readonly addresses: string[] = [];

  read(paths: readonly string[]): void {
    for (const path of paths) {
      const host = this.hostOf(path);
      if (host === null) {
        this.error = `cannot read ${path}`;
        return;
      }
      this.addresses.push(host);
    }
  }

  private hostOf(path: string): string | null {
    return path.startsWith('/') ? null : path;
  }
}
