export function rule(helper: any): string {
  const port = Number(helper.port);
  if (!isHelper(helper.name)) throw new Error(`no helper ${helper.name}`);
  return `tcp dport ${port} ct helper set "${helper.name}"`;
}
