export function hostOf(endpoint: string): string {
  return new URL(`tcp://${endpoint}`).hostname;
}
