export function issue(log: Logger, token: string): void {
  log.info(`issued ${token}`); // finds: secret-in-log
}
