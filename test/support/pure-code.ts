const within = (folder: string, ...names: string[]): string[] => names.map((name) => `src/${folder}/${name}.ts`);

/**
 * The pure code of each module: it opens no socket, database or process, so the unit tier alone can try all of it. A path that
 * ends in a slash stands for everything below it. Left out are files that only wire, listen, or speak to the kernel.
 */
export const PURE: Readonly<Record<string, readonly string[]>> = {
  agent: ['src/agent/'],
  api: [
    'src/api/request-id.ts',
    'src/api/json-depth.ts',
    ...within('api/neutron', 'attributes', 'errors', 'if-match', 'python', 'query', 'request'),
  ],
  bus: within('bus', 'oslo', 'permissions'),
  config: within('config', 'neutron-conf', 'transport-url'),
  contract: ['src/contract/'],
  control: ['src/control/policy/', ...within('control', 'manifest-steps', 'places', 'principal')],
  diagnosis: ['src/diagnosis/'],
  fleet: within('fleet', 'broker-users', 'fleet', 'machine-files'),
  formats: ['src/formats/'],
  kernel: [
    'src/kernel/fake/',
    ...within('kernel', 'protocol', 'table-shape'),
    ...within('kernel/linux', 'netlink', 'nft-constants', 'nft-decode', 'nft-encode', 'nft-read', 'reattach'),
  ],
  manifest: ['src/manifest/'],
  model: ['src/model/'],
  plan: ['src/plan/'],
  ports: ['src/ports/'],
  probe: within(
    'probe',
    'channel',
    'conversations',
    'differences',
    'endpoint',
    'ftp',
    'irc',
    'sessions',
    'sip',
    'tftp',
    'trial-id',
    'trials',
    'verdict',
  ),
  proof: within('proof', 'copied-network', 'network', 'trace', 'try'),
  review: ['src/review/'],
  sockets: ['src/sockets/'],
  store: [
    ...within(
      'store',
      'backup',
      'bulk-insert',
      'dialect',
      'engine',
      'group-commit',
      'journal',
      'prepared',
      'router-locks',
      'rows',
      'usage-ledger',
    ),
    ...within('store/postgres', 'copied-rows', 'errors'),
  ],
  terminal: within('terminal', 'lines', 'narrow', 'table'),
  wire: ['src/wire/'],
};

/** Percent of the lines of each module's pure code that the unit tier has to run. */
export const MIN_LINES = 80;

/** Whether one of `paths` stands for the file. All are relative to the repository. */
export function covers(paths: readonly string[], file: string): boolean {
  return paths.some((path) => (path.endsWith('/') ? file.startsWith(path) : file === path));
}

/** {@link MIN_LINES} for each module, by glob, as Vitest's coverage takes thresholds. */
export function thresholds(): Record<string, { lines: number }> {
  const globOf = (paths: readonly string[]) => paths.map((path) => (path.endsWith('/') ? `${path}**` : path)).join(',');
  // A brace needs two alternatives to be one: `{a}` matches the text `{a}` only.
  return Object.fromEntries(Object.values(PURE).map((paths) => [`{${globOf(paths)},}`, { lines: MIN_LINES }]));
}
