/** The shipped client in a page of another origin than the shipped proxies, whose API it uses with a token. */
import { is, ok } from 'uvu/assert';
import { type BrowserKind, browserAvailable, launchBrowser } from '../support/browsers.ts';
import { type ClientPage, openClientPage, startClientGateway } from '../support/client-page.ts';
import { hearsExactly, TONES } from '../support/page.ts';
import { type ProxiedServer, send, withProxy } from '../support/proxied-server.ts';
import { behindProxies, type Limit } from '../support/proxies.ts';
import { scenarios } from '../support/scenario.ts';

const test = scenarios('proxy origin');
const SECONDS = 90;
const BROWSERS: readonly BrowserKind[] = ['chromium', 'firefox'];

interface Foreign extends ProxiedServer {
  open(user: string): Promise<ClientPage>;
}

/** Adds a scenario for each proxy and browser. Another port is another origin. */
function fromElsewhere(name: string, body: (foreign: Foreign) => Promise<void>, limit?: Limit): void {
  for (const browserKind of BROWSERS) {
    const title = `${browserKind}: ${name}`;
    if (!browserAvailable(browserKind) && process.env['REQUIRE_BROWSERS'] !== '1') {
      test.skip(title, `${browserKind} not installed`);
      continue;
    }
    const scenario = async (proxied: ProxiedServer): Promise<void> => {
      const gateway = await startClientGateway(proxied.server.port);
      const browser = await launchBrowser(browserKind);
      let opened = 0;
      const open = (user: string): Promise<ClientPage> =>
        openClientPage(browser, gateway, { user, tone: TONES[opened++]! });
      try {
        await body({ ...proxied, open });
      } finally {
        await browser.close();
        await gateway.close();
      }
    };
    behindProxies(test, title, (kind) => withProxy(kind, scenario, {}, limit), SECONDS);
  }
}

fromElsewhere('with a token everything works, and refusals can be read', async ({ proxy, auth, open }) => {
  const [ann, bob] = [await open('ann'), await open('bob')];
  for (const [page, user] of [
    [ann, 'ann'],
    [bob, 'bob'],
  ] as const) {
    is(await page.start({ url: proxy.url, token: await auth.token(user), conversation: 'attic' }), null);
  }
  await Promise.all([hearsExactly(ann, [bob.tone]), hearsExactly(bob, [ann.tone])]);
  is(await ann.call('join', 'cellar'), null);
  await bob.until('client.total === 1');
  is(await ann.call('leave'), null);

  const eve = await open('eve');
  const expired = await eve.start({ url: proxy.url, token: await auth.token('eve', -1), microphone: false });
  is(expired?.code, 'unauthorized', JSON.stringify(expired));
  is(expired?.status, 401);
});

fromElsewhere(
  'too many requests mean to try later, when the proxy says so',
  async ({ proxy, auth, open }) => {
    const ann = await open('ann');
    const token = await auth.token('ann');
    while ((await send(proxy, 'POST', '/join/x')).status !== 429);
    is(await ann.start({ url: proxy.url, token, conversation: 'attic', connectTimeout: 90_000 }), null);
    const retries = (await ann.events()).filter(({ name }) => name === 'retry').map(({ value }) => value);
    ok(retries.length > 0 && retries.length < 10, `${retries.length}`);
    is(retries[0].error.status, 429, JSON.stringify(retries[0]));
    ok(retries[0].delay >= 1000, `${retries[0].delay}`);
  },
  { perMinute: 30, burst: 2 },
);

test.run();
