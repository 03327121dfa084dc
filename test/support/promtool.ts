/** Prometheus' own checker, of Debian's package `prometheus`. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { HANG_MS } from './patience.ts';
import type { Scenarios } from './scenario.ts';

const PROMTOOL = '/usr/bin/promtool';

/** Runs it. @param input its standard input. @returns its exit code and what it said. */
export function promtool(args: readonly string[], input = ''): { code: number | null; text: string } {
  const { status, stdout, stderr } = spawnSync(PROMTOOL, args, { input, encoding: 'utf8', timeout: HANG_MS });
  return { code: status, text: `${stdout}${stderr}` };
}

/** Adds a scenario that needs promtool: skipped where there is none, failed if `REQUIRE_TOOLS` says there must be. */
export function withPromtool(test: Scenarios, name: string, body: () => void | Promise<void>): void {
  if (existsSync(PROMTOOL) || process.env['REQUIRE_TOOLS'] === '1') test(name, body, 60);
  else test.skip(name, 'promtool not installed');
}
