import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { DEFAULT_CONFINEMENT } from '../../src/contract/confinement.ts';
import {
  type Declared,
  type DeclaredHelper,
  MANIFEST,
  type Manifest,
  type ManifestHelper,
  type ManifestRouter,
} from '../../src/contract/manifest.ts';
import type { HelperId, RouterId } from '../../src/contract/primitives.ts';
import type { Router } from '../../src/contract/router.ts';
import { formatScope } from '../../src/contract/scope.ts';
import { planSteps, type Step } from '../../src/control/manifest-steps.ts';
import { toManifest } from '../../src/manifest/export.ts';
import { parseManifest, readManifest } from '../../src/manifest/read-file.ts';
import { PinholeError } from '../../src/model/errors.ts';
import { parseScope, scopeInput } from '../support/arbitraries.ts';
import { runs } from '../support/runs.ts';

const NOW = new Date('2026-06-01T00:00:00Z');
const PAST = '2026-05-31T00:00:00.000Z';

const scope = fc.option(scopeInput).map((input) => input && parseScope(input));

/** Few of each, so that a file and what is declared have some in common. */
const helper: fc.Arbitrary<ManifestHelper> = fc
  .tuple(
    fc.constantFrom({ helper: 'ftp', protocol: 'tcp' } as const, { helper: 'tftp', protocol: 'udp' } as const),
    fc.constantFrom(21, 69),
    fc.oneof({ weight: 4, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: scope }),
    fc.constantFrom(null, null, PAST, '2026-07-01T00:00:00.000Z', '2026-08-01T00:00:00.000Z'),
    fc.constantFrom(null, null, 60, 90 * 86_400),
  )
  .map(([of, port, where, expiresAt, ttl]) => ({ ...of, port, scope: where, expiresAt, ttl: expiresAt === null ? ttl : null }));

const router: fc.Arbitrary<ManifestRouter> = fc.record({
  id: fc.constant(null),
  name: fc.constantFrom('a', 'b', 'c', 'd'),
  description: fc.constantFrom(null, 'd'),
  netns: fc.constantFrom(null, '/', 'ns1', 'ns2'),
  host: fc.constantFrom(null, 'h1', 'h2'),
  project: fc.constantFrom(null, 'p', 'q'),
  confinement: fc.constantFrom(null, DEFAULT_CONFINEMENT, { blockedPorts: [1], ratePerSecond: 5 }),
  labels: fc.constantFrom(null, {}, { site: 'berlin' }, { site: '' }),
  helpers: fc.array(helper, { maxLength: 5 }),
});
const manifest: fc.Arbitrary<Manifest> = fc.record({ routers: fc.uniqueArray(router, { maxLength: 4, selector: ({ name }) => name }) });

type Mutable = { router: Router; helpers: DeclaredHelper[] };

/** An API in memory: it does what steps say, and refuses what the real one refuses. */
class Api {
  readonly #routers = new Map<string, Mutable>();
  #ids = 0;

  get declared(): Declared[] {
    return [...this.#routers.values()];
  }

  do(step: Step): void {
    switch (step.step) {
      case 'create-router': {
        const id = this.#id() as RouterId;
        this.#routers.set(id, {
          router: routerOf(id, step.fields, { description: '', host: null, projectId: 'default', labels: {}, confinement: null }),
          helpers: [],
        });
        return;
      }
      case 'update-router': {
        const found = this.#get(step.id);
        found.router = routerOf(found.router.id, step.fields, found.router);
        return;
      }
      case 'delete-router':
        this.#get(step.id);
        this.#routers.delete(step.id);
        return;
      case 'create-helper': {
        const found = this.#get(step.routerId ?? this.#idOf(step.router));
        if (found.helpers.some((one) => keyOf(one) === keyOf(step.helper))) throw new Error('duplicate-helper');
        found.helpers.push({ ...step.helper, id: this.#id() as HelperId });
        return;
      }
      case 'update-helper': {
        const { helpers } = this.#get(step.routerId);
        if (helpers.some((one) => one.id !== step.before.id && keyOf(one) === keyOf(step.helper))) throw new Error('duplicate-helper');
        helpers[indexOf(helpers, step.before.id)] = { ...step.helper, id: step.before.id };
        return;
      }
      case 'delete-helper': {
        const { helpers } = this.#get(step.routerId);
        helpers.splice(indexOf(helpers, step.helper.id), 1);
      }
    }
  }

  #get(id: string): Mutable {
    const found = this.#routers.get(id);
    if (!found) throw new Error('router-not-found');
    return found;
  }

