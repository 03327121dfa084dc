/**
 * The original README's client opens its websocket, asks for the microphone, and makes its offer once its candidates
 * are gathered. That takes as long as the user and the STUN servers take.
 */
import { is, ok } from 'uvu/assert';
import {
  type Browser,
  type BrowserKind,
  browserAvailable,
  launchBrowser,
  outwardAddress,
} from '../support/browsers.ts';
import { startGateway } from '../support/gateway.ts';
import { hearsExactly, openExamplePage, TONES, type VoicePage } from '../support/page.ts';
import { send, withProxy } from '../support/proxied-server.ts';
import { behindProxies, type ProxyKind, proxyProgram } from '../support/proxies.ts';
import { scenarios } from '../support/scenario.ts';
import { startServer } from '../support/server.ts';
import { startStunServer } from '../support/stun-server.ts';

const test = scenarios('browser-late-offer');
const SECONDS = 180;
/** Longer than an earlier default of `OFFER_TIMEOUT_MS`, 10 s. */
const LATE_MS = 12_000;
/** Longer than most proxies allow a websocket to be silent. */
const VERY_LATE_MS = 70_000;
const KINDS: readonly BrowserKind[] = ['chromium', 'firefox'];
const [A, B] = TONES;

/** Checks that a page connected, and made its offer no earlier than `after` milliseconds. */
async function connected(page: VoicePage, after: number): Promise<void> {
  const { code, reason, offerAfter } = await page.established();
  console.log(`${page.token}: the offer came after ${Math.round(offerAfter)} ms`);
  is(code, 1000, `${page.token}: ${reason}`);
  ok(offerAfter >= after, `${page.token}: ${offerAfter} ms`);
}

const browsers = new Map<BrowserKind, Promise<Browser>>();

function browserOf(kind: BrowserKind): Promise<Browser> {
  const browser = browsers.get(kind) ?? launchBrowser(kind);
  browsers.set(kind, browser);
  return browser;
}

/** The scenarios' bodies by name. They wait most of the time, so all of them begin with the first one. */
const works = new Map<string, () => Promise<void>>();
let begun: Map<string, Promise<unknown>> | undefined;

/** Waits for the body of a scenario. */
async function done(name: string): Promise<void> {
  begun ??= new Map(
    [...works].map(([one, work]) => [
      one,
      work().then(
        () => null,
        (error: unknown) => error,
      ),
    ]),
  );
  const error = await begun.get(name);
  if (error !== null) throw error;
}

for (const kind of KINDS) {
  const name = `${kind}: a late permission and a STUN server that does not answer keep nobody out`;
  const hindered = !browserAvailable(kind) || (kind === 'firefox' && outwardAddress() === undefined);
  if (hindered && process.env['REQUIRE_BROWSERS'] !== '1') test.skip(name, `${kind} does not run here`);
  else {
    works.set(name, () => late(kind));
    test(name, () => done(name), SECONDS);
  }
}

async function late(kind: BrowserKind): Promise<void> {
  const [server, stun] = await Promise.all([startServer(), startStunServer(null, outwardAddress())]);
  const gateway = await startGateway(server.port);
  try {
    const browser = await browserOf(kind);
    const permission = { user: `${kind}-permission`, tone: A };
    const silence = { user: `${kind}-stun`, tone: B };
    const pages = await Promise.all([
      openExamplePage(browser, gateway, permission, { late: LATE_MS }),
      openExamplePage(browser, gateway, silence, { stun: stun.url }),
    ]);
    await Promise.all([connected(pages[0], LATE_MS), stun.asked]);
    await connected(pages[1], 5000);
    for (const page of pages) is((await page.join('kitchen')).status, 200);
    await Promise.all([hearsExactly(pages[0], [B]), hearsExactly(pages[1], [A])]);
    for (const page of pages) await page.close();
  } finally {
    await gateway.close();
    await server.stop();
    stun.close();
  }
}

for (const kind of ['nginx', 'traefik'] as const)
  if (proxyProgram(kind) !== undefined) works.set(kind, () => veryLate(kind));
behindProxies(
  test,
  `browsers whose users take ${VERY_LATE_MS / 1000} s to allow the microphone connect and are heard`,
  done,
  SECONDS,
);

async function veryLate(proxyKind: ProxyKind): Promise<void> {
  await withProxy(proxyKind, async ({ auth, proxy }) => {
    const gateway = await startGateway(0);
    try {
      const pages = await Promise.all(
        KINDS.filter(browserAvailable).map(async (kind, i) => {
          const api = { url: proxy.url, token: await auth.token(kind) };
          const person = { user: kind, tone: TONES[i]! };
          const page = await openExamplePage(await browserOf(kind), gateway, person, { late: VERY_LATE_MS, api });
          await connected(page, VERY_LATE_MS);
          const headers = { Authorization: `Bearer ${api.token}` };
          is((await send(proxy, 'POST', '/join/kitchen', headers)).status, 200);
          return page;
        }),
      );
      const tones = pages.map(({ tone }) => tone);
      const others = (own: number): number[] => tones.filter((tone) => tone !== own);
      await Promise.all(pages.map((page) => hearsExactly(page, others(page.tone))));
    } finally {
      await gateway.close();
    }
  });
}

test('the browsers close', async () => {
  for (const browser of browsers.values()) await (await browser).close();
});

test.run();
