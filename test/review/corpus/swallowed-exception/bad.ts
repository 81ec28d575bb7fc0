export async function stop(server: Server): Promise<void> {
  try {
    await server.stop();
  } catch {} // finds: swallowed-exception
  server.flush().catch(() => {}); // finds: swallowed-exception
}
