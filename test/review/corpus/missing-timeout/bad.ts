export async function agents(url: string): Promise<unknown> {
  const response = await fetch(`${url}/agents`, { method: 'GET' }); // finds: missing-timeout
  return response.json();
}
