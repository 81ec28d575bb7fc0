import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import type { HelperJson, RouterJson } from '../../src/client/resources.ts';
import {
  type Declared,
  type Manifest,
  type ManifestHelper,
  parseManifest,
  planSteps,
  readManifest,
  type Step,
  toManifest,
} from '../../src/manifest/manifest.ts';
import { parseScope } from '../../src/model/conntrack-helper.ts';
import { PinholeError } from '../../src/model/errors.ts';
import { scopeInput } from '../support/arbitraries.ts';
import { runs } from '../support/runs.ts';

const scope = fc.option(scopeInput).map((input) => {
  const parsed = input && parseScope(input);
  return parsed && { source: parsed.source, destination: parsed.destination, in_interface: parsed.inInterface };
});

/** Few of each, so that a file and what is declared have some in common. */
const helper: fc.Arbitrary<ManifestHelper> = fc
  .tuple(
    fc.constantFrom({ helper: 'ftp', protocol: 'tcp' }, { helper: 'tftp', protocol: 'udp' }, { helper: 'sip', protocol: 'udp' }),
    fc.constantFrom(21, 69, 5060),
    fc.oneof({ weight: 3, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: scope }),
  )
  .map(([of, port, where]) => ({ ...of, port, scope: where }));

const router = fc.record({
  name: fc.constantFrom('a', 'b', 'c', 'd'),
  netns: fc.constantFrom(null, '/', 'ns1', 'ns2'),
  host: fc.constantFrom(null, 'h1', 'h2'),
  project: fc.constantFrom(null, 'p', 'q'),
  confine: fc.boolean(),
  helpers: fc.array(helper, { maxLength: 5 }),
});
const manifest: fc.Arbitrary<Manifest> = fc.record({ routers: fc.uniqueArray(router, { maxLength: 4, selector: ({ name }) => name }) });

/** An API in memory: it does what steps say, and refuses what the real one refuses. */
class Api {
  readonly #routers = new Map<string, { router: RouterJson; helpers: HelperJson[] }>();
  #ids = 0;

