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

/** Roughly how long the slow ones take, seconds, on an idle machine: these begin first. The others take less. */
const SECONDS: Readonly<Record<string, number>> = {
  'browser-patience': 100,
  faults: 110,
  image: 80,
  'proxy-drain': 150,
  'proxy-origin': 60,
  cli: 60,
  network: 60,
  'rtcp-media': 50,
  ghosts: 35,
  churn: 30,
  'flood-http': 40,
  'flood-media': 35,
  permitted: 30,
  'proxy-media': 30,
  drain: 30,
  streams: 30,
  'browser-takeover': 60,
  'browser-client-drain': 90,
  'proxy-limits': 30,
  proxy: 30,
  soak: 25,
  ranking: 25,
  metrics: 25,
  'setup-alert': 25,
  'browser-failures': 25,
  signalling: 20,
  setups: 20,
  watchdog: 20,
  reach: 20,
  'config-start': 20,
  hostile: 20,
  'demo-gateway': 20,
  'events-hostile': 20,
  fuzz: 20,
  'demo-bots': 20,
  media: 15,
  'signalling-ends': 15,
  guard: 12,
  takeover: 12,
  slots: 10,
  log: 10,
  'proxy-claims': 10,
  'events-live': 10,
  'browser-client-states': 40,
  'browser-client-examples': 40,
  'browser-client-levels': 40,
  'browser-client-origins': 30,
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
