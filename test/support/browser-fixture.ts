/** Servers, a gateway and a browser for the tests of the browser client. */
import { type Browser, type BrowserKind, browserAvailable, type LaunchOptions, launchBrowser } from './browsers.ts';
import { type ClientPage, openClientPage, startClientGateway } from './client-page.ts';
import type { Gateway } from './gateway.ts';
import { TONES } from './page.ts';
import type { Scenarios } from './scenario.ts';
import { type RunningServer, startServer } from './server.ts';

const SECONDS = 150;

export interface BrowserFixture {
  readonly browser: Browser;
  readonly gateway: Gateway;
  /** The one that the gateway passes requests on to at first. */
  readonly server: RunningServer;
  /** Starts another server, which ends with the scenario. */
  startAnother(env?: Record<string, string>): Promise<RunningServer>;
  /** Opens a page for a user; each page gets another tone. */
  open(user: string): Promise<ClientPage>;
}

export interface FixtureOptions extends LaunchOptions {
  readonly env?: Record<string, string>;
}

/** Adds a scenario for each of these browsers; each has servers and a browser of its own. */
export function inBrowsers(
  test: Scenarios,
  kinds: readonly BrowserKind[],
  name: string,
  body: (fixture: BrowserFixture) => Promise<void>,
  options: FixtureOptions = {},
): void {
  for (const kind of kinds) {
    const title = `${kind}: ${name}`;
    if (browserAvailable(kind) || process.env['REQUIRE_BROWSERS'] === '1') {
      test(title, () => run(kind, body, options), SECONDS);
    } else {
      test.skip(title, `${kind} not installed`);
    }
  }
}

async function run(
  kind: BrowserKind,
  body: (fixture: BrowserFixture) => Promise<void>,
  { env = {}, ...launch }: FixtureOptions,
): Promise<void> {
  const servers: RunningServer[] = [];
  const startAnother = async (more: Record<string, string> = {}): Promise<RunningServer> => {
    const server = await startServer({ EVENTS_INTERVAL_MS: '50', ...env, ...more });
    servers.push(server);
    return server;
  };
  const server = await startAnother();
  const gateway = await startClientGateway(server.port);
  const browser = await launchBrowser(kind, launch);
  let opened = 0;
  const open = (user: string): Promise<ClientPage> =>
    openClientPage(browser, gateway, { user, tone: TONES[opened++ % TONES.length]! });
  try {
    await body({ browser, gateway, server, startAnother, open });
  } finally {
    await browser.close();
    await gateway.close();
    for (const one of servers) one.process.kill('SIGKILL');
  }
}
