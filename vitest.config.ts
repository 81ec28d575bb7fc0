import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { CoverageTable } from './test/support/coverage-table.ts';
import { thresholds } from './test/support/pure-code.ts';

const SOAK = process.env['PINHOLE_SOAK'] !== undefined;

/**
 * Five tiers. `unit`: pure, no root, no services, seconds. `integration`: our own processes and stores. `system`: real
 * namespaces, packets and peers, as root, one file at a time because they share one kernel. `neutron`: OpenStack Neutron itself, likewise.
 * `machines`: the package in virtual machines with older kernels (scripts/machines.sh), minutes to an hour, in no other run.
 */
export default defineConfig({
  test: {
    reporters: ['default', new CoverageTable(fileURLToPath(new URL('.', import.meta.url)))],
    // Measured by `npm test` only (scripts/test.sh): it makes the unit tier a third slower.
    coverage: { provider: 'v8', include: ['src/**/*.ts'], reporter: [], thresholds: thresholds() },
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          // Importing a module has no side effect, and no module has state: the files of a worker may share what is loaded.
          isolate: false,
          // Wall time is a backstop only: a busy machine makes no test fail. The soak tries each law on a hundred times as many values.
          testTimeout: SOAK ? 3_600_000 : 60_000,
        },
      },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          // A backstop, as for unit tests: databases, brokers and processes of a busy machine may stand still for a while.
          testTimeout: 90_000,
          hookTimeout: 60_000,
          globalSetup: ['test/support/integration-setup.ts'],
        },
      },
      {
        test: {
          name: 'system',
          include: ['test/system/**/*.test.ts'],
          testTimeout: SOAK ? 3_600_000 : 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
          globalSetup: ['test/support/require-root.ts'],
        },
      },
      {
        test: {
          name: 'neutron',
          include: ['test/neutron/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 240_000,
          fileParallelism: false,
          globalSetup: ['test/support/require-root.ts'],
        },
      },
      {
        test: {
          name: 'machines',
          include: ['test/machines/**/*.test.ts'],
          // An emulated machine is a hundred times slower than this one.
          testTimeout: 3_600_000,
          hookTimeout: 3_600_000,
          fileParallelism: false,
          bail: 1,
        },
      },
    ],
  },
});
