import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { pages, readPage, samplesOf } from '../support/docs.ts';
import { alertRules, metricNames, promtool, RULES } from '../support/prometheus.ts';
import { TestServer } from '../support/test-server.ts';

/** Values of one series, one a minute, as promtool's tests write them, and the alert after some minutes; null: none fires. */
interface Case {
  readonly series: Readonly<Record<string, string>>;
  readonly at: string;
}

const AGENT = '{instance="a:9798"}';
/** A firing and a quiet case of each alert. */
const CASES: Readonly<Record<string, { readonly fires: Case; readonly quiet: Case }>> = {
  PinholeHostSilent: {
    fires: { series: { 'pinhole_hosts{state="silent"}': '2x20' }, at: '10m' },
    quiet: { series: { 'pinhole_hosts{state="silent"}': '2x3 0x20' }, at: '10m' },
  },
  PinholeKernelProcessDown: {
    fires: { series: { [`pinhole_agent_kernel_process_up${AGENT}`]: '0x20' }, at: '5m' },
    quiet: { series: { [`pinhole_agent_kernel_process_up${AGENT}`]: '0x1 1x20' }, at: '5m' },
  },
  PinholeHelpersInError: {
    fires: { series: { 'pinhole_agent_helpers{status="ERROR"}': '1x30' }, at: '15m' },
    quiet: { series: { 'pinhole_agent_helpers{status="ERROR"}': '0x30', 'pinhole_agent_helpers{status="ACTIVE"}': '9x30' }, at: '15m' },
  },
  PinholeHelpersStale: {
    fires: { series: { 'pinhole_agent_helpers{status="STALE"}': '3x20' }, at: '10m' },
    quiet: { series: { 'pinhole_agent_helpers{status="STALE"}': '3x2 0x20' }, at: '10m' },
  },
  PinholePullHeld: {
    fires: { series: { [`pinhole_agent_pull_held${AGENT}`]: '1x5' }, at: '1m' },
    quiet: { series: { [`pinhole_agent_pull_held${AGENT}`]: '0x5' }, at: '1m' },
  },
  PinholeTableFight: {
    fires: { series: { [`pinhole_agent_repairs_total${AGENT}`]: '0+2x20' }, at: '15m' },
    quiet: { series: { [`pinhole_agent_repairs_total${AGENT}`]: '0x5 1x20' }, at: '15m' },
  },
  PinholeSyncsFail: {
    fires: { series: { 'pinhole_agent_syncs_total{outcome="failed"}': '0+1x20' }, at: '15m' },
    quiet: {
      series: { 'pinhole_agent_syncs_total{outcome="written"}': '0+9x20', 'pinhole_agent_syncs_total{outcome="failed"}': '1x20' },
      at: '15m',
    },
  },
  PinholeHintsWait: {
    fires: { series: { pinhole_outbox_oldest_seconds: '60+60x20' }, at: '10m' },
    quiet: { series: { pinhole_outbox_oldest_seconds: '0x20' }, at: '10m' },
  },
  PinholeDatabaseRefusesChanges: {
    fires: { series: { 'pinhole_store_refuses_changes{instance="s:9797"}': '1x20' }, at: '5m' },
    quiet: { series: { 'pinhole_store_refuses_changes{instance="s:9797"}': '0x20' }, at: '5m' },
  },
  PinholeChangesSlow: {
    fires: { series: applied('0+1x40', '0+20x40'), at: '30m' },
    quiet: { series: applied('0+20x40', '0+20x40'), at: '30m' },
  },
  PinholeMessagesRefused: {
    fires: { series: { [`pinhole_bus_refused_messages_total${AGENT}`]: '0+1x20' }, at: '5m' },
    quiet: { series: { [`pinhole_bus_refused_messages_total${AGENT}`]: '4x20' }, at: '5m' },
  },
};

/** The histogram of times until changes are applied: so many in half a second, so many in all. */
function applied(quick: string, all: string): Readonly<Record<string, string>> {
  const name = 'pinhole_change_applied_seconds';
  return {
    [`${name}_bucket{le="0.5"}`]: quick,
    [`${name}_bucket{le="60"}`]: all,
    [`${name}_bucket{le="+Inf"}`]: all,
    [`${name}_count`]: all,
  };
}

