/** The test files: what kind each is, and in what order they run. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface TestFile {
  /** As in `http.test.js`. */
  readonly name: string;
  readonly path: string;
  /** Starts a browser. */
  readonly browser: boolean;
  /** Starts neither a browser, nor a server, nor a proxy. */
  readonly fast: boolean;
}

/** What tells a browser file: whatever starts a browser does so through this one. */
const BROWSERS = 'browsers.js';
/** A file with a process of its own is no fast one, except where that process only measures the packet path. */
const MEASURES = new Set(['allocation.test.js']);
const PROCESSES = /from ['"]node:child_process['"]/;
const IMPORT = /(?:from|import)\s*\(?\s*['"](\.[^'"]+)['"]/g;

/** Roughly how long the slow ones take, seconds, on two cores that do nothing else but these: they begin first. The others take less. */
const SECONDS: Readonly<Record<string, number>> = {
  'proxy-drain': 235,
  browsers: 145,
  'browser-takeover': 140,
  'browser-client-drain': 120,
  faults: 110,
  'browser-client-states': 95,
  'browser-client-ends': 90,
  'browser-patience': 90,
  'proxy-origin': 90,
  'browser-client-return': 85,
  demo: 85,
  cli: 80,
  'browser-client': 70,
  'browser-client-devices': 70,
  network: 70,
  'browser-loudness': 65,
  'flood-http': 50,
  'rtcp-media': 50,
  'browser-client-examples': 45,
  'browser-client-levels': 45,
  'browser-red': 45,
  image: 45,
  proxy: 45,
  'flood-media': 40,
  'foreign-clients': 40,
  ghosts: 40,
  'browser-bundles': 35,
  'browser-client-races': 35,
  drain: 35,
  'proxy-media': 35,
  log: 30,
  'browser-client-origins': 25,
  'browser-failures': 25,
  churn: 25,
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
  guard: 15,
  media: 15,
  shouters: 15,
  'signalling-ends': 15,
  'browser-rtcp': 10,
  'config-start': 10,
  fuzz: 10,
  hostile: 10,
  'proxy-claims': 10,
  setups: 10,
  takeover: 10,
};

/** Every `*.test.js` of the built tests, slowest first. */
export function testFiles(): TestFile[] {
  const folder = fileURLToPath(new URL('..', import.meta.url));
  const names = readdirSync(folder).filter((name) => name.endsWith('.test.js'));
  const seconds = (name: string): number => SECONDS[name.replace('.test.js', '')] ?? 0;
  names.sort((a, b) => seconds(b) - seconds(a) || a.localeCompare(b));
  return names.map((name) => {
    const path = resolve(folder, name);
    const modules = importsOf(path);
    const processes = !MEASURES.has(name) && [...modules.values()].some((text) => PROCESSES.test(text));
    return { name, path, browser: [...modules.keys()].some((file) => basename(file) === BROWSERS), fast: !processes };
  });
}

/** A module and all that it imports from this project: path → text. */
function importsOf(path: string, found = new Map<string, string>()): Map<string, string> {
  if (found.has(path) || !existsSync(path)) return found;
  const text = readFileSync(path, 'utf8');
  found.set(path, text);
  for (const [, relative] of text.matchAll(IMPORT)) importsOf(resolve(dirname(path), relative!), found);
  return found;
}
