import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { is, match, ok, throws } from 'uvu/assert';
import {
  type Browser,
  type BrowserKind,
  browserAvailable,
  launchBrowser,
  outwardAddress,
} from '../support/browsers.ts';
import { startGateway } from '../support/gateway.ts';
import { hearsExactly, openExamplePage, openVoicePage, type Shape, TONES, type VoicePage } from '../support/page.ts';
import { scenarios } from '../support/scenario.ts';
import { startServer } from '../support/server.ts';

const test = scenarios('browsers');

const [A, B, C, D] = TONES;

/** Time limit, seconds: browsers are slow to start when the machine is busy. */
const SECONDS = 100;

const running = new Map<BrowserKind, Promise<Browser>>();

/** Returns the browser of a kind, which is started when it is first needed. */
function browserOf(kind: BrowserKind): Promise<Browser> {
  const browser = running.get(kind) ?? launchBrowser(kind);
  running.set(kind, browser);
  return browser;
}

/** Returns the reason for which a scenario cannot run here, if there is one. */
function hindrance(kinds: BrowserKind[]): string | undefined {
  const missing = kinds.filter((kind) => !browserAvailable(kind));
  if (missing.length > 0) return `${missing.join(' and ')} not installed`;
  if (kinds.includes('firefox') && !outwardAddress()) return 'Firefox gathers no loopback candidates';
  return undefined;
}

/** Adds a scenario that needs browsers. Where it cannot run, it is skipped, or fails if REQUIRE_BROWSERS is 1. */
function scenario(kinds: BrowserKind[], name: string, body: () => Promise<void>, hindered = hindrance(kinds)): void {
  if (!hindered) test(name, body, SECONDS);
  else if (process.env['REQUIRE_BROWSERS'] !== '1') test.skip(name, hindered);
  else {
    test(name, () => {
      throw new Error(`${hindered}, and REQUIRE_BROWSERS is set`);
    });
  }
}

interface Fixture {
  /** Opens a page for a new user with this tone. */
  openPage(browser: Browser, tone: number, open?: typeof openVoicePage): Promise<VoicePage>;
}

/** Runs `body` with a server and a gateway. */
async function withServer(body: (fixture: Fixture) => Promise<void>, env: Record<string, string> = {}): Promise<void> {
  const server = await startServer({ STATS_INTERVAL_MS: '500', ...env });
  const gateway = await startGateway(server.port);
  const pages: VoicePage[] = [];
  const openPage: Fixture['openPage'] = async (browser, tone, open = openVoicePage) => {
    const page = await open(browser, gateway, { user: `${browser.kind}-${tone}`, tone });
    pages.push(page);
    return page;
  };
  try {
    await body({ openPage });
  } catch (error) {
    // The server's own drops are the first thing to look at.
    console.log(server.logs.findLast((line) => line.includes('"msg":"stats"')));
    throw error;
  } finally {
    await Promise.allSettled(pages.map((page) => page.close()));
    await gateway.close();
    await server.stop();
  }
}

/** Lets a page join a conversation. */
async function join(person: VoicePage, conversation: string): Promise<void> {
  const { status, body } = await person.join(conversation);
  is(`${status} [${body}]`, '200 []');
}

/** Connects all pages, checks how signalling ended, and lets them join the conversation. */
async function enter(pages: VoicePage[], conversation: string, shape: Shape): Promise<void> {
  await Promise.all(
    pages.map(async (person) => {
      const { code } = await person.connect(shape);
      is(code, 1000, `${person.token}: the server closes the websocket normally`);
      await join(person, conversation);
    }),
  );
}

/** Checks that each page hears exactly the others. */
async function hearOneAnother(pages: VoicePage[], strangers: VoicePage[] = []): Promise<void> {
  const tones = pages.map(({ tone }) => tone);
  const never = strangers.map(({ tone }) => tone);
  await Promise.all(
    pages.map((person) =>
      hearsExactly(
        person,
        tones.filter((tone) => tone !== person.tone),
        { never },
      ),
    ),
  );
}

/**
 * Returns the number of datagrams that the kernel has dropped because a process read too slowly, where it reports it.
 */
function datagramsDropped(): number {
  if (!existsSync('/proc/net/snmp')) return 0;
  const [names, values] = readFileSync('/proc/net/snmp', 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('Udp:'))
    .map((line) => line.split(' '));
  return Number(values?.[names?.indexOf('RcvbufErrors') ?? -1] ?? 0);
}

/**
 * Checks that a page sent packets and received some on this many slots, and that none was missing.
 *
 * @param before datagrams that the kernel had dropped before. What it drops on an overloaded machine is no fault of
 *   the server's.
 */