  get declared(): Declared[] {
    return [...this.#routers.values()];
  }

  do(step: Step): void {
    const found = [...this.#routers.values()].find((one) => one.router.name === step.router);
    switch (step.step) {
      case 'create-router': {
        const id = this.#id();
        this.#routers.set(id, { router: this.#routerOf(id, step.fields, { host: null, project_id: 'default' }), helpers: [] });
        return;
      }
      case 'update-router': {
        const before = this.#get(step.id);
        before.router = this.#routerOf(step.id, step.fields, before.router);
        return;
      }
      case 'delete-router':
        this.#get(step.id);
        this.#routers.delete(step.id);
        return;
      case 'create-helper': {
        if (!found) throw new Error(`no router ${step.router}`);
        if (found.helpers.some((one) => same(one, step.helper))) throw new Error('duplicate-helper');
        found.helpers.push({ ...step.helper, id: this.#id(), expires_at: null });
        return;
      }
      case 'delete-helper': {
        const at = found?.helpers.findIndex(({ id }) => id === step.id) ?? -1;
        if (at < 0) throw new Error('helper-not-found');
        found?.helpers.splice(at, 1);
      }
    }
  }

  #routerOf(id: string, fields: Manifest['routers'][number], before: Pick<RouterJson, 'host' | 'project_id'>): RouterJson {
    return {
      id,
      name: fields.name,
      netns: fields.netns,
      host: fields.host ?? before.host,
      project_id: fields.project ?? before.project_id,
      revision: 1,
      confine: fields.confine && { blocked_ports: [], rate_per_second: 100 },
    };
  }

  #get(id: string) {
    const found = this.#routers.get(id);
    if (!found) throw new Error('router-not-found');
    return found;
  }

  #id(): string {
    return String(++this.#ids);
  }
}

function same(a: ManifestHelper, b: ManifestHelper): boolean {
  return JSON.stringify([a.protocol, a.port, a.helper, a.scope]) === JSON.stringify([b.protocol, b.port, b.helper, b.scope]);
}

/** The API after a file was applied to what another one left there. */
function afterApply(file: Manifest, before: Manifest, prune: boolean): Api {
  const api = new Api();
  for (const step of planSteps(before, [], false)) api.do(step);
  for (const step of planSteps(file, api.declared, prune)) api.do(step);
  return api;
}

describe('law: after its steps a file asks for nothing more', () => {
  it.each([false, true])('whatever is declared before, prune: %s', (prune) => {
    fc.assert(
      fc.property(manifest, manifest, (before, file) => {
        const api = afterApply(file, before, prune);
        expect(planSteps(file, api.declared, prune)).toEqual([]);
      }),
      runs(),
    );
  });

  it('without prune everything that was declared is still there, with prune nothing else than the file says', () => {
    const keys = (declared: readonly Declared[]) =>
      declared.flatMap(({ router: { name }, helpers }) => [name, ...helpers.map((one) => JSON.stringify([name, keyOf(one)]))]);
    const keyOf = ({ helper: name, protocol, port, scope: where }: ManifestHelper) => [name, protocol, port, where];
    const asked = ({ routers }: Manifest) =>
      new Set(routers.flatMap(({ name, helpers }) => [name, ...helpers.map((one) => JSON.stringify([name, keyOf(one)]))]));
    fc.assert(
      fc.property(manifest, manifest, (before, file) => {
        const kept = new Set(keys(afterApply(file, before, false).declared));
        expect(kept).toEqual(new Set([...asked(before), ...asked(file)]));
        expect(new Set(keys(afterApply(file, before, true).declared))).toEqual(asked(file));
      }),
      runs(0.5),
    );
  });

  it('export writes a file that asks for nothing, and that reads back', () => {
    fc.assert(
      fc.property(manifest, (before) => {
        const { declared } = afterApply({ routers: [] }, before, false);
        const file = parseManifest(JSON.parse(JSON.stringify(toManifest(declared))));
        expect(planSteps(file, declared, true)).toEqual([]);
      }),
      runs(0.5),
    );
  });
});

describe('planSteps', () => {
  const FTP: ManifestHelper = { helper: 'ftp', protocol: 'tcp', port: 21, scope: null };
  const file = (...helpers: ManifestHelper[]): Manifest => ({
    routers: [{ name: 'a', netns: 'ns', host: null, project: null, confine: false, helpers }],
  });

  it('creates a helper once that a file names twice for a new router', () => {
    expect(planSteps(file(FTP, FTP), [], false).map(({ step }) => step)).toEqual(['create-router', 'create-helper']);
  });

  it('deletes a router before it creates one, which may need the namespace of the old one', () => {
    const old: Declared = {
      router: { id: '1', name: 'old', project_id: 'p', host: null, netns: 'ns', revision: 1, confine: false },
      helpers: [],
    };
    expect(planSteps(file(), [old], true).map(({ step, router: name }) => [step, name])).toEqual([
      ['delete-router', 'old'],
      ['create-router', 'a'],
    ]);
  });

  it('names what of a router changes, and leaves alone what the file does not say', () => {
    const declared: Declared = {
      router: {
        id: '1',
        name: 'a',
        project_id: 'p',
        host: 'h',
        netns: 'other',
        revision: 1,
        confine: { blocked_ports: [], rate_per_second: 1 },
      },
      helpers: [],
    };
    expect(planSteps(file(), [declared], false)).toMatchObject([{ step: 'update-router', id: '1', changes: ['netns', 'confine'] }]);
    const [wanted] = file().routers;
    const all = { routers: [{ ...(wanted as NonNullable<typeof wanted>), host: 'h2', project: 'q' }] };
    expect(planSteps(all, [declared], false)).toMatchObject([{ changes: ['netns', 'host', 'project', 'confine'] }]);
  });
});

describe('parseManifest', () => {
  it('fills in what a helper has by the catalogue', () => {
    const { routers } = parseManifest({
      routers: [{ name: 'a', host_netns: true, helpers: [{ helper: 'ftp' }, { helper: 'tftp', port: 70 }] }],
    });
    expect(routers).toEqual([
      {
        name: 'a',
        netns: '/',
        host: null,
        project: null,
        confine: false,
        helpers: [
          { helper: 'ftp', protocol: 'tcp', port: 21, scope: null },
          { helper: 'tftp', protocol: 'udp', port: 70, scope: null },
        ],
      },
    ]);
  });

  it.each([
    [{}, 'routers'],
    [{ routers: [{}] }, 'routers[0].name'],
    [{ routers: [{ name: '' }] }, 'routers[0].name'],
    [{ routers: [{ name: 'a' }, { name: 'a' }] }, 'routers[1].name'],
    [{ routers: [{ name: 'a', netns: 'n', host_netns: true }] }, 'routers[0].netns'],
    [{ routers: [{ name: 'a', netns: '..' }] }, 'routers[0].netns'],
    [{ routers: [{ name: 'a', colour: 1 }] }, 'routers[0].colour'],
    [{ routers: [{ name: 'a', helpers: [{ helper: 'nfs' }] }] }, 'routers[0].helpers[0].helper'],
    [{ routers: [{ name: 'a', helpers: [{ helper: 'sip' }] }] }, 'routers[0].helpers[0].protocol'],
    [{ routers: [{ name: 'a', helpers: [{ helper: 'ftp', port: 0 }] }] }, 'routers[0].helpers[0].port'],
    [{ routers: [{ name: 'a', helpers: [{ helper: 'ftp', source: 'x' }] }] }, 'routers[0].helpers[0].source'],
    [
      { routers: [{ name: 'a', helpers: [{ helper: 'ftp', source: '10.0.0.1', destination: '::1' }] }] },
      'routers[0].helpers[0].destination',
    ],
  ])('names the field of %j', (value, field) => {
    expect(() => parseManifest(value)).toThrow(expect.objectContaining({ details: { field } }));
  });

  it('takes any JSON without an error other than one of its own', () => {
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), fc.record({ routers: fc.array(fc.jsonValue({ maxDepth: 2 })) })), (value) => {
        try {
          parseManifest(value);
        } catch (error) {
          expect(error).toBeInstanceOf(PinholeError);
        }
      }),
      runs(0.5),
    );
  });
});

