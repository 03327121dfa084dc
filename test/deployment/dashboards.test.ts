/** The files for Grafana and Prometheus in `deploy/`: both accept them, and they name only metrics that exist. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { equal, is, match, ok } from 'uvu/assert';
import { stringify } from 'yaml';
import { clusterMetrics } from '../support/cluster-figures.ts';
import { Scrape, scrape } from '../support/metrics.ts';
import { ALERTS, alertRules, promtool, tryAlerts, withPromtool } from '../support/promtool.ts';
import { scenarios } from '../support/scenario.ts';
import { startServer } from '../support/server.ts';

const test = scenarios('dashboards');
const DASHBOARD = new URL('../../../deploy/grafana-dashboard.json', import.meta.url);

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly datasource?: { readonly uid: string };
  readonly targets?: readonly { readonly expr: string; readonly datasource: { readonly uid: string } }[];
}
interface Dashboard {
  readonly title: string;
  readonly uid: string;
  readonly schemaVersion: number;
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly definition?: string }[] };
}
const dashboard: Dashboard = JSON.parse(readFileSync(DASHBOARD, 'utf8'));
const rules = alertRules();
/** Returns an expression with Grafana's variables filled in. */
const panelExprs = dashboard.panels
  .flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
  .map((expr) => expr.replaceAll('$__rate_interval', '1m').replaceAll(/\$(?:job|instance)\b/g, '.*'));

let scraped: Promise<Scrape> | undefined;
/** Returns the metrics of a server, and those that it would have in a cluster. */
function known(): Promise<Scrape> {
  scraped ??= (async () => {
    const server = await startServer();
    try {
      return new Scrape(`${(await scrape(server.adminUrl)).text}\n${clusterMetrics()}`);
    } finally {
      await server.stop();
    }
  })();
  return scraped;
}

/** Returns the metrics that an expression names, as it spells them. */
function named(expr: string): string[] {
  return expr.replaceAll(/"[^"]*"/g, '').match(/\b(?:sfu|process|nodejs)_\w+/g) ?? [];
}

/** Returns whether a sample of this name exists; those of histograms have a suffix. */
function exists(seen: Scrape, name: string): boolean {
  const type = seen.types.get(name);
  if (type !== undefined) return type !== 'histogram';
  return seen.types.get(name.replace(/_(?:bucket|sum|count)$/, '')) === 'histogram';
}

test('every expression names metrics and label values that exist', async () => {
  const seen = await known();
  for (const expr of [...panelExprs, ...rules.map((rule) => rule.expr)]) {
    // Prometheus itself has this one.
    ok(named(expr).length > 0 || /\bup\{/.test(expr), expr);
    for (const name of named(expr)) ok(exists(seen, name), `${name} in ${expr}`);
    for (const [, label, , values] of expr.matchAll(/\b(cause|reason|outcome|problem|kind)(=~|=|!~)"([^"]*)"/g)) {
      for (const value of values!.split('|')) {
        ok(new RegExp(`\\b${label}="${value}"`).test(seen.text), `${label}="${value}" in ${expr}`);
      }
    }
  }
});

test('the dashboard shows every metric of the service', async () => {
  const shown = new Set(panelExprs.flatMap(named).map((name) => name.replace(/_(?:bucket|sum|count)$/, '')));
  const missing = [...(await known()).types.keys()].filter((name) => name.startsWith('sfu_') && !shown.has(name));
  equal(
    missing,
    ['sfu_connections_limit', 'sfu_users_limit'].filter((name) => !shown.has(name)),
  );
});

test('the dashboard can be imported: one data source variable, panels with ids that do not overlap', () => {
  ok(dashboard.title !== '' && dashboard.uid !== '' && dashboard.schemaVersion >= 30);
  equal(
    dashboard.templating.list.map(({ name }) => name),
    ['datasource', 'job', 'instance'],
  );
  is(new Set(dashboard.panels.map(({ id }) => id)).size, dashboard.panels.length);
  const taken = new Set<string>();
  for (const { title, type, datasource, targets, gridPos } of dashboard.panels) {
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
      ok(x < 24, `${title} leaves the grid`);
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        ok(!taken.has(`${x} ${y}`), `${title} lies over another panel`);
        taken.add(`${x} ${y}`);
      }
    }
    if (type === 'row') continue;
    ok((targets?.length ?? 0) > 0, title);
    for (const { uid } of [datasource!, ...targets!.map((target) => target.datasource)]) is(uid, '$' + '{datasource}');
  }
});

test('every alert says how bad it is, what happens and what to do', () => {
  for (const { alert, labels, annotations } of rules) {
    match(alert, /^Sfu[A-Z]\w+$/);
    match(labels.severity, /^(critical|warning)$/);
    ok(annotations.summary.length > 10 && annotations.description.length > 20, alert);
  }
});