async function receivedAll(person: VoicePage, slots: number, before: number): Promise<void> {
  const { connectionState, packetsSent, inbound } = await person.stats();
  is(connectionState, 'connected');
  ok(packetsSent > 50, `${person.token} sent ${packetsSent} packets`);
  const used = Object.values(inbound).filter(({ packetsReceived }) => packetsReceived > 0);
  is(used.length, slots, `${person.token}: slots in use in ${JSON.stringify(inbound)}`);
  const excused = datagramsDropped() - before;
  for (const { packetsLost } of used) {
    ok(packetsLost <= excused, `${person.token}, ${excused} lost in the kernel: ${JSON.stringify(inbound)}`);
  }
}

async function shareOneRoom(kinds: BrowserKind[], shape: Shape): Promise<void> {
  await withServer(async ({ openPage }) => {
    const dropped = datagramsDropped();
    const pages = await Promise.all(kinds.map(async (kind, i) => openPage(await browserOf(kind), TONES[i]!)));
    await enter(pages, 'kitchen', shape);
    await hearOneAnother(pages);
    await Promise.all(pages.map((person) => receivedAll(person, kinds.length - 1, dropped)));
  });
}

/**
 * Checks that each speaker has one number for all listeners and that numbers differ: pages show by them who is in a
 * slot.
 */
async function knowTheSpeakers(kind: BrowserKind): Promise<void> {
  await withServer(async ({ openPage }) => {
    const browser = await browserOf(kind);
    const pages = await Promise.all([openPage(browser, A), openPage(browser, B), openPage(browser, C)]);
    await enter(pages, 'kitchen', { slots: 2 });
    await hearOneAnother(pages);
    const seen = await Promise.all(pages.map(async (person) => Object.values(await person.csrcs()).flat()));
    const report = JSON.stringify(seen);
    for (const numbers of seen) is(new Set(numbers).size, 2, report);
    is(new Set(seen.flat()).size, 3, report);
    is(new Set(seen.map((numbers) => numbers.sort().join())).size, 3, report);
  });
}

async function moveBetweenRooms(kind: BrowserKind): Promise<void> {
  await withServer(async ({ openPage }) => {
    const browser = await browserOf(kind);
    const [ann, ben, cat, dan] = await Promise.all([
      openPage(browser, A),
      openPage(browser, B),
      openPage(browser, C),
      openPage(browser, D),
    ]);
    await Promise.all([enter([ann, ben], 'kitchen', { slots: 3 }), enter([cat, dan], 'garden', { slots: 3 })]);
    await Promise.all([hearOneAnother([ann, ben], [cat, dan]), hearOneAnother([cat, dan], [ann, ben])]);
    await join(ben, 'garden');
    await Promise.all([hearsExactly(ann, [], { never: [cat.tone, dan.tone] }), hearOneAnother([ben, cat, dan])]);
    is((await dan.leave('garden')).status, 200);
    await Promise.all([
      hearOneAnother([ben, cat], [ann]),
      hearsExactly(dan, [], { never: [ann.tone] }),
      hearsExactly(ann, []),
    ]);
  });
}

/** Checks larger packets, which an operator may choose: half as many are sent, and they are heard as well. */
async function sendLargerPackets(kind: BrowserKind): Promise<void> {
  await withServer(
    async ({ openPage }) => {
      const browser = await browserOf(kind);
      const pages = await Promise.all([openPage(browser, A), openPage(browser, B)]);
      await enter(pages, 'kitchen', {});
      await hearOneAnother(pages);
      const begun = performance.now();
      const before = (await pages[0]!.stats()).packetsSent;
      await hearOneAnother(pages);
      const sent = (await pages[0]!.stats()).packetsSent - before;
      const perSecond = (sent * 1000) / (performance.now() - begun);
      ok(perSecond > 15 && perSecond < 35, `${perSecond} packets a second where 25 were asked for`);
    },
    { PTIME_MS: '40' },
  );
}

async function connectAgain(kind: BrowserKind): Promise<void> {
  await withServer(async ({ openPage }) => {
    const browser = await browserOf(kind);
    const pages = await Promise.all([openPage(browser, A), openPage(browser, B)]);
    await enter(pages, 'kitchen', { slots: 2 });
    await hearOneAnother(pages);
    await pages[0]!.connect({ slots: 2 });
    await hearOneAnother(pages);
  });
}

/**
 * The server listens on an outward address here, because Firefox never sends from an outward address to loopback, and
 * the server does not learn Firefox's address from its offer.
 */
async function hideAddresses(kind: BrowserKind): Promise<void> {
  const browser = await launchBrowser(kind, { mdns: true });
  try {
    await withServer(
      async ({ openPage }) => {
        const pages = await Promise.all([openPage(browser, A), openPage(browser, B)]);
        const addresses = [...(await pages[0]!.offer()).matchAll(/^a=candidate:\S+ 1 \S+ \d+ (\S+)/gm)];
        ok(addresses.length > 0 && addresses.every(([, address]) => address?.endsWith('.local')), addresses.join());
        await enter(pages, 'kitchen', {});
        await hearOneAnother(pages);
      },
      { MEDIA_BIND: outwardAddress() ?? '' },
    );
  } finally {
    await browser.close();
  }
}

