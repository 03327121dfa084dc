import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants, networkInterfaces } from 'node:os';
import puppeteer, {
  type CDPSession,
  type Browser as Driver,
  type Page as DriverPage,
  type KeyInput,
} from 'puppeteer-core';
import { temporaryFolder } from './proxies.ts';
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
  /** Holds a key down, which repeats it if it is down already, and lets it go. @param key as for {@link press}. */
  down(key: string): Promise<void>;
  up(key: string): Promise<void>;
  /** Clicks on the element with the mouse. @param selector of CSS. */
  click(selector: string): Promise<void>;
  reload(): Promise<void>;
  /** Permits the microphone, as a user does in the address bar; in Chromium only. */
  allowMicrophone(): Promise<void>;
  /** Writes a picture of the whole page. @param path of a PNG file. */
  screenshot(path: string): Promise<void>;
  close(): Promise<void>;
}

export interface PageOptions {
  /** Size of the window, CSS pixels. */
  width?: number;
  height?: number;
  /** Whether the user prefers dark colours; in Chromium only. */
  dark?: boolean;
  /** Whether the user prefers less motion; in Chromium only. */
  reducedMotion?: boolean;
  /** Whether the user has forbidden the microphone; in Chromium only. */
  noMicrophone?: boolean;
}

export interface Browser {
  kind: BrowserKind;
  /** Such as `156`. */
  majorVersion: string;
  /** Id of the main process. */
  pid: number;
  newPage(url: string, options?: PageOptions): Promise<Page>;
  close(): Promise<void>;
}

/**
 * Adds a scenario that needs Chromium. Where there is none, the scenario is skipped, or fails if `REQUIRE_BROWSERS` is
 * 1.
 */
export function inChromium(test: Scenarios, name: string, body: () => Promise<void>, seconds: number): void {
  if (browserAvailable('chromium') || process.env['REQUIRE_BROWSERS'] === '1') test(name, body, seconds);
  else test.skip(name, 'chromium not installed');
}

export interface LaunchOptions {
  /** Hides addresses behind `.local` names (mDNS), as browsers do for a page that may not use the microphone. */
  mdns?: boolean;
  /** Path of the certificate (PEM) of an authority that is to be trusted; in Firefox only. It takes `certutil`. */
  authority?: string;
  /** Opens pages over HTTPS whatever their certificate is, as a user who clicks the warning away. */
  anyCertificate?: boolean;
  /** Offers microphones that beep instead of the machine's, and grants them to every page that asks. */
  fakeDevices?: boolean;
  /** Grants them only to pages that have the permission; in Chromium only. */
  refusable?: boolean;
  /** Path of a WAV file that these microphones play again and again instead of beeping; in Chromium only. */
  spoken?: string;
  /** Plays sound only after a click, as browsers do for people, and does not count a test's looks as clicks; in Chromium only. */
  clickToPlay?: boolean;
  /**
   * Pretends that there is a sound card, without which Firefox runs no AudioContext; its microphone hums, and has the
   * filters that its fake one lacks. Chromium needs none.
   */
  soundCard?: boolean;
}

/** Returns whether a browser of this kind is installed. */
export function browserAvailable(kind: BrowserKind): boolean {
  return existsSync(EXECUTABLES[kind]);
}

/** Returns an address of this machine that is not on loopback, if there is one: Firefox gathers no others. */
export function outwardAddress(): string | undefined {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return all.find(({ family, internal }) => family === 'IPv4' && !internal)?.address;
}

/**
 * Starts a headless browser that allows WebRTC over loopback and plays audio without a click.
 *
 * Puppeteer kills the browser's process group when this process exits, so this process only has to exit properly.
 */
export async function launchBrowser(kind: BrowserKind, options: LaunchOptions = {}): Promise<Browser> {
  exitOnSignals();
  const { mdns = false, clickToPlay = false } = options;
  const browser = await (kind === 'chromium' ? launchChromium(options) : launchFirefox(options));
  return {
    kind,
    majorVersion: majorOf(await browser.version()),
    pid: browser.process()!.pid!,
    newPage: (url, page = {}) =>
      kind === 'chromium'
        ? openInChromium(browser, url, page, { mdns, clickToPlay })
        : openInFirefox(browser, url, page),
    close: () => browser.close(),
  };
}

let exitsOnSignals = false;

/** By default a signal ends a process without its exit hooks, and Puppeteer's own handlers do not end the process. */
function exitOnSignals(): void {
  if (exitsOnSignals) return;
  exitsOnSignals = true;
  for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => process.exit(128 + constants.signals[signal]));
  }
}

const COMMON = {
  headless: true,
  timeout: HANG_MS,
  // A scenario has a deadline of its own, and a page may evaluate something for minutes.
  protocolTimeout: 0,
  handleSIGHUP: false,
  handleSIGINT: false,
  handleSIGTERM: false,
};

