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

/** Browsers are slow to start when the machine is busy. Seconds. */
const SECONDS = 100;

const running = new Map<BrowserKind, Promise<Browser>>();

/** The one browser of each kind, started when it is first needed. */
function browserOf(kind: BrowserKind): Promise<Browser> {
  const browser = running.get(kind) ?? launchBrowser(kind);
  running.set(kind, browser);
  return browser;
}

/** What keeps a scenario from running here, if anything does. */
function hindrance(kinds: BrowserKind[]): string | undefined {
  const missing = kinds.filter((kind) => !browserAvailable(kind));
  if (missing.length > 0) return `${missing.join(' and ')} not installed`;
  if (kinds.includes('firefox') && !outwardAddress()) return 'Firefox gathers no loopback candidates';
  return undefined;
}

/** A scenario that needs browsers: skipped where it cannot run, unless REQUIRE_BROWSERS says that it must. */
function scenario(kinds: BrowserKind[], name: string, body: () => Promise<void>, hindered = hindrance(kinds)): void {
  if (!hindered) test(name, body, SECONDS);
  else if (process.env['REQUIRE_BROWSERS'] !== '1') test.skip(name, hindered);
  else {
    test(name, () => {
      throw new Error(`${hindered}, and REQUIRE_BROWSERS is set`);
    });
  }
}

interface House {
  /** Opens a page for a new person who sings this tone. */
  visit(browser: Browser, tone: number, open?: typeof openVoicePage): Promise<VoicePage>;
}

/** A server with its gateway, for as long as `body` runs. */
async function inHouse(body: (house: House) => Promise<void>, env: Record<string, string> = {}): Promise<void> {
  const server = await startServer({ STATS_INTERVAL_MS: '500', ...env });
  const gateway = await startGateway(server.port);
  const pages: VoicePage[] = [];
  const visit: House['visit'] = async (browser, tone, open = openVoicePage) => {
    const page = await open(browser, gateway, { user: `${browser.kind}-${tone}`, tone });
    pages.push(page);
    return page;
  };
  try {
    await body({ visit });
  } catch (error) {
    // What the server itself dropped, and why, is the first thing to know.
    console.log(server.logs.findLast((line) => line.includes('"msg":"stats"')));
    throw error;
  } finally {
    await Promise.allSettled(pages.map((page) => page.close()));
    await gateway.close();
    await server.stop();
  }
}

/** Lets a person into a conversation. */
async function join(person: VoicePage, conversation: string): Promise<void> {
  const { status, body } = await person.join(conversation);
  is(`${status} [${body}]`, '200 []');
}

/** Connects everybody, checks how signalling ended, and lets them into the conversation. */
async function enter(people: VoicePage[], conversation: string, shape: Shape): Promise<void> {
  await Promise.all(
    people.map(async (person) => {
      const { code } = await person.connect(shape);
      is(code, 1000, `${person.token}: the server closes the websocket normally`);
      await join(person, conversation);
    }),
  );
}

/** Everybody hears exactly the others. */
async function hearOneAnother(people: VoicePage[], strangers: VoicePage[] = []): Promise<void> {
  const tones = people.map(({ tone }) => tone);
  const never = strangers.map(({ tone }) => tone);
  await Promise.all(
    people.map((person) =>
      hearsExactly(
        person,
        tones.filter((tone) => tone !== person.tone),
        { never },
      ),
    ),
  );
}

/** Datagrams that the kernel threw away so far because somebody was too slow to read them, where it says. */
function datagramsDropped(): number {
  if (!existsSync('/proc/net/snmp')) return 0;
  const [names, values] = readFileSync('/proc/net/snmp', 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('Udp:'))
    .map((line) => line.split(' '));
  return Number(values?.[names?.indexOf('RcvbufErrors') ?? -1] ?? 0);
}