  #idOf(name: string): string {
    return [...this.#routers.values()].find((one) => one.router.name === name)?.router.id ?? '';
  }

  #id(): string {
    return `00000000-0000-4000-8000-${String(++this.#ids).padStart(12, '0')}`;
  }
}

function routerOf(
  id: RouterId,
  fields: ManifestRouter,
  before: Pick<Router, 'description' | 'host' | 'projectId' | 'labels' | 'confinement'>,
): Router {
  return {
    id,
    name: fields.name,
    description: fields.description ?? before.description,
    projectId: fields.project ?? before.projectId,
    host: fields.host ?? before.host,
    netns: fields.netns,
    revision: 1,
    confinement: fields.confinement === null ? before.confinement : fields.confinement || null,
    labels: fields.labels ?? before.labels,
    createdAt: PAST,
    updatedAt: PAST,
  };
}

function indexOf(helpers: readonly DeclaredHelper[], id: string): number {
  const at = helpers.findIndex((one) => one.id === id);
  if (at < 0) throw new Error('helper-not-found');
  return at;
}

function keyOf({ helper: name, protocol, port, scope: where }: Pick<DeclaredHelper, 'helper' | 'protocol' | 'port' | 'scope'>): string {
  return `${name} ${protocol}/${port} ${formatScope(where)}`;
}

/** The API after a file was applied to what another one left there. */
function afterApply(file: Manifest, before: Manifest, prune: boolean): Api {
  const api = new Api();
  for (const step of planSteps(before, [], { prune: false, now: NOW })) api.do(step);
  for (const step of planSteps(file, api.declared, { prune, now: NOW })) api.do(step);
  return api;
}

describe('law: after its steps a file asks for nothing more', () => {
  it.each([false, true])('whatever is declared before, prune: %s', (prune) => {
    fc.assert(
      fc.property(manifest, manifest, (before, file) => {
        const api = afterApply(file, before, prune);
        expect(planSteps(file, api.declared, { prune, now: NOW })).toEqual([]);
      }),
      runs(),
    );
  });

  it('without prune every router and every helper, whatever its scope, that was declared is still there', () => {
    const declared = (api: Api) =>
      api.declared.flatMap(({ router: { name }, helpers }) => [name, ...helpers.map((one) => `${name} ${keyOf({ ...one, scope: null })}`)]);
    fc.assert(
      fc.property(manifest, manifest, (before, file) => {
        const kept = declared(afterApply(file, before, false));
        for (const one of declared(afterApply({ routers: [] }, before, false))) {
          expect(kept).toContain(one);
          kept.splice(kept.indexOf(one), 1);
        }
      }),
      runs(),
    );
  });

  it('with prune nothing is declared that the file does not say', () => {
    const declared = (api: Api) =>
      new Set(api.declared.flatMap(({ router: { name }, helpers }) => [name, ...helpers.map((one) => `${name} ${keyOf(one)}`)]));
    const named = ({ routers }: Manifest) =>
      new Set(routers.flatMap(({ name, helpers }) => [name, ...helpers.map((one) => `${name} ${keyOf(one)}`)]));
    fc.assert(
      fc.property(manifest, manifest, (before, file) => {
        const all = named(file);
        for (const one of declared(afterApply(file, before, true))) expect(all).toContain(one);
      }),
      runs(),
    );
  });

  it('no helper is deleted in a router in which one of the same name and protocol is created', () => {
    fc.assert(
      fc.property(manifest, manifest, fc.boolean(), (before, file, prune) => {
        const { declared } = afterApply({ routers: [] }, before, false);
        const steps = planSteps(file, declared, { prune, now: NOW });
        const of = (kind: Step['step']) =>
          new Set(
            steps.flatMap((step) =>
              step.step === kind && 'helper' in step ? [`${step.router} ${step.helper.helper}/${step.helper.protocol}`] : [],
            ),
          );
        const created = of('create-helper');
        for (const one of of('delete-helper')) expect(created).not.toContain(one);
      }),
      runs(),
    );
  });

  it('export writes a file that asks for nothing, as it is read back', () => {
    fc.assert(
      fc.property(manifest, (before) => {
        const { declared } = afterApply({ routers: [] }, before, false);
        const file = MANIFEST.read(JSON.parse(JSON.stringify(toManifest(declared))));
        expect(planSteps(file, declared, { prune: true, now: NOW })).toEqual([]);
      }),
      runs(),
    );
  });
});

