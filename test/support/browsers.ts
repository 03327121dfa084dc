import { existsSync } from 'node:fs';
import { constants, networkInterfaces } from 'node:os';
import { chromium } from 'playwright-core';
import puppeteer, { type KeyInput } from 'puppeteer-core';
import type { Scenarios } from './scenario.ts';
import { HANG_MS } from './waiting.ts';

export type BrowserKind = 'chromium' | 'firefox';

const EXECUTABLES: Record<BrowserKind, string> = {
  chromium: '/usr/bin/chromium',
  firefox: '/usr/bin/firefox-esr',
};

export interface Page {
  /** Evaluates an expression in the page, waits for it if it is a promise, and returns its JSON value. */
  evaluate<T>(expression: string): Promise<T>;
  /** Presses and releases a key, as in `Tab`, `Enter`, a space or `a`, on whatever has the focus. */
  press(key: string): Promise<void>;
  close(): Promise<void>;
}

export interface PageOptions {
  /** Of the window, CSS pixels. */
  width?: number;
  height?: number;
  /** Whether the user prefers dark colours; Chromium only. */
  dark?: boolean;
}

export interface Browser {
  kind: BrowserKind;
  /** As in `156`. */
  majorVersion: string;
  /** The main process. */
  pid: number;
  newPage(url: string, options?: PageOptions): Promise<Page>;
  close(): Promise<void>;
}

/**
 * Adds a scenario that needs Chromium: skipped where there is none, failed if `REQUIRE_BROWSERS` says there must be.
 */
export function inChromium(test: Scenarios, name: string, body: () => Promise<void>, seconds: number): void {
  if (browserAvailable('chromium') || process.env['REQUIRE_BROWSERS'] === '1') test(name, body, seconds);
  else test.skip(name, 'chromium not installed');
}

export interface LaunchOptions {
  /** Hide addresses behind `.local` names (mDNS), as browsers do for a page that may not use the microphone. */
  mdns?: boolean;
  /** Microphones that beep, instead of the machine's; asked for, they are given. */
  fakeDevices?: boolean;
}

/** Whether a browser of this kind is installed. */
export function browserAvailable(kind: BrowserKind): boolean {
  return existsSync(EXECUTABLES[kind]);
}

/** An address of this machine that is not a loopback one, if it has any: Firefox gathers no others. */
export function outwardAddress(): string | undefined {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return all.find(({ family, internal }) => family === 'IPv4' && !internal)?.address;
}

/**
 * Starts a headless browser that takes and makes loopback connections and plays without being clicked on.
 *
 * Both libraries kill the browser's process group when this process exits, so it only has to exit properly.
 */
export function launchBrowser(kind: BrowserKind, options: LaunchOptions = {}): Promise<Browser> {
  exitOnSignals();
  return kind === 'chromium' ? launchChromium(options) : launchFirefox(options);
}

let exitsOnSignals = false;

/** By default a signal ends a process without its exit hooks. The libraries' own handlers close browsers, yet go on. */
function exitOnSignals(): void {
  if (exitsOnSignals) return;
  exitsOnSignals = true;
  for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => process.exit(128 + constants.signals[signal]));
  }
}

const NO_SIGNALS = { handleSIGHUP: false, handleSIGINT: false, handleSIGTERM: false };

async function launchChromium({ mdns = false, fakeDevices = false }: LaunchOptions): Promise<Browser> {
  const browser = await chromium.launch({
    executablePath: EXECUTABLES.chromium,
    headless: true,
    timeout: HANG_MS,
    ...NO_SIGNALS,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--autoplay-policy=no-user-gesture-required',
      '--allow-loopback-in-peer-connection',
      ...(fakeDevices ? ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'] : []),
    ],
  });
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  const pid = processInfo.find(({ type }) => type === 'browser')!.id;
  return {
    kind: 'chromium',
    majorVersion: majorOf(browser.version()),
    pid,
    newPage: async (url, { width = 1280, height = 720, dark = false } = {}) => {
      const context = await browser.newContext({
        // Chromium shows a page its addresses once that page may use the microphone.
        permissions: mdns ? [] : ['microphone'],
        viewport: { width, height },
        colorScheme: dark ? 'dark' : 'light',
      });
      const page = await context.newPage();
      await page.goto(url, { timeout: HANG_MS });
      return {
        evaluate: (expression) => page.evaluate(expression),
        press: (key) => page.keyboard.press(key),
        close: () => context.close(),
      };
    },
    close: () => browser.close(),
  };
}

async function launchFirefox({ mdns = false, fakeDevices = false }: LaunchOptions): Promise<Browser> {
  const browser = await puppeteer.launch({
    browser: 'firefox',
    executablePath: EXECUTABLES.firefox,
    headless: true,
    timeout: HANG_MS,
    ...NO_SIGNALS,
    extraPrefsFirefox: {
      'media.autoplay.default': 0,
      // Every page but the last is a background tab, which would neither play nor be woken in time.
      'media.block-autoplay-until-in-foreground': false,
      'dom.min_background_timeout_value': 4,
      'media.navigator.permission.disabled': true,
      'media.navigator.streams.fake': fakeDevices,
      'media.peerconnection.ice.loopback': true,
      'media.peerconnection.ice.obfuscate_host_addresses': mdns,
    },
  });
  return {
    kind: 'firefox',
    majorVersion: majorOf(await browser.version()),
    pid: browser.process()!.pid!,
    newPage: async (url, { width = 1280, height = 720 } = {}) => {
      const page = await browser.newPage();
      await page.setViewport({ width, height });
      await page.goto(url, { timeout: HANG_MS });
      return {
        evaluate: async <T>(expression: string): Promise<T> => (await page.evaluate(expression)) as T,
        press: (key) => page.keyboard.press(key as KeyInput),
        close: () => page.close(),
      };
    },
    close: () => browser.close(),
  };
}

/** The major version in `156.0.8078.79` or `firefox/153.7.0`. */
function majorOf(version: string): string {
  return /\d+/.exec(version)?.[0] ?? version;
}