describe('metrics of a server', () => {
  const server = new TestServer();
  let text: string;
  beforeAll(async () => {
    await server.start();
    await server.newRouter({ host: 'here', netns: 'n' });
    await server.call('GET', '/v1/routers/none');
    text = (await server.call('GET', '/metrics')).text;
  });
  afterAll(() => server.close());

  it('follow the conventions that promtool checks', () => {
    expect(promtool(['check', 'metrics'], text)).toEqual({ status: 0, output: '' });
  });

  it('tell what is declared, what waits and what was refused', () => {
    expect(text).toMatch(/^pinhole_build_info\{process="server",version="[^"]+"\} 1$/m);
    expect(text).toMatch(/^pinhole_routers 1$/m);
    expect(text).toMatch(/^pinhole_helpers 0$/m);
    expect(text).toMatch(/^pinhole_store_refuses_changes 0$/m);
    expect(text).toMatch(/^pinhole_http_refused_requests_total\{code="(hidden|router-not-found|invalid-input)"\} 1$/m);
    const [, commits] = /^pinhole_store_commits_total (\d+)$/m.exec(text) ?? [];
    expect(Number(commits)).toBeGreaterThan(0);
  });

  it('are all in the documents, and the documents name no other', () => {
    const page = readPage('docs/operations.md');
    const own = metricNames(text).filter((name) => name.startsWith('pinhole_'));
    expect(own.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
    const told = [...page.matchAll(/`(pinhole_(?!agent_)[a-z_]+)`/g)].map(([, name]) => name as string);
    expect(told.filter((name) => !name.startsWith('pinhole_before_') && !own.includes(name))).toEqual([]);
  });
});

describe('alert rules', () => {
  const directory = mkdtempSync(join(tmpdir(), 'pht-alerts-'));
  afterAll(() => rmSync(directory, { recursive: true }));
  const rules = alertRules();

  it('are rules that promtool takes', () => {
    expect(promtool(['check', 'rules', RULES])).toMatchObject({
      status: 0,
      output: expect.stringContaining(`${rules.length} rules found`),
    });
  });

  it('have a case each, and a section of the runbook', () => {
    expect(Object.keys(CASES).sort()).toEqual(rules.map(({ alert }) => alert).sort());
    const sections = [...readPage('docs/runbook.md').matchAll(/^## (\S+)$/gm)].map(([, title]) => title as string);
    expect(rules.map(({ annotations }) => annotations.runbook)).toEqual(rules.map(({ alert }) => `docs/runbook.md#${alert.toLowerCase()}`));
    expect(sections.sort()).toEqual(rules.map(({ alert }) => alert).sort());
  });

  it.each(
    Object.entries(CASES).flatMap(([alert, { fires, quiet }]) => [
      [alert, 'fires', fires, true] as const,
      [alert, 'is quiet', quiet, false] as const,
    ]),
  )('%s %s', (alert, _what, { series, at }, fires) => {
    const file = join(directory, `${alert}-${fires}.yml`);
    const input = Object.entries(series).map(([name, values]) => ({ series: name, values }));
    /** Alerts of any labels and annotations would have to be spelled out: the synthetic series of firing alerts says the same. */
    const firing = { expr: `count(ALERTS{alertname="${alert}", alertstate="firing"}) or vector(0)`, eval_time: at };
    const tests = [
      { interval: '1m', input_series: input, promql_expr_test: [{ ...firing, exp_samples: [{ labels: '{}', value: fires ? 1 : 0 }] }] },
    ];
    writeFileSync(file, stringify({ rule_files: [RULES], evaluation_interval: '1m', tests }));
    expect(promtool(['test', 'rules', file])).toMatchObject({ status: 0, output: expect.stringContaining('SUCCESS') });
  });
});

describe('configuration of Prometheus in the documents', () => {
  const directory = mkdtempSync(join(tmpdir(), 'pht-prometheus-'));
  afterAll(() => rmSync(directory, { recursive: true }));
  const samples = pages()
    .flatMap((page) => samplesOf(page))
    .filter(({ mark: [tier] }) => tier === 'prometheus');

  it.each(samples.map((sample) => [sample.place, sample.text]))('%s is one that promtool takes', (_place, text) => {
    const [file, token] = [join(directory, 'prometheus.yml'), join(directory, 'token')];
    writeFileSync(token, 'x');
    writeFileSync(file, text.replace('/etc/prometheus/pinhole-token', token).replace(/\/usr\/share\S+\.rules\.yml/, RULES));
    expect(readFileSync(file, 'utf8')).toContain(RULES);
    expect(promtool(['check', 'config', file])).toMatchObject({ status: 0, output: expect.stringContaining('SUCCESS') });
  });
});