describe('planSteps', () => {
  const FTP: ManifestHelper = { helper: 'ftp', protocol: 'tcp', port: 21, scope: null, expiresAt: null, ttl: null };
  const ROUTER: ManifestRouter = {
    id: null,
    name: 'a',
    description: null,
    netns: 'ns',
    host: null,
    project: null,
    confinement: null,
    labels: null,
    helpers: [],
  };
  const file = (...helpers: ManifestHelper[]): Manifest => ({ routers: [{ ...ROUTER, helpers }] });
  const declared = (id: string, fields: Partial<Router> = {}): Declared => ({
    router: {
      ...routerOf(id as RouterId, ROUTER, { description: '', host: null, projectId: 'p', labels: {}, confinement: null }),
      ...fields,
    },
    helpers: [],
  });
  const plan = (wanted: Manifest, found: readonly Declared[], prune = false) => planSteps(wanted, found, { prune, now: NOW });

  it('creates a helper once that a file names twice for a new router', () => {
    expect(plan(file(FTP, FTP), []).map(({ step }) => step)).toEqual(['create-router', 'create-helper']);
  });

  it('deletes a router before it creates one, which may need the namespace of the old one', () => {
    expect(plan(file(), [declared('1', { name: 'old' })], true).map(({ step, router: name }) => [step, name])).toEqual([
      ['delete-router', 'old'],
      ['create-router', 'a'],
    ]);
  });

  it('names what of a router changes, and leaves alone what the file does not say', () => {
    const found = declared('1', { netns: 'other', host: 'h', description: 'theirs', confinement: DEFAULT_CONFINEMENT });
    expect(plan(file(), [found])).toMatchObject([{ step: 'update-router', id: '1', changes: ['netns'] }]);
    const [open] = file().routers;
    expect(plan({ routers: [{ ...(open as ManifestRouter), confinement: false }] }, [found])).toMatchObject([
      { changes: ['netns', 'confine'] },
    ]);
    const all: Manifest = {
      routers: [{ ...ROUTER, id: '1' as RouterId, name: 'b', description: 'd', host: 'h2', project: 'q', confinement: false }],
    };
    expect(plan(all, [found])).toMatchObject([{ changes: ['name', 'description', 'netns', 'host', 'project', 'confine'] }]);
  });

  it('makes no helper whose time is over, and moves the end of one that is there', () => {
    const later = '2026-07-01T00:00:00.000Z';
    expect(plan(file({ ...FTP, expiresAt: PAST }), []).map(({ step }) => step)).toEqual(['create-router']);
    const found = { ...declared('1'), helpers: [{ ...FTP, id: 'h' as HelperId }] };
    expect(plan(file({ ...FTP, expiresAt: later }), [found])).toMatchObject([{ step: 'update-helper', helper: { expiresAt: later } }]);
    expect(plan(file({ ...FTP, expiresAt: PAST }), [found])).toEqual([]);
  });

  describe('changes a helper in place', () => {
    const there = (...helpers: ManifestHelper[]): Declared => ({
      ...declared('1'),
      helpers: helpers.map((one, index) => ({ ...one, id: `h${index}` as HelperId })),
    });
    const within = (source: string, helper = FTP): ManifestHelper => ({ ...helper, scope: parseScope({ source }) });
    const shown = (steps: readonly Step[]) =>
      steps.map((step) => [step.step, step.step === 'update-helper' ? step.before.id : null, ...('changes' in step ? step.changes : [])]);

    it.each([false, true])('if only its scope or its end is other (prune: %s)', (prune) => {
      const later = '2026-07-01T00:00:00.000Z';
      expect(shown(plan(file({ ...within('10.0.0.0/8'), expiresAt: later }), [there(FTP)], prune))).toEqual([
        ['update-helper', 'h0', 'scope', 'expires_at'],
      ]);
    });

    it('if its port is other and it would be pruned; without prune both stay', () => {
      const moved = file({ ...FTP, port: 2121 });
      expect(shown(plan(moved, [there(FTP)], true))).toEqual([['update-helper', 'h0', 'port']]);
      expect(shown(plan(moved, [there(FTP)]))).toEqual([['create-helper', null]]);
    });

    it('and takes for each the declared one that is most like it', () => {
      const found = there(within('10.1.0.0/16'), within('10.2.0.0/16'), { ...FTP, port: 2121 });
      const wanted = file(within('10.3.0.0/16'), within('10.1.0.0/16'), { ...FTP, port: 2122 });
      expect(shown(plan(wanted, [found], true))).toEqual([
        ['update-helper', 'h1', 'scope'],
        ['update-helper', 'h2', 'port'],
      ]);
    });

    it('but never makes one whose time is over out of another', () => {
      expect(shown(plan(file({ ...within('10.0.0.0/8'), expiresAt: PAST }), [there(FTP)]))).toEqual([]);
    });
  });

  it('gives a helper with a time to live an end, never a later one than it has', () => {
    const of = (ttl: number, expiresAt: string | null): unknown => {
      const found = { ...declared('1'), helpers: [{ ...FTP, id: 'h' as HelperId, expiresAt }] };
      const [step] = plan(file({ ...FTP, ttl }), [found]);
      return step && 'helper' in step ? step.helper.expiresAt : null;
    };
    expect(plan(file({ ...FTP, ttl: 60 }), [declared('1')])).toMatchObject([{ helper: { expiresAt: '2026-06-01T00:01:00.000Z' } }]);
    expect(of(60, null)).toBe('2026-06-01T00:01:00.000Z');
    expect(of(60, '2026-06-01T00:02:00.000Z')).toBe('2026-06-01T00:01:00.000Z');
    expect(of(60, '2026-06-01T00:00:30.000Z')).toBeNull();
  });

  it('changes labels that a file names, and leaves them alone otherwise', () => {
    const found = declared('1', { labels: { site: 'berlin' } });
    const labelled = (labels: ManifestRouter['labels']): Manifest => ({ routers: [{ ...ROUTER, labels }] });
    expect(plan(labelled({ site: 'paris' }), [found])).toMatchObject([{ step: 'update-router', changes: ['labels'] }]);
    expect(plan(labelled({}), [found])).toMatchObject([{ changes: ['labels'] }]);
    expect([plan(labelled(null), [found]), plan(labelled({ site: 'berlin' }), [found])]).toEqual([[], []]);
  });

  it('refuses a name that several routers have, and an id that none has', () => {
    expect(() => plan(file(), [declared('1'), declared('2')])).toThrow("2 routers are named 'a'");
    expect(() => plan({ routers: [{ ...ROUTER, id: 'x' as RouterId }] }, [])).toThrow('No router has the id x');
  });
});

