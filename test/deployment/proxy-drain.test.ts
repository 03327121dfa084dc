/** The shipped client behind the shipped proxies, through a whole upgrade as deploy/README.md describes it. */
import { is, ok } from 'uvu/assert';
import { type Browser, type BrowserKind, browserAvailable, launchBrowser } from '../support/browsers.ts';
import { type ClientPage, openClientPage, startClientGateway } from '../support/client-page.ts';
import type { Gateway } from '../support/gateway.ts';
import { hearsExactly, TONES } from '../support/page.ts';
import { behindProxies, type ProxyKind, type ReverseProxy, startProxy } from '../support/proxies.ts';
import { scenarios } from '../support/scenario.ts';
import { type RunningServer, startServer } from '../support/server.ts';
import { type StandIn, startStandIn } from '../support/stand-in.ts';

const test = scenarios('proxy drain');
const SECONDS = 90;
/** Longest time that one user may miss another, milliseconds. */
const MAX_GAP_MS = 1000;

/** An upgrade that is about to happen. */
interface Upgrade {
  readonly blue: RunningServer;
  readonly green: RunningServer;
  readonly proxy: ReverseProxy;
  readonly auth: StandIn;
  /** Opens a page of another origin than the proxy's, whose client knows only the proxy and a token. */
  open(user: string): Promise<Person>;
}

class Person {
  readonly page: ClientPage;
  private readonly proxy: ReverseProxy;
  private readonly token: string;

  constructor(page: ClientPage, proxy: ReverseProxy, token: string) {
    this.page = page;
    this.proxy = proxy;
    this.token = token;
  }

  async enter(conversation: string): Promise<void> {
    is(await this.page.start({ url: this.proxy.url, token: this.token, conversation, slots: 3 }), null);
  }

  /** Waits until this many users are in the conversation. */
  sees(people: number): Promise<void> {
    return this.page.until(`client.state === 'connected' && client.total === ${people}`, 60);
  }
}

const BROWSERS: readonly BrowserKind[] = ['chromium', 'firefox'];

/**
 * Adds a scenario for each proxy and each of these browsers.
 *
 * @param late whether the proxy knows only the old instance at first.
 */
function upgrading(
  kinds: readonly BrowserKind[],
  name: string,
  body: (upgrade: Upgrade) => Promise<void>,
  late = false,
): void {
  for (const browser of kinds) {
    const title = `${browser}: ${name}`;
    if (browserAvailable(browser) || process.env['REQUIRE_BROWSERS'] === '1') {
      behindProxies(test, title, (kind) => perform(kind, browser, body, late), SECONDS);
    } else test.skip(title, `${browser} not installed`);
  }
}

async function perform(
  kind: ProxyKind,
  browserKind: BrowserKind,
  body: (upgrade: Upgrade) => Promise<void>,
  late: boolean,
): Promise<void> {
  const servers = await Promise.all([startServer({ DRAIN_TIMEOUT_MS: '60000' }), startServer()]);
  const auth: StandIn = await startStandIn();
  const [blue, green] = servers;
  const proxy = await startProxy(kind, { server: blue.port, ...(late ? {} : { next: green.port }), auth: auth.port });
  const gateway: Gateway = await startClientGateway(blue.port);
  const browser: Browser = await launchBrowser(browserKind);
  let opened = 0;
  const open = async (user: string): Promise<Person> => {
    const tone = TONES[opened++ % TONES.length]!;
    return new Person(await openClientPage(browser, gateway, { user, tone }), proxy, await auth.token(user));
  };
  try {
    await body({ blue, green, proxy, auth, open });
  } catch (error) {
    const logs = [...blue.logs, '--- green', ...green.logs, '--- proxy', proxy.logs()];
    throw new Error(`${error instanceof Error ? error.stack : error}\n${logs.join('\n')}`);
  } finally {
    await browser.close();
    await gateway.close();
    for (const { process } of servers) process.kill('SIGKILL');
    await Promise.all([proxy.stop(), auth.stop()]);
  }
}

const hear = (people: readonly Person[]): Promise<unknown> =>
  Promise.all(
    people.map(({ page }) =>
      hearsExactly(
        page,
        people.filter((other) => other.page !== page).map((other) => other.page.tone),
      ),
    ),
  );

async function missNobody(person: Person, userids: readonly string[]): Promise<void> {
  const pauses = await person.page.pauses();
  for (const userid of userids) {
    const pause = pauses[userid];
    ok(pause !== undefined && pause < MAX_GAP_MS, `${person.page.token}: ${JSON.stringify(pauses)}`);
  }
}

