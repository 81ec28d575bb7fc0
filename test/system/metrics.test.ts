import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { ownPrefix, ScratchNetwork } from '../../src/lab/scratch-network.ts';
import { ROOT, readPage } from '../support/docs.ts';
import { eventually } from '../support/eventually.ts';
import { TestPinhole } from '../support/pinhole.ts';
import { alertRules, metricNames, promtool, RULES } from '../support/prometheus.ts';
import { freePorts } from '../support/rabbitmq.ts';

const PREFIX = `${ownPrefix('pht')}-metrics`;

interface Dashboard {
  readonly panels: readonly { readonly title: string; readonly targets: readonly { readonly expr: string }[] }[];
}

describe('a Prometheus that scrapes Pinhole', () => {
  const network = new ScratchNetwork(PREFIX);
  const pinhole = new TestPinhole(PREFIX, 'agent: { check_seconds: 2, report_seconds: 1 }\n');
  const directory = mkdtempSync(join(tmpdir(), 'pht-scrape-'));
  let prometheus: ChildProcess;
  let output = '';
  let url: string;
  let agentUrl: string;

  beforeAll(async () => {
    const [agentPort = 0, port = 0] = await freePorts(2);
    [agentUrl, url] = [`http://127.0.0.1:${agentPort}`, `http://127.0.0.1:${port}`];
    pinhole.instance.env['PINHOLE_AGENT_LISTEN'] = `127.0.0.1:${agentPort}`;
    await network.addHost('r');
    await pinhole.start();
    const router = await pinhole.addRouter(network.netns('r'));
    await pinhole.addHelper(router.id, 'ftp', 'tcp', 21);
    await pinhole.addHelper(router.id, 'amanda', 'tcp', 10080);
    await pinhole.settled(router.id);
    const config = join(directory, 'prometheus.yml');
    writeFileSync(join(directory, 'token'), pinhole.instance.token);
    const job = (name: string, target: string, rest = {}) => ({ job_name: name, static_configs: [{ targets: [target] }], ...rest });
    writeFileSync(
      config,
      stringify({
        global: { scrape_interval: '1s', evaluation_interval: '1s' },
        rule_files: [RULES],
        scrape_configs: [
          job('pinhole-server', new URL(pinhole.instance.url).host, { authorization: { credentials_file: join(directory, 'token') } }),
          job('pinhole-agent', `127.0.0.1:${agentPort}`),
        ],
      }),
    );
    mkdirSync(join(directory, 'data'));
    const argv = [`--config.file=${config}`, `--storage.tsdb.path=${join(directory, 'data')}`, `--web.listen-address=127.0.0.1:${port}`];
    prometheus = spawn('prometheus', argv, { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [prometheus.stdout, prometheus.stderr]) stream?.on('data', (chunk) => (output += chunk));
    await eventually(() => answers('/-/ready'), { what: 'Prometheus is ready', timeoutMs: 60_000 });
  }, 120_000);
  afterAll(async () => {
    const closed = new Promise((done) => prometheus?.once('close', done));
    if (prometheus?.kill('SIGTERM')) await closed;
    await pinhole.stop();
    await network.destroy();
    rmSync(directory, { recursive: true, force: true });
  });

  const answers = (path: string) =>
    fetch(`${url}${path}`).then(
      ({ ok }) => ok,
      () => {
        if (prometheus.exitCode !== null) throw new Error(`prometheus ended: ${output}`);
        return false;
      },
    );

  async function query(expression: string): Promise<readonly { metric: Record<string, string>; value: [number, string] }[]> {
    const response = await fetch(`${url}/api/v1/query`, { method: 'POST', body: new URLSearchParams({ query: expression }) });
    const body = (await response.json()) as { status: string; error?: string; data: { result: [] } };
    expect(body.status, `${expression}: ${body.error}`).toBe('success');
    return body.data.result;
  }

  it('finds server and agent up', async () => {
    await eventually(async () => (await query('up == 1')).length === 2, { what: 'both targets are up', timeoutMs: 30_000 });
  });

  it('gets metrics of the agent that follow the conventions, and all that the documents name', async () => {
    const text = await (await fetch(`${agentUrl}/metrics`)).text();
    expect(promtool(['check', 'metrics'], text)).toEqual({ status: 0, output: '' });
    const own = metricNames(text).filter((name) => name.startsWith('pinhole_'));
    const page = readPage('docs/operations.md');
    expect(own.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
    const told = [...page.matchAll(/`(pinhole_agent_[a-z_]+)`/g)].map(([, name]) => name as string);
    expect(told.filter((name) => !own.includes(name))).toEqual([]);
  });

  it('gets the time that changes took, and the status of the helpers, of which the kernel has no amanda over TCP', async () => {
    await eventually(async () => (await query('pinhole_agent_helpers{status="ERROR"} == 1')).length === 1, { timeoutMs: 30_000 });
    expect(await query('pinhole_agent_helpers{status="ACTIVE"} == 1')).toHaveLength(1);
    await eventually(async () => (await query('pinhole_change_applied_seconds_count > 0')).length === 1, { timeoutMs: 30_000 });
  });

  it('answers every query of the dashboard', async () => {
    const { panels } = JSON.parse(readFileSync(join(ROOT, 'packaging/grafana/pinhole.json'), 'utf8')) as Dashboard;
    const queries = panels.flatMap(({ title, targets }) => targets.map(({ expr }) => [title, expr] as const));
    expect(queries.length).toBeGreaterThan(10);
    for (const [title, expr] of queries)
      await eventually(async () => (await query(expr.replaceAll('$__rate_interval', '30s'))).length > 0, {
        what: `the panel '${title}' shows something: ${expr}`,
        timeoutMs: 60_000,
      });
  }, 120_000);

  it('evaluates the alert rules without an error', async () => {
    const { data } = (await (await fetch(`${url}/api/v1/rules`)).json()) as {
      data: { groups: { rules: { name: string; health: string; lastError?: string }[] }[] };
    };
    const seen = async () => data.groups.flatMap(({ rules }) => rules);
    expect((await seen()).map(({ name }) => name).sort()).toEqual(
      alertRules()
        .map(({ alert }) => alert)
        .sort(),
    );
    expect((await seen()).filter(({ health }) => health === 'err')).toEqual([]);
  });
});