describe('readManifest', () => {
  const directory = mkdtempSync(join(tmpdir(), 'pinhole-manifest-'));
  afterAll(() => rmSync(directory, { recursive: true }));
  const fileOf = (content: string | Buffer) => {
    const path = join(directory, 'routers.yaml');
    writeFileSync(path, content);
    return path;
  };

  it('reads a file', () => {
    expect(readManifest(fileOf('routers:\n  - name: a\n    helpers: [{ helper: ftp }]\n')).routers).toMatchObject([{ name: 'a' }]);
  });

  it.each([
    [
      'routers:\n  - name: a\n    helpers:\n      - helper: ftp\n        port: 0\n',
      /routers\.yaml:5: routers\[0\]\.helpers\[0\]\.port: expected an integer/,
    ],
    ['routers:\n  - name: a\n    netns: ..\n', /routers\.yaml:3: routers\[0\]\.netns: Invalid input/],
    ['routers:\n  - name: a\n    name: b\n', /routers\.yaml:3: not YAML/],
    ['routers: [\n', /not YAML/],
    ['', /routers\.yaml:1: /],
    [Buffer.of(0xff, 0xfe), /is not UTF-8/],
    [Buffer.alloc(8 * 1024 * 1024 + 1, 32), /is larger than/],
  ])('names the line of what is wrong', (content, message) => {
    expect(() => readManifest(fileOf(content))).toThrow(message);
  });

  it('says that a file is not there', () => {
    expect(() => readManifest(join(directory, 'nowhere'))).toThrow(/cannot be read: ENOENT/);
  });
});
