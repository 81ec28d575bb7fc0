export async function agents(url: string): Promise<unknown> {
  const response = await fetch(`${url}/agents`, { signal: AbortSignal.timeout(5000) });
  return response.json();
}
