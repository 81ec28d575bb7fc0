export async function stop(server: Server, log: Logger): Promise<void> {
  try {
    await server.stop();
  } catch (error) {
    log.warn({ error }, 'could not stop');
  }
  try {
    server.unlink();
  } catch {
    // Another process removed it: that is the goal.
  }
}
