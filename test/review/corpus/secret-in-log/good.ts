export function issue(log: Logger, token: Token): void {
  log.info({ id: token.id }, 'issued');
  log.debug('password file %s', token.passwordFile);
}