function launchChromium({
  fakeDevices = false,
  refusable = false,
  spoken,
  anyCertificate = false,
  clickToPlay = false,
}: LaunchOptions): Promise<Driver> {
  return puppeteer.launch({
    ...COMMON,
    acceptInsecureCerts: anyCertificate,
    browser: 'chrome',
    executablePath: EXECUTABLES.chromium,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--disable-component-update',
      `--autoplay-policy=${clickToPlay ? 'document-user-activation-required' : 'no-user-gesture-required'}`,
      '--allow-loopback-in-peer-connection',
      ...(fakeDevices ? ['--use-fake-device-for-media-stream'] : []),
      ...(fakeDevices && !refusable ? ['--use-fake-ui-for-media-stream'] : []),
      ...(spoken === undefined ? [] : [`--use-file-for-fake-audio-capture=${spoken}`]),
    ],
  });
}

function launchFirefox({
  mdns = false,
  fakeDevices = false,
  soundCard = false,
  anyCertificate = false,
  authority,
}: LaunchOptions): Promise<Driver> {
  return puppeteer.launch({
    ...COMMON,
    acceptInsecureCerts: anyCertificate,
    browser: 'firefox',
    executablePath: EXECUTABLES.firefox,
    ...(authority === undefined ? {} : { userDataDir: profileTrusting(authority) }),
    extraPrefsFirefox: {
      'media.autoplay.default': 0,
      // Every page except the last is a background tab, which would neither play nor be woken in time.
      'media.block-autoplay-until-in-foreground': false,
      'dom.min_background_timeout_value': 4,
      'media.navigator.permission.disabled': true,
      'media.navigator.streams.fake': fakeDevices && !soundCard,
      'media.cubeb.force_mock_context': soundCard,
      'media.peerconnection.ice.loopback': true,
      'media.peerconnection.ice.obfuscate_host_addresses': mdns,
    },
  });
}

/** Makes a profile of Firefox in which certificates of this authority are good. */
function profileTrusting(authority: string): string {
  const folder = temporaryFolder('profile');
  const certutil = (...args: string[]): void => {
    execFileSync('certutil', ['-d', `sql:${folder}`, ...args], { stdio: 'pipe' });
  };
  certutil('-N', '--empty-password');
  certutil('-A', '-n', 'test authority', '-t', 'C,,', '-i', authority);
  return folder;
}

/** Opens a page in Chromium, in a browser context of its own: no cookies, permissions or storage shared with others. */
async function openInChromium(
  browser: Driver,
  url: string,
  { width = 1280, height = 720, dark = false, reducedMotion = false, noMicrophone = false }: PageOptions,
  { mdns, clickToPlay }: { mdns: boolean; clickToPlay: boolean },
): Promise<Page> {
  const context = await browser.createBrowserContext();
  // Chromium shows a page its addresses once that page may use the microphone.
  if (!mdns) await context.overridePermissions(new URL(url).origin, noMicrophone ? [] : ['microphone']);
  const page = await context.newPage();
  await page.setViewport({ width, height });
  // Each page believes that it has the focus, however many there are.
  await page.emulateFocusedPage(true);
  await page.emulateMediaFeatures([
    { name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' },
    { name: 'prefers-reduced-motion', value: reducedMotion ? 'reduce' : 'no-preference' },
  ]);
  await page.goto(url, { timeout: HANG_MS });
  const opened = pageOf(page, () => context.close());
  return clickToPlay ? { ...opened, evaluate: evaluatorOf(await page.createCDPSession()) } : opened;
}

/** Returns what evaluates expressions without the user activation that Puppeteer's own evaluation brings. */
function evaluatorOf(session: CDPSession): Page['evaluate'] {
  return async (expression) => {
    const options = { expression, awaitPromise: true, returnByValue: true };
    const { result, exceptionDetails } = await session.send('Runtime.evaluate', options);
    if (exceptionDetails !== undefined)
      throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  };
}

async function openInFirefox(browser: Driver, url: string, { width = 1280, height = 720 }: PageOptions): Promise<Page> {
  const page = await browser.newPage();
  await page.setViewport({ width, height });
  await page.goto(url, { timeout: HANG_MS });
  return pageOf(page, () => page.close());
}

function pageOf(page: DriverPage, close: () => Promise<void>): Page {
  return {
    evaluate: async <T>(expression: string): Promise<T> => (await page.evaluate(expression)) as T,
    press: (key) => page.keyboard.press(key as KeyInput),
    down: (key) => page.keyboard.down(key as KeyInput),
    up: (key) => page.keyboard.up(key as KeyInput),
    click: (selector) => page.click(selector),
    reload: async () => void (await page.reload({ timeout: HANG_MS })),
    allowMicrophone: () => page.browserContext().overridePermissions(new URL(page.url()).origin, ['microphone']),
    screenshot: async (path) => void (await page.screenshot({ path: path as `${string}.png`, fullPage: true })),
    close,
  };
}

/** The major version in `Chrome/156.0.8078.79` or `firefox/153.7.0`. */
function majorOf(version: string): string {
  return /\d+/.exec(version)?.[0] ?? version;
}