upgrading(
  BROWSERS,
  'people who talk and people alone move on, newcomers join them, and nobody is missed',
  async (upgrade) => {
    const { blue, green, open } = upgrade;
    const [ann, bob, sol] = [await open('ann'), await open('bob'), await open('sol')];
    await Promise.all([ann.enter('room'), bob.enter('room'), sol.enter('attic')]);
    const [cid, dan] = [await open('cid'), await open('dan')];
    await hear([ann, bob]);
    await Promise.all([ann.page.watchVoices(), bob.page.watchVoices()]);
    blue.process.kill('SIGTERM');
    await blue.logged('"msg":"draining');
    await Promise.all([cid.enter('room'), dan.enter('attic')]);
    is(await blue.exited, 0);
    await Promise.all([...[ann, bob, cid].map((one) => one.sees(3)), ...[sol, dan].map((one) => one.sees(2))]);
    await missNobody(ann, ['bob']);
    await missNobody(bob, ['ann']);
    await hear([ann, bob, cid]);
    await hear([sol, dan]);
    for (const { page } of [ann, bob, sol]) {
      const states = (await page.events()).filter(({ name }) => name === 'state').map(({ value }) => value.state);
      ok(!states.includes('reconnecting'), states.join());
    }
    for (const line of blue.logs) ok(!/"(cid|dan)"/.test(line), 'newcomers do not come to the old one');
    is(green.process.exitCode, null);
  },
);

upgrading(
  ['chromium'],
  'clients that join, leave or reconnect meanwhile are where they wanted to be, and the others stay together',
  async ({ blue, open }) => {
    const [ann, bob, cid, dan] = [await open('ann'), await open('bob'), await open('cid'), await open('dan')];
    for (const one of [ann, bob, cid, dan]) await one.enter('room');
    await ann.sees(4);
    blue.process.kill('SIGTERM');
    const told = "events.some(({ name }) => name === 'draining')";
    const walk = async (): Promise<void> => {
      await ann.page.until(told);
      for (const room of ['cellar', 'tower']) is(await ann.page.call('join', room), null, room);
      const [overtaken, last] = await Promise.all([ann.page.call('join', 'attic'), ann.page.call('join', 'hall')]);
      is(overtaken?.code ?? 'superseded', 'superseded');
      is(last, null);
    };
    const go = async (): Promise<void> => {
      await bob.page.until(told);
      is(await bob.page.call('leave'), null);
    };
    const again = async (): Promise<void> => {
      await cid.page.until(told);
      is(await cid.page.call('reconnect'), null);
    };
    await Promise.all([walk(), go(), again()]);
    is(await blue.exited, 0);
    await ann.page.until("client.state === 'connected' && client.conversation === 'hall' && client.total === 1", 60);
    await bob.page.until("client.state === 'connected' && client.conversation === null && client.total === 0", 60);
    await Promise.all([cid.sees(2), dan.sees(2)]);
    await hear([cid, dan]);
  },
);

for (const [what, signal] of [
  ['is killed', 'SIGKILL'],
  ['is told a second time to end', 'SIGTERM'],
] as const) {
  upgrading(['chromium'], `everybody is back where the old one ${what} in the middle of it`, async ({ blue, open }) => {
    const [ann, bob, sol] = [await open('ann'), await open('bob'), await open('sol')];
    await Promise.all([ann.enter('room'), bob.enter('room'), sol.enter('attic')]);
    await Promise.all([ann.sees(2), bob.sees(2)]);
    blue.process.kill('SIGTERM');
    await ann.page.until("events.some(({ name }) => name === 'draining')");
    blue.process.kill(signal);
    await blue.exited;
    await Promise.all([ann.sees(2), bob.sees(2), sol.sees(1)]);
    await hear([ann, bob]);
  });
}

upgrading(
  ['chromium'],
  'a client that waits for one that does not move is not left in silence when the old instance ends',
  async ({ blue, green, open }) => {
    const [ann, bob] = [await open('ann'), await open('bob')];
    await Promise.all([ann.enter('room'), bob.enter('room')]);
    await Promise.all([ann.sees(2), bob.sees(2)]);
    // Bob's offers are lost from now on.
    await bob.page.evaluate('void (WebSocket.prototype.send = () => undefined)');
    blue.process.kill('SIGTERM');
    await green.logged('"joined"', '"ann"');
    blue.process.kill('SIGTERM');
    await blue.exited;
    const ended = Date.now();
    await ann.page.until("client.state === 'connected' && client.total === 1");
    ok(Date.now() - ended < 3000, `${Date.now() - ended} ms`);
  },
);

upgrading(
  ['chromium'],
  'people talk on while the proxy does not know the next instance, move once it does, and stay when the old one is removed',
  async ({ blue, green, proxy, auth, open }) => {
    const [ann, bob] = [await open('ann'), await open('bob')];
    await Promise.all([ann.enter('room'), bob.enter('room')]);
    await Promise.all([ann.sees(2), bob.sees(2)]);
    blue.process.kill('SIGTERM');
    for (const { page } of [ann, bob]) await page.until("events.some(({ name }) => name === 'retry')");
    await Promise.all([ann.page.watchVoices(), bob.page.watchVoices()]);
    await hear([ann, bob]);
    is(blue.process.exitCode, null);
    proxy.lead({ server: blue.port, next: green.port, auth: auth.port });
    is(await blue.exited, 0);
    await Promise.all([ann.sees(2), bob.sees(2)]);
    await missNobody(ann, ['bob']);
    await missNobody(bob, ['ann']);
    proxy.lead({ server: green.port, auth: auth.port });
    const cid = await open('cid');
    await cid.enter('room');
    await hear([ann, bob, cid]);
  },
  true,
);

test.run();
