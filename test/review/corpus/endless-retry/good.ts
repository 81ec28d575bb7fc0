export async function connect(client: Client): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      await client.open();
      return;
    } catch (error) {
      if (attempt > 10) throw error;
      await delay(100 * 2 ** attempt);
    }
  }
}
