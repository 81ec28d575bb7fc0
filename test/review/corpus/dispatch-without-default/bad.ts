export function handle(kind: string, driver: Driver): void {
  switch (kind) { // finds: dispatch-without-default
    case 'created':
      driver.create();
      break;
    case 'deleted':
      driver.remove();
      break;
  }
}
