import { rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

// Joins what tsc built to few files: Node takes some 4 ms for each module that it loads, and a command loads 30.
// A program that finds another file by `import.meta.url` expects it one folder up, where it is in `dist/src` too.
const built = (path) => fileURLToPath(new URL(`../dist/${path}`, import.meta.url));
/** Small packages that every command needs. All others stay in node_modules. */
const JOINED = new Set(['commander', 'ipaddr.js']);

await rm(built('pinhole'), { recursive: true, force: true });
const bundle = await rolldown({
  input: { cli: built('src/cli.js'), 'proof/peer': built('src/proof/peer.js'), 'proof/probe-end': built('src/proof/probe-end.js') },
  platform: 'node',
  external: (id) => !/^[./]/.test(id) && !JOINED.has(id),
});
await bundle.write({
  dir: built('pinhole'),
  format: 'esm',
  chunkFileNames: 'chunks/[name]-[hash].js',
  codeSplitting: { groups: [{ name: 'ask', test: /\/dist\/src\/(contract|model|client|terminal)\// }] },
});
await bundle.close();
