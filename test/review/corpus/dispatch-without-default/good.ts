type Kind = 'created' | 'deleted';

export function handle(kind: Kind, driver: Driver): void {
  switch (kind) {
    case 'created':
      driver.create();
      break;
    case 'deleted':
      driver.remove();
      break;
  }
}

export function parse(kind: string): number {
  switch (kind) {
    case 'one':
      return 1;
    default:
      throw new Error(kind);
  }
}
