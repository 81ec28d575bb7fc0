import { findKernelHelper } from '../model/catalogue.ts';

/** A helper that the kernel should assign. */
export interface DeclaredHelper {
  /** The kernel's name of it. */
  readonly type: string;
  readonly protocol: string;
  readonly port: number;
}

/** The helper that the kernel should have now; none where it is ACTIVE in no family, or no kernel has it. */
export function declaredOf(
  { helper, protocol, port }: { readonly helper: string; readonly protocol: string; readonly port: number },
  families: readonly { readonly status: string }[],
): DeclaredHelper[] {
  if (protocol !== 'tcp' && protocol !== 'udp') return [];
  const type = findKernelHelper(helper, protocol)?.type;
  return type === undefined || !families.some(({ status }) => status === 'ACTIVE') ? [] : [{ type, protocol, port }];
}
