export function setup(): void {
  if (process.getuid?.() !== 0) throw new Error('system tests need root: they make network namespaces');
}
