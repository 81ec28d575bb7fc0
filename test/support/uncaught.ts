/** What Node prints last when an exception that nothing caught, or a rejection that nothing handled, ends a process. */
const FATAL = /^Node\.js v\d+\.\d+\.\d+/m;

/**
 * Fails a test whose process of Pinhole's was ended by an error of its own: it is started again, and the test may not notice.
 * @param log what the process, or a supervisor with its processes, has printed
 * @throws Error with the end of that output
 */
export function refuseUncaught(log: string): void {
  const at = FATAL.exec(log)?.index;
  if (at === undefined) return;
  throw new Error(`an error that nothing caught ended a process of Pinhole's:\n${log.slice(Math.max(0, at - 4_000), at)}`);
}
