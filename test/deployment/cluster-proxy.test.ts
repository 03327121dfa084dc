/** A cluster behind the shipped proxies, which send each request to the next instance. */
import { equal, is, ok } from 'uvu/assert';
import { type Browser, browserAvailable, launchBrowser } from '../support/browsers.ts';
import { ClientHost, type TestClient } from '../support/client.ts';
import { type ClientPage, openClientPage, startClientGateway } from '../support/client-page.ts';
import { Cluster, type Needs, withLogs } from '../support/cluster.ts';
import { hear, speakersIn } from '../support/hearing.ts';
import { natsPrograms } from '../support/nats.ts';
import { hearsExactly, TONES } from '../support/page.ts';
import { send } from '../support/proxied-server.ts';
import { behindProxies, type ProxyKind, type ReverseProxy, startProxy } from '../support/proxies.ts';
import { scenarios } from '../support/scenario.ts';
import { type StandIn, startStandIn } from '../support/stand-in.ts';

const test = scenarios('cluster behind proxies');
const SECONDS = 90;
/** Longest time that anybody may miss a voice in a rolling restart, milliseconds. */
const MAX_GAP_MS = 1000;

interface Deployed {
  readonly cluster: Cluster;
  readonly proxy: ReverseProxy;
  readonly auth: StandIn;
}

/** Adds a scenario for each proxy. */
function deployed(name: string, options: Needs, body: (deployed: Deployed) => Promise<void>): void {
  if (natsPrograms().length === 0 && process.env['REQUIRE_TOOLS'] !== '1') {
    return test.skip(name, 'nats-server is not installed');
  }
  behindProxies(test, name, (kind) => run(kind, options, body), SECONDS);
}

async function run(kind: ProxyKind, options: Needs, body: (deployed: Deployed) => Promise<void>): Promise<void> {
  const [cluster, auth] = await Promise.all([Cluster.start(options), startStandIn()]);
  const [server, ...others] = cluster.instances.map((instance) => instance.server.port);
  const proxy = await startProxy(kind, { server: server!, others, auth: auth.port });
  try {
    await withLogs(cluster, () => body({ cluster, proxy, auth }));
  } catch (error) {
    console.log(proxy.logs());
    throw error;
  } finally {
    await Promise.all([proxy.stop(), auth.stop()]);
    await cluster.stop();
  }
}

/** Connects and joins with a token. */
async function enter(host: ClientHost, { proxy, auth }: Deployed, userid: string): Promise<TestClient> {
  const token = await auth.token(userid);
  const client = await host.connect(proxy.url, userid, { token, slots: 6 });
  equal(client.close, { code: 1000, reason: 'connected' });
  const { status, body } = await send(proxy, 'POST', '/join/room', { Authorization: `Bearer ${token}` });
  is(status, 200, body);
  return client;
}

/** Checks that everybody hears everybody. */
async function together(people: readonly TestClient[]): Promise<void> {
  for (const client of people) {
    await client.take();
    const others = people.filter((other) => other !== client).map(({ name }) => name);
    equal(speakersIn(await hear(client, others)), others.toSorted());
  }
}

deployed(
  'six people with tokens alone are on all instances and hear each other, also when one instance has died',
  { instances: 3 },
  async (all) => {
    const host = new ClientHost();
    try {
      const people: TestClient[] = [];
      for (const name of ['ann', 'bob', 'cid', 'dan', 'eve', 'fay']) people.push(await enter(host, all, name));
      for (const client of people) await client.talk();
      await together(people);
      const on = all.cluster.instances.map(({ logs }) => logs.filter((line) => line.includes('established')).length);
      ok(Math.min(...on) > 0, `connections of each instance: ${on}`);
      const [dead] = all.cluster.instances;
      const gone = people.filter(({ name }) =>
        dead!.logs.some((line) => line.includes('established') && line.includes(`"userid":"${name}"`)),
      );
      await dead!.kill();
      // Whoever was on it comes back at once, though the proxy does not know yet that it is dead.
      const back: TestClient[] = [];
      for (const { name } of gone) {
        const client = await enter(host, all, name);
        await client.talk();
        back.push(client);
      }
      const now = [...people.filter((client) => !gone.includes(client)), ...back];
      for (const client of now) await client.knows(({ total }) => total === 6);
      await together(now);
    } finally {
      host.kill();
    }
  },
);

/** Opens a page whose client knows only the proxy and a token. */
async function openPage(
  { proxy, auth }: Deployed,
  browser: Browser,
  gateway: Parameters<typeof openClientPage>[1],
  user: string,
  tone: number,
): Promise<ClientPage> {
  const page = await openClientPage(browser, gateway, { user, tone });
  is(await page.start({ url: proxy.url, token: await auth.token(user), conversation: 'room', slots: 3 }), null);
  return page;
}

if (browserAvailable('chromium') || process.env['REQUIRE_BROWSERS'] === '1') {
  deployed(
    'chromium: a plain rolling restart cuts nobody off: nobody misses a voice for a second',
    { instances: 3, env: { DRAIN_TIMEOUT_MS: '60000' } },
    async (all) => {
      const gateway = await startClientGateway(all.cluster.at(0).server.port);
      const browser = await launchBrowser('chromium');
      const users = ['ann', 'bob', 'cid'];
      try {
        const pages: ClientPage[] = [];
        for (const [i, user] of users.entries()) pages.push(await openPage(all, browser, gateway, user, TONES[i]!));
        const others = (page: ClientPage): number[] => pages.filter((one) => one !== page).map(({ tone }) => tone);
        await Promise.all(pages.map((page) => hearsExactly(page, others(page))));
        for (const page of pages) await page.watchVoices();
        for (const instance of all.cluster.instances) {
          instance.drain();
          is(await instance.server.exited, 0);
          await instance.start();
          await all.cluster.whole();
        }
        await Promise.all(pages.map((page) => hearsExactly(page, others(page))));
        for (const [i, page] of pages.entries()) {
          const pauses = await page.pauses();
          for (const user of users.toSpliced(i, 1)) ok(pauses[user]! < MAX_GAP_MS, JSON.stringify(pauses));
        }
      } finally {
        await browser.close();
        await gateway.close();
      }
    },
  );
} else test.skip('a plain rolling restart', 'chromium not installed');

test.run();