async function followExample(kind: BrowserKind): Promise<void> {
  await withServer(async ({ openPage }) => {
    const browser = await browserOf(kind);
    const dropped = datagramsDropped();
    const pages = await Promise.all([openPage(browser, A, openExamplePage), openPage(browser, B, openExamplePage)]);
    for (const person of pages) {
      const { code, streams } = await person.established();
      is(code, 1000);
      is(streams, 1, 'the received track comes in a stream');
      await join(person, 'kitchen');
    }
    await hearOneAnother(pages);
    await Promise.all(pages.map((person) => receivedAll(person, 1, dropped)));
  });
}

/** Tests the tone detector without a server: it must be able to fail. */
async function tellTonesApart(kind: BrowserKind): Promise<void> {
  const complaint = (promise: Promise<void>): Promise<string> =>
    promise.then(
      () => 'none',
      ({ message }: Error) => message,
    );
  const gateway = await startGateway(0);
  const page = await openVoicePage(await browserOf(kind), gateway, { user: 'echo', tone: B });
  try {
    await page.loopback();
    match(await complaint(hearsExactly(page, [B], { seconds: 60 })), 'must never hear', 'its own tone');
    const { heard, unclear, levels } = await page.hear();
    is(heard.join(), String(B), JSON.stringify(levels));
    is(unclear.length, 0, JSON.stringify(levels));
    await page.mute(true);
    // Sound that was under way when the page muted is still played, for seconds on a loaded machine; its tone is
    // forbidden only after that.
    const deadline = Date.now() + 60_000;
    while ((await page.hear()).heard.length > 0) ok(Date.now() < deadline, 'its tone ends');
    await hearsExactly(page, [], { never: [], seconds: 60 });
    match(await complaint(hearsExactly(page, [A], { seconds: 1 })), 'should hear', 'a tone that is not there');
  } finally {
    await page.close();
    await gateway.close();
  }
}

test('the gateway writes the claim, whatever the client says', async () => {
  const upstream = createServer(({ headers, rawHeaders }, res) => {
    const count = rawHeaders.filter((name) => name.toLowerCase() === 'x-user-claim').length;
    res.end(`${count} ${headers['x-user-claim']}`);
  });
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  const gateway = await startGateway((upstream.address() as AddressInfo).port);
  const headers = { 'X-User-Claim': '{"userid":"mallory","clientid":"x"}' };
  try {
    const answer = await fetch(`${gateway.url}/join/kitchen?token=ann.phone`, { headers });
    is(await answer.text(), '1 {"userid":"ann","clientid":"phone"}');
    const bearer = await fetch(`${gateway.url}/join/kitchen`, {
      headers: { ...headers, Authorization: 'Bearer ben.tv' },
    });
    is(await bearer.text(), '1 {"userid":"ben","clientid":"tv"}');
    is((await fetch(`${gateway.url}/join/kitchen`, { headers })).status, 401);
  } finally {
    await gateway.close();
    upstream.close();
  }
});

for (const kind of ['chromium', 'firefox'] as const) {
  const four = [kind, kind, kind, kind];
  scenario([kind], `${kind}: after Opus with DTX a tone is heard as itself and as no other`, () =>
    tellTonesApart(kind),
  );
  scenario([kind], `${kind}: three pages with two slots hear exactly the other two`, () =>
    shareOneRoom([kind, kind, kind], { slots: 2 }),
  );
  scenario([kind], `${kind}: four pages with three slots hear exactly the other three`, () =>
    shareOneRoom(four, { slots: 3 }),
  );
  scenario(
    [kind],
    `${kind}: nobody hears another conversation, and a client that moves is heard there and no longer here`,
    () => moveBetweenRooms(kind),
  );
  scenario([kind], `${kind}: the contributing source says which speaker is in a slot`, () => knowTheSpeakers(kind));
  scenario([kind], `${kind}: packets of 40 ms are sent where PTIME_MS asks for them`, () => sendLargerPackets(kind));
  scenario([kind], `${kind}: a client that connects again is still in the conversation`, () => connectAgain(kind));
  scenario(
    [kind],
    `${kind}: addresses hidden behind mDNS names do not matter`,
    () => hideAddresses(kind),
    hindrance([kind]) ?? (outwardAddress() ? undefined : 'mDNS needs a network'),
  );
  scenario([kind], `${kind}: the example of the README works as it stands`, () => followExample(kind));
}

scenario(['chromium', 'firefox'], 'Chromium and Firefox, whose Opus payload types differ, hear each other', () =>
  shareOneRoom(['chromium', 'firefox', 'chromium', 'firefox'], { slots: 3 }),
);

test('the browsers close and leave no process behind', async () => {
  for (const browser of running.values()) {
    const { pid, close } = await browser;
    await close();
    throws(() => process.kill(pid, 0), 'ESRCH');
  }
});

test.run();