describe('toManifest', () => {
  it('tells routers of one name apart by their ids, and leaves out what says nothing', () => {
    const plain = { description: '', host: null, projectId: '', labels: {}, confinement: null };
    const of = (id: string, name: string): Declared => ({
      router: {
        ...routerOf(
          id as RouterId,
          { id: null, name, description: null, netns: '/', host: null, project: null, confinement: null, labels: null, helpers: [] },
          plain,
        ),
      },
      helpers: [],
    });
    expect(toManifest([of('1', 'a'), of('2', 'a'), of('3', 'b')])).toEqual({
      routers: [
        { id: '1', name: 'a', host_netns: true, confine: false, helpers: [] },
        { id: '2', name: 'a', host_netns: true, confine: false, helpers: [] },
        { name: 'b', host_netns: true, confine: false, helpers: [] },
      ],
    });
  });
});

describe('parseManifest', () => {
  it('takes the routers of all documents', () => {
    const { routers } = parseManifest('routers: [{ name: a }]\n---\nrouters: [{ name: b }]\n---\n', 'f').manifest;
    expect(routers.map(({ name }) => name)).toEqual(['a', 'b']);
  });

  it('gives routers the helpers of their profiles, of whichever document; an own helper stands in for one of a profile', () => {
    const text = [
      'profiles:\n  files: [{ helper: ftp }, { helper: tftp }]\nrouters: [{ name: a, profiles: [files, voice] }]',
      'profiles:\n  voice: [{ helper: sip, protocol: udp }]\nrouters:\n  - { name: b, profiles: [files], helpers: [{ helper: ftp, source: 10.0.0.0/8 }] }',
    ].join('\n---\n');
    const { routers } = parseManifest(text, 'f').manifest;
    const named = routers.map(({ helpers }) => helpers.map((one) => [one.helper, formatScope(one.scope)].join(' ').trim()));
    expect(named).toEqual([
      ['ftp', 'tftp', 'sip'],
      ['ftp from 10.0.0.0/8', 'tftp'],
    ]);
  });

  it('names the line to which an error of the server belongs', () => {
    const text = 'routers: [{ name: a }]\n---\nrouters:\n  - name: b\n    helpers:\n      - helper: ftp\n      - helper: tftp\n';
    const { located } = parseManifest(text, 'f');
    const refused = (field: string) => located(new PinholeError('quota-exceeded', 'too many', { details: { field } }));
    expect(refused('routers[1].helpers[1]')).toMatchObject({ code: 'quota-exceeded', message: 'f:7: too many' });
    expect(refused('routers[1].helpers[9]')).toMatchObject({ message: 'f:6: too many' });
    expect(refused('routers[0].netns')).toMatchObject({ message: 'f:1: too many' });
    expect(refused('prune')).toMatchObject({ message: 'too many' });
  });

  it('refuses a file of empty documents: with --prune it would remove everything', () => {
    for (const text of ['', '---\n', '---\n---\n']) expect(() => parseManifest(text, 'f')).toThrow('the document: expected an object');
  });

  it.each([
    ['routers:\n  - name: a\n    helpers:\n      - helper: ftp\n        port: 0\n', 'f:5: routers[0].helpers[0].port: expected'],
    ['routers:\n  - name: a\n    netns: ..\n', 'f:3: routers[0].netns: expected'],
    ['routers:\n  - name: a\n    name: b\n', 'f:3: not YAML'],
    ['routers: [\n', 'not YAML'],
    ['routers: [{ name: a }]\n---\nrouters:\n  - name: b\n  - name: a\n', 'f:5: routers[1].name: expected a name that no other router'],
    ['routers: [{ name: a }]\n---\nrouter: []\n', 'f:3: router: expected no such field'],
    ['routers:\n  - name: a\n    profiles: [x]\n', "f:3: routers[0].profiles[0]: expected a profile of this file: it has no 'x'"],
    ['profiles:\n  x:\n    - helper: ftp\n      port: 0\nrouters: []\n', 'f:4: profiles.x[0].port: expected'],
    [
      'profiles: { x: [] }\nrouters: []\n---\nprofiles:\n  x: []\nrouters: []\n',
      'f:5: profiles.x: expected a profile that no other document',
    ],
    ['routers:\n  - name: a\n    labels:\n      site: a b\n', 'f:4: routers[0].labels.site: expected a label value'],
    ['routers:\n  - name: a\n    helpers:\n      - {helper: ftp, ttl: 1w}\n', 'f:4: routers[0].helpers[0].ttl: expected a time like'],
    [
      'routers:\n  - name: a\n    helpers:\n      - {helper: ftp, ttl: 1h, expires_at: 2099-01-01T00:00:00Z}\n',
      'ttl: expected nothing beside expires_at',
    ],
  ])('names the line and the field of what is wrong: %j', (text, message) => {
    expect(() => parseManifest(text, 'f')).toThrow(message);
  });

  it('takes any text without an error other than one of its own', () => {
    const piece = fc.constantFrom('routers:', '\n', '  - ', 'name: ', 'a', '---', '{', '}', '[', ']', '&x', '*x', ': ', '"', 'helpers: ');
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        try {
          parseManifest(pieces.join(''), 'f');
        } catch (error) {
          expect(error).toMatchObject({ code: 'invalid-input' });
        }
      }),
      runs(),
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
    expect(readManifest(fileOf('routers:\n  - name: a\n    helpers: [{ helper: ftp }]\n')).manifest.routers).toMatchObject([
      { name: 'a', helpers: [{ helper: 'ftp', protocol: 'tcp', port: 21 }] },
    ]);
  });

  it('refuses one that is no UTF-8, too large, or not there', () => {
    expect(() => readManifest(fileOf(Buffer.of(0xff, 0xfe)))).toThrow('is not UTF-8');
    expect(() => readManifest(fileOf(Buffer.alloc(8 * 1024 * 1024 + 1, 32)))).toThrow('is larger than');
    expect(() => readManifest(join(directory, 'nowhere'))).toThrow('cannot be read: ENOENT');
  });
});
