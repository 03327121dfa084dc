/** The test files: what kind each is, and in what order they run. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * The kinds of tests, each a folder:
 *
 * - `unit`: one module or a few; no server, no browser, no proxy. Fast enough to run at every save.
 * - `server`: a real server, or another process of the project, with clients of ours.
 * - `browser`: real browsers against a real server.
 * - `deployment`: the files in `deploy/`, with the proxies and tools that operators use.
 */
export const KINDS = ['unit', 'server', 'browser', 'deployment'] as const;
export type Kind = (typeof KINDS)[number];

export interface TestFile {
  /** As in `http.test.js`. */
  readonly name: string;
  readonly path: string;
  readonly kind: Kind;
  /** Whether it starts a browser, whatever its kind. */
  readonly browser: boolean;
}

/** Every test that starts a browser does so through this module. */
const BROWSERS = 'browsers.js';
const IMPORT = /(?:from|import)\s*\(?\s*['"](\.[^'"]+)['"]/g;

/**
 * Rough durations of the slow files on two otherwise idle cores, seconds. The slowest begin first; all others are
 * faster.
 */
const SECONDS: Readonly<Record<string, number>> = {
  'browser-client-mute': 240,
  'proxy-drain': 235,
  'browser-turn': 150,
  browsers: 145,
  'browser-takeover': 140,
  'browser-hook': 140,
  'browser-client-keeps': 100,
  'client-pack': 80,
  'browser-client-drain': 120,
  'cluster-replicas': 130,
  'cluster-records': 130,
  'cluster-attack': 110,
  faults: 110,
  'browser-client-states': 95,
  'browser-client-ends': 90,
  'browser-late-offer': 90,
  'proxy-origin': 90,
  'browser-client-return': 85,
  demo: 85,
  cli: 80,
  'browser-client': 70,
  'browser-client-devices': 70,
  network: 70,
  'cluster-ends': 65,
  'cluster-trouble': 65,
  'cluster-races': 60,
  'browser-loudness': 65,
  'cluster-proxy': 60,
  'cluster-browsers': 55,
  'cluster-links': 50,
  'cluster-nats': 50,
  'flood-http': 50,
  'rtcp-media': 50,
  record: 40,
  'browser-client-examples': 45,
  'browser-client-levels': 45,
  'browser-red': 45,
  image: 45,
  proxy: 45,
  'cluster-client-death': 40,
  'cluster-soak': 40,
  'flood-media': 40,
  'foreign-clients': 40,
  ghosts: 40,
  'browser-bundles': 35,
  'cluster-client-restart': 35,
  'browser-client-races': 35,
  drain: 35,
  'proxy-media': 35,
  'cluster-media': 30,
  'cluster-ranking': 30,
  log: 30,
  'browser-client-origins': 25,
  'browser-firewall': 25,
  'browser-gateway': 20,
  'browser-failures': 25,
  churn: 25,
  'cluster-memberships': 25,
  metrics: 25,
  'proxy-limits': 25,
  streams: 25,
  watchdog: 25,
  'demo-bots': 20,
  permitted: 20,
  ranking: 20,
  'setup-alert': 20,
  signalling: 20,
  soak: 20,
  'browser-events': 15,
  'demo-gateway': 15,
  'events-hostile': 15,
  'cluster-client': 15,
  'cluster-hostile': 15,
  guard: 15,
  media: 15,
  shouters: 15,
  'signalling-ends': 15,
  'browser-rtcp': 10,
  'cluster-streams': 10,
  'config-start': 10,
  fuzz: 10,
  hostile: 10,
  'proxy-claims': 10,
  setups: 10,
  takeover: 10,
};

/** Returns all built `*.test.js` files, slowest first. */
export function testFiles(): TestFile[] {
  const folder = fileURLToPath(new URL('..', import.meta.url));
  const files = KINDS.flatMap((kind) => {
    const names = readdirSync(resolve(folder, kind), { recursive: true, encoding: 'utf8' });
    return names
      .filter((name) => name.endsWith('.test.js'))
      .map((name) => ({ kind, path: resolve(folder, kind, name) }));
  });
  return files
    .map(({ kind, path }) => ({ name: basename(path), path, kind, browser: startsBrowser(path) }))
    .sort((a, b) => seconds(b.name) - seconds(a.name) || a.name.localeCompare(b.name));
}

function startsBrowser(path: string): boolean {
  return [...modulesOf(path).keys()].some((module) => basename(module) === BROWSERS);
}

function seconds(name: string): number {
  return SECONDS[name.replace('.test.js', '')] ?? 0;
}

/** Returns the paths of a module and of all modules of this project that it imports, each with its text. */
export function modulesOf(path: string): ReadonlyMap<string, string> {
  const texts = new Map<string, string>();
  const visit = (path: string): void => {
    if (texts.has(path) || !existsSync(path)) return;
    const text = readFileSync(path, 'utf8');
    texts.set(path, text);
    for (const [, relative] of text.matchAll(IMPORT)) visit(resolve(dirname(path), relative!));
  };
  visit(path);
  return texts;
}
