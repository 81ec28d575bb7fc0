export async function connect(client: Client): Promise<void> {
  while (true) { // finds: endless-retry
    try {
      await client.open();
      return;
    } catch (error) {
      client.note(error);
    }
  }
}
