/** A server, a gateway and a browser for the client's own tests. */
import { type Browser, type BrowserKind, browserAvailable, type LaunchOptions, launchBrowser } from './browsers.ts';
import { type ClientPage, openClientPage, startClientGateway } from './client-page.ts';
import type { Gateway } from './gateway.ts';
import { TONES } from './page.ts';
import type { Scenarios } from './scenario.ts';
import { type RunningServer, startServer } from './server.ts';

const SECONDS = 150;

export interface Stage {
  readonly browser: Browser;
  readonly gateway: Gateway;
  /** The one that the gateway leads to first. */
  readonly server: RunningServer;
  /** Another one, which ends with the stage. */
  another(env?: Record<string, string>): Promise<RunningServer>;
  /** A page for a user, each with another tone. */
  open(user: string): Promise<ClientPage>;
}

export interface StageOptions extends LaunchOptions {
  readonly env?: Record<string, string>;
}

/** Adds a scenario for each of these browsers, with servers and a browser of its own. */
export function onStage(
  test: Scenarios,
  kinds: readonly BrowserKind[],
  name: string,
  body: (stage: Stage) => Promise<void>,
  options: StageOptions = {},
): void {
  for (const kind of kinds) {
    const title = `${kind}: ${name}`;
    if (browserAvailable(kind) || process.env['REQUIRE_BROWSERS'] === '1') {
      test(title, () => perform(kind, body, options), SECONDS);
    } else {
      test.skip(title, `${kind} not installed`);
    }
  }
}

async function perform(
  kind: BrowserKind,
  body: (stage: Stage) => Promise<void>,
  { env = {}, ...launch }: StageOptions,
): Promise<void> {
  const servers: RunningServer[] = [];
  const another = async (more: Record<string, string> = {}): Promise<RunningServer> => {
    const server = await startServer({ EVENTS_INTERVAL_MS: '50', ...env, ...more });
    servers.push(server);
    return server;
  };
  const server = await another();
  const gateway = await startClientGateway(server.port);
  const browser = await launchBrowser(kind, launch);
  let opened = 0;
  const open = (user: string): Promise<ClientPage> =>
    openClientPage(browser, gateway, { user, tone: TONES[opened++ % TONES.length]! });
  try {
    await body({ browser, gateway, server, another, open });
  } finally {
    await browser.close();
    await gateway.close();
    for (const one of servers) one.process.kill('SIGKILL');
  }
}