withPromtool(test, 'promtool takes the alerts and every expression of the dashboard', () => {
  const checked = promtool(['check', 'rules', ALERTS.pathname]);
  is(checked.code, 0, checked.text);
  const directory = mkdtempSync(join(tmpdir(), 'rules-'));
  try {
    const check = (exprs: readonly string[]): { code: number | null; text: string } => {
      const file = join(directory, 'rules.yaml');
      const recorded = exprs.map((expr, i) => ({ record: `panel:${i}`, expr }));
      writeFileSync(file, stringify({ groups: [{ name: 'dashboard', rules: recorded }] }));
      return promtool(['check', 'rules', file]);
    };
    const { code, text } = check(panelExprs);
    is(code, 0, text);
    match(text, `${panelExprs.length} rules found`);
    is(check(['sum(rate(sfu_users)']).code, 1, 'it does complain');
  } finally {
    rmSync(directory, { recursive: true });
  }
});

/** Returns a series of samples for promtool, a minute apart. */
const series = (name: string, values: string): { series: string; values: string } => ({ series: name, values });
const HOST = 'job="webrtc",instance="a:8081"';

withPromtool(test, 'alerts fire for their causes, and not on a server that does its work', () => {
  const build = series(`sfu_build_info{${HOST},version="1"}`, '1x30');
  const bad = [
    build,
    series(`sfu_connections{${HOST},state="established"}`, '1950x30'),
    series(`sfu_connections{${HOST},state="setup"}`, '0x30'),
    series(`sfu_connections_limit{${HOST}}`, '2000x30'),
    series(`sfu_connection_setup_failures_total{${HOST},cause="full"}`, '0+10x30'),
    series(`sfu_connection_setup_failures_total{${HOST},cause="no-ice"}`, '0+60x30'),
    series(`sfu_connection_setup_seconds_count{${HOST}}`, '0+60x30'),
    series(`sfu_joins_total{${HOST},outcome="full"}`, '0x30'),
    series(`sfu_packets_dropped_total{${HOST},direction="out",reason="late"}`, '0+60000x30'),
    series(`sfu_packets_sent_total{${HOST},kind="rtp"}`, '0+600000x30'),
    series(`sfu_event_loop_delay_seconds_bucket{${HOST},le="0.1"}`, '0+10x30'),
    series(`sfu_event_loop_delay_seconds_bucket{${HOST},le="0.5"}`, '0+3000x30'),
    series(`sfu_event_loop_delay_seconds_bucket{${HOST},le="+Inf"}`, '0+3000x30'),
    series(`sfu_worker_beat_age_seconds{${HOST},worker="1"}`, '0+60x30'),
    series(`sfu_permission_seconds_count{${HOST},outcome="timeout"}`, '0+5x30'),
    series(`sfu_bad_red_total{${HOST}}`, '0x20 1x10'),
    series(`sfu_log_lines_lost_total{${HOST}}`, '0x20 7x10'),
    series(`up{${HOST}}`, '1x10 0x20'),
    // Three starts.
    series(`process_start_time_seconds{${HOST}}`, '100x9 700x9 1300x12'),
    series(`process_start_time_seconds{job="prometheus",instance="p:9090"}`, '0+100x30'),
    series(`process_resident_memory_bytes{${HOST}}`, '950x30'),
    series(`sfu_memory_limit_bytes{${HOST}}`, '1000x30'),
    series(`sfu_packets_dropped_total{${HOST},direction="in",reason="not-joined"}`, '0+3000x30'),
    series(`sfu_packets_received_total{${HOST},kind="rtp"}`, '0+9000x30'),
    series(`sfu_webhook_events_total{${HOST},outcome="dropped"}`, '0+1x30'),
    series(`sfu_webhook_events_total{${HOST},outcome="sent"}`, '0x30'),
    series(`sfu_webhook_events_queued{${HOST}}`, '9x30'),
    series(`sfu_cluster_whole{${HOST}}`, '1x10 0x20'),
    series(`sfu_cluster_warnings{${HOST}}`, '0x10 1x20'),
    series(`sfu_cluster_instances{${HOST}}`, '3x10 2x20'),
    series(`sfu_cluster_instances{job="webrtc",instance="b:8081"}`, '1x30'),
    series(`sfu_cluster_kv_lag_seconds{${HOST}}`, '2x30'),
    series(`sfu_relay_dropped_total{${HOST},direction="out",reason="late"}`, '0+60x30'),
    series(`sfu_relay_packets_total{${HOST},direction="out"}`, '0+3000x30'),
    series(`sfu_relay_delay_seconds_bucket{${HOST},le="0.1"}`, '0+10x30'),
    series(`sfu_relay_delay_seconds_bucket{${HOST},le="0.2"}`, '0+3000x30'),
    series(`sfu_relay_delay_seconds_bucket{${HOST},le="+Inf"}`, '0+3000x30'),
  ];
  const good = [
    build,
    series(`sfu_connections{${HOST},state="established"}`, '100x30'),
    series(`sfu_connections_limit{${HOST}}`, '2000x30'),
    series(`sfu_connection_setup_failures_total{${HOST},cause="full"}`, '0x30'),
    series(`sfu_connection_setup_failures_total{${HOST},cause="no-ice"}`, '0+1x30'),
    series(`sfu_connection_setup_seconds_count{${HOST}}`, '0+60x30'),
    series(`sfu_joins_total{${HOST},outcome="full"}`, '0x30'),
    series(`sfu_packets_dropped_total{${HOST},direction="in",reason="unheard"}`, '0+600000x30'),
    series(`sfu_packets_dropped_total{${HOST},direction="out",reason="late"}`, '0x30'),
    series(`sfu_packets_sent_total{${HOST},kind="rtp"}`, '0+600000x30'),
    series(`sfu_event_loop_delay_seconds_bucket{${HOST},le="0.1"}`, '0+3000x30'),
    series(`sfu_event_loop_delay_seconds_bucket{${HOST},le="+Inf"}`, '0+3000x30'),
    series(`sfu_worker_beat_age_seconds{${HOST},worker="1"}`, '1x30'),
    series(`sfu_permission_seconds_count{${HOST},outcome="timeout"}`, '0x30'),
    series(`sfu_bad_red_total{${HOST}}`, '0x5 1x25'),
    series(`sfu_log_lines_lost_total{${HOST}}`, '7x30'),
    series(`up{${HOST}}`, '1x30'),
    series('up{job="other",instance="o:1"}', '0x30'),
    // One start.
    series(`process_start_time_seconds{${HOST}}`, '100x14 1000x16'),
    series(`process_resident_memory_bytes{${HOST}}`, '300x30'),
    series(`sfu_memory_limit_bytes{${HOST}}`, '1000x30'),
    series(`sfu_packets_dropped_total{${HOST},direction="in",reason="not-joined"}`, '0+300x30'),
    series(`sfu_packets_received_total{${HOST},kind="rtp"}`, '0+9000x30'),
    series(`sfu_cluster_whole{${HOST}}`, '1x30'),
    series(`sfu_cluster_warnings{${HOST}}`, '0x30'),
    // A rolling restart.
    series(`sfu_cluster_instances{${HOST}}`, '3x10 2 3x19'),
    series(`sfu_cluster_instances{job="webrtc",instance="b:8081"}`, '3x10 2 3x19'),
    series(`sfu_cluster_kv_lag_seconds{${HOST}}`, '0.01x30'),
    series(`sfu_relay_dropped_total{${HOST},direction="in",reason="unknown-source"}`, '0+600x30'),
    series(`sfu_relay_dropped_total{${HOST},direction="out",reason="late"}`, '0+1x30'),
    series(`sfu_relay_packets_total{${HOST},direction="out"}`, '0+3000x30'),
    series(`sfu_relay_delay_seconds_bucket{${HOST},le="0.1"}`, '0+3000x30'),
    series(`sfu_relay_delay_seconds_bucket{${HOST},le="+Inf"}`, '0+3000x30'),
  ];
  const names = ['SfuNearlyFull', 'SfuFull', 'SfuDroppingOverload', 'SfuEventLoopSlow', 'SfuWorkerStalled'];
  names.push('SfuSetupFailing', 'SfuPermissionsFailing', 'SfuClientsUnheard', 'SfuLogUnread');
  names.push('SfuDown', 'SfuRestarting', 'SfuMemoryNearlyFull', 'SfuTalkingToNobody');
  names.push('SfuDegraded', 'SfuClusterWarning', 'SfuRelayDropping', 'SfuRelaySlow', 'SfuMembershipsSlow');
  names.push('SfuWebhookEventsLost', 'SfuWebhookEventsWait');
  // These are about a whole cluster.
  const ofAll = ['SfuInstanceGone', 'SfuInstancesDisagree'];
  names.push(...ofAll);
  const more: Record<string, object> = { SfuWorkerStalled: { worker: '1' } };
  const severity = (name: string): string => rules.find((rule) => rule.alert === name)!.labels.severity;
  const of = (name: string): object =>
    ofAll.includes(name) ? { job: 'webrtc' } : { job: 'webrtc', instance: 'a:8081' };
  const fires = (name: string, yes: boolean): object => ({
    eval_time: '25m',
    alertname: name,
    exp_alerts: yes ? [{ exp_labels: { severity: severity(name), ...of(name), ...more[name] } }] : [],
  });
  const { code, text } = tryAlerts([
    { input_series: bad, alert_rule_test: names.map((name) => fires(name, true)) },
    { input_series: good, alert_rule_test: rules.map(({ alert }) => fires(alert, false)) },
  ]);
  is(code, 0, text);
});

test.run();