/**
 * Packets went out and came in on so many slots, and none was missing.
 *
 * @param before datagrams that the kernel had dropped when the people came. What it drops on an overloaded machine is no
 *   fault of the server's.
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
  await inHouse(async ({ visit }) => {
    const dropped = datagramsDropped();
    const people = await Promise.all(kinds.map(async (kind, i) => visit(await browserOf(kind), TONES[i]!)));
    await enter(people, 'kitchen', shape);
    await hearOneAnother(people);
    await Promise.all(people.map((person) => receivedAll(person, kinds.length - 1, dropped)));
  });
}

/** A speaker's number is the same to everybody, and another's is another: pages show by it who is in which slot. */
async function knowTheSpeakers(kind: BrowserKind): Promise<void> {
  await inHouse(async ({ visit }) => {
    const browser = await browserOf(kind);
    const people = await Promise.all([visit(browser, A), visit(browser, B), visit(browser, C)]);
    await enter(people, 'kitchen', { slots: 2 });
    await hearOneAnother(people);
    const seen = await Promise.all(people.map(async (person) => Object.values(await person.csrcs()).flat()));
    const report = JSON.stringify(seen);
    for (const numbers of seen) is(new Set(numbers).size, 2, report);
    is(new Set(seen.flat()).size, 3, report);
    is(new Set(seen.map((numbers) => numbers.sort().join())).size, 3, report);
  });
}

async function moveBetweenRooms(kind: BrowserKind): Promise<void> {
  await inHouse(async ({ visit }) => {
    const browser = await browserOf(kind);
    const [ann, ben, cat, dan] = await Promise.all([
      visit(browser, A),
      visit(browser, B),
      visit(browser, C),
      visit(browser, D),
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

/** Larger packets where an operator wants them: half as many are sent, and they are heard as well. */
async function sendLargerPackets(kind: BrowserKind): Promise<void> {
  await inHouse(
    async ({ visit }) => {
      const browser = await browserOf(kind);
      const people = await Promise.all([visit(browser, A), visit(browser, B)]);
      await enter(people, 'kitchen', {});
      await hearOneAnother(people);
      const begun = performance.now();
      const before = (await people[0]!.stats()).packetsSent;
      await hearOneAnother(people);
      const sent = (await people[0]!.stats()).packetsSent - before;
      const perSecond = (sent * 1000) / (performance.now() - begun);
      ok(perSecond > 15 && perSecond < 35, `${perSecond} packets a second where 25 were asked for`);
    },
    { PTIME_MS: '40' },
  );
}

async function connectAgain(kind: BrowserKind): Promise<void> {
  await inHouse(async ({ visit }) => {
    const browser = await browserOf(kind);
    const people = await Promise.all([visit(browser, A), visit(browser, B)]);
    await enter(people, 'kitchen', { slots: 2 });
    await hearOneAnother(people);
    await people[0]!.connect({ slots: 2 });
    await hearOneAnother(people);
  });
}

/**
 * The server listens on an outward address here: Firefox never sends from such a one to a loopback one, and the server does
 * not learn Firefox's address from its offer.
 */
async function hideAddresses(kind: BrowserKind): Promise<void> {
  const browser = await launchBrowser(kind, { mdns: true });
  try {
    await inHouse(
      async ({ visit }) => {
        const people = await Promise.all([visit(browser, A), visit(browser, B)]);
        const addresses = [...(await people[0]!.offer()).matchAll(/^a=candidate:\S+ 1 \S+ \d+ (\S+)/gm)];
        ok(addresses.length > 0 && addresses.every(([, address]) => address?.endsWith('.local')), addresses.join());
        await enter(people, 'kitchen', {});
        await hearOneAnother(people);
      },
      { MEDIA_BIND: outwardAddress() ?? '' },
    );
  } finally {
    await browser.close();
  }
}

async function followExample(kind: BrowserKind): Promise<void> {
  await inHouse(async ({ visit }) => {
    const browser = await browserOf(kind);
    const dropped = datagramsDropped();
    const people = await Promise.all([visit(browser, A, openExamplePage), visit(browser, B, openExamplePage)]);
    for (const person of people) {
      const { code, streams } = await person.established();
      is(code, 1000);
      is(streams, 1, 'the received track comes in a stream');
      await join(person, 'kitchen');
    }
    await hearOneAnother(people);
    await Promise.all(people.map((person) => receivedAll(person, 1, dropped)));
  });
}

/** The detector on its own, without a server: it must be able to fail. */
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
    // What was under way when it muted is still played, for seconds on a loaded machine; only then its tone is forbidden.
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
  scenario([kind], `${kind}: three people with two slots hear exactly the other two`, () =>
    shareOneRoom([kind, kind, kind], { slots: 2 }),
  );
  scenario([kind], `${kind}: four people with three slots hear exactly the other three`, () =>
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
