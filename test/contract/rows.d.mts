export interface Row {
  readonly name: string;
  readonly unordered?: string;
  readonly unorderedWords?: boolean;
  readonly subset?: boolean;
  readonly differs?: string;
  readonly ours?: number;
}
export const ROWS: readonly Row[];
export function play(
  url: string,
  headers?: Record<string, string>,
): Promise<{ name: string; status: number; type: string | null; body: unknown }[]>;
