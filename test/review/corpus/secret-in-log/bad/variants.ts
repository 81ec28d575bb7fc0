export function a(logger: Logger, password: string): void {
  logger.info({ password }, 'login'); // finds: secret-in-log
}
export function b(log: Logger, config: Config): void {
  log.debug(`using ${config.apiToken}`); // finds: secret-in-log
}
export function c(): string {
  const sessionToken = Math.random().toString(36); // finds: predictable-secret
  return sessionToken;
}
