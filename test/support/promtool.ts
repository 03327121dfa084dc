/** Prometheus' checker, from Debian's package `prometheus`. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import type { Scenarios } from './scenario.ts';
import { HANG_MS } from './waiting.ts';

export const ALERTS = new URL('../../../deploy/alerts.yaml', import.meta.url);
const PROMTOOL = '/usr/bin/promtool';

/** Runs promtool. @param input its standard input. @returns its exit code and output. */
export function promtool(args: readonly string[], input = ''): { code: number | null; text: string } {
  const { status, stdout, stderr } = spawnSync(PROMTOOL, args, { input, encoding: 'utf8', timeout: HANG_MS });
  return { code: status, text: `${stdout}${stderr}` };
}

export interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly description: string };
}

/** Returns the rules in `deploy/alerts.yaml`. */
export function alertRules(): Rule[] {
  const { groups } = parse(readFileSync(ALERTS, 'utf8')) as { groups: readonly { rules: readonly Rule[] }[] };
  return groups.flatMap((group) => group.rules);
}

/** Tests the alerts with `promtool test rules`. @param tests as in its file, one sample a minute. */
export function tryAlerts(tests: readonly object[]): { code: number | null; text: string } {
  const directory = mkdtempSync(join(tmpdir(), 'rules-'));
  try {
    // promtool compares annotations too, and they hold figures, so the rules are tested without them.
    const bare = { groups: [{ name: 'bare', rules: alertRules().map(({ annotations: _, ...rule }) => rule) }] };
    writeFileSync(join(directory, 'alerts.yaml'), stringify(bare));
    const file = join(directory, 'test.yaml');
    const all = tests.map((test) => ({ interval: '1m', ...test }));
    writeFileSync(file, stringify({ rule_files: ['alerts.yaml'], evaluation_interval: '1m', tests: all }));
    return promtool(['test', 'rules', file]);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/**
 * Adds a scenario that needs promtool. Where it is not installed, the scenario is skipped, or fails if `REQUIRE_TOOLS`
 * is set.
 */
export function withPromtool(test: Scenarios, name: string, body: () => void | Promise<void>): void {
  if (existsSync(PROMTOOL) || process.env['REQUIRE_TOOLS'] === '1') test(name, body, 60);
  else test.skip(name, 'promtool not installed');
}
