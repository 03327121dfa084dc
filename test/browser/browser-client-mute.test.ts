/** Whoever is muted sends nothing: the browser client in real browsers, the server's counters, and what listeners hear. */
import { equal, is, ok } from 'uvu/assert';
import { type BrowserFixture, inBrowsers } from '../support/browser-fixture.ts';
import { ClientHost, SILENCE, type TestClient } from '../support/client.ts';
import type { ClientPage } from '../support/client-page.ts';
import { scrape } from '../support/metrics.ts';
import { hearsExactly, TONES } from '../support/page.ts';
import { scenarios } from '../support/scenario.ts';
import type { RunningServer } from '../support/server.ts';
import { pause, shortestOf, until } from '../support/waiting.ts';

const test = scenarios('browser client mutes');
const EACH = ['chromium', 'firefox'] as const;
/** After this time at most a muted client sends nothing, milliseconds. */
const ENDED_MS = 1000;
/** How long it is watched then, milliseconds: fifteen packets of a disabled track. */
const WATCHED_MS = 3000;
/** Longest time from the server's confirmation to the first packet at a listener, milliseconds. */
const UNMUTED_MS = 50;
/** Most invented sound after a mute, samples: 0.1 s. A track that just stops makes it 0.4 s. */
const MAX_INVENTED = 4800;
/** Longest mean delay of a voice in the listener's buffer, milliseconds. */
const MAX_BUFFER_MS = 300;
const ROOM = { conversation: 'attic' };
const LISTENS = { ...ROOM, microphone: false, tone: undefined, slots: 1 };

/** The page's own packets, as the browser counts them. */
function sent(page: ClientPage): Promise<number> {
  return page.evaluate(`voiceClient.session.current.pc.getStats().then((report) =>
    [...report.values()].reduce((sum, { type, packetsSent = 0 }) => sum + (type === 'outbound-rtp' ? packetsSent : 0), 0))`);
}

/** The RTP packets that came in, and those that were dropped because of a mute. */
async function received({ adminUrl }: RunningServer): Promise<{ rtp: number; muted: number }> {
  const figures = await scrape(adminUrl);
  const muted = figures.value('sfu_packets_dropped_total', { direction: 'in', reason: 'muted' });
  return { rtp: figures.value('sfu_packets_received_total', { kind: 'rtp' })!, muted: muted ?? 0 };
}

/** Checks that a page, the only one that ever sends to this server, sends nothing. */
async function sendsNothing(page: ClientPage, server: RunningServer): Promise<void> {
  await pause(ENDED_MS);
  const [before, counted] = [await sent(page), (await received(server)).rtp];
  await pause(WATCHED_MS);
  const packets = [(await sent(page)) - before, (await received(server)).rtp - counted];
  console.log(`    ${packets.map((count) => (count * 1000) / WATCHED_MS).join(' and ')} packets/s sent and received`);
  equal(packets, [0, 0], 'packets that the browser sent and the server received');
  const track = 'voiceClient.microphone.track';
  is(await page.evaluate(`${track}.readyState === 'live' && ${track}.enabled`), true, 'its level can be seen');
}

interface Heard {
  /** Samples that the receiver invented, without those that it knows to be silent. */
  readonly invented: number;
  /** Seconds that all samples together were in the buffer, and their number. */
  readonly delay: number;
  readonly emitted: number;
}

/** What a page has heard so far. */
function heard(page: ClientPage): Promise<Heard> {
  return page.evaluate(`voiceClient.session.current.pc.getStats().then((report) => {
    const entries = [...report.values()].filter(({ type }) => type === 'inbound-rtp');
    const sum = (name) => entries.reduce((all, entry) => all + (entry[name] ?? 0), 0);
    const invented = sum('concealedSamples') - sum('silentConcealedSamples');
    return { invented, delay: sum('jitterBufferDelay'), emitted: sum('jitterBufferEmittedCount') };
  })`);
}

/** A listener in a process of its own, whose packets have times. */
async function listener({ server }: BrowserFixture): Promise<{ ear: TestClient; close: () => void }> {
  const host = new ClientHost();
  const ear = await host.connect(server.url, 'ear', { publishes: false });
  const claim = JSON.stringify({ userid: 'ear', clientid: 'client' });
  const joined = await fetch(`${server.url}/join/attic`, { method: 'POST', headers: { 'X-User-Claim': claim } });
  is(joined.status, 200);
  return { ear, close: () => host.kill() };
}

/** In the page: mutes, and loses the request. */
const MUTE_UNNOTICED = `{
  const peer = voiceClient.session.current;
  const { request } = peer;
  peer.request = () => new Promise(() => {});
  voiceClient.mute(true);
  peer.request = request;
}`;

/** In the page: unmutes. @returns when the server confirmed it, milliseconds since 1970. */
const UNMUTE = `new Promise((resolve) => {
  const peer = voiceClient.session.current;
  const { request } = peer;
  peer.request = (...args) => {
    peer.request = request;
    const answer = peer.request(...args);
    answer.then(() => resolve(performance.timeOrigin + performance.now()));
    return answer;
  };
  voiceClient.mute(false);
})`;

inBrowsers(
  test,
  EACH,
  'a muted client sends nothing, and nobody hears an ending that was invented',
  async (fixture) => {
    const { open, server } = fixture;
    const [ann, bob] = [await open('ann'), await open('bob')];
    for (const [page, options] of [
      [ann, ROOM],
      [bob, LISTENS],
    ] as const) {
      is(await page.start(options), null);
    }
    await hearsExactly(bob, [ann.tone]);
    await ann.call('mute', true);
    await sendsNothing(ann, server);
    await hearsExactly(bob, []);
    const invented = (mute: string): Promise<number> =>
      shortestOf(MAX_INVENTED, async () => {
        await ann.call('mute', false);
        await hearsExactly(bob, [ann.tone]);
        const before = await heard(bob);
        await ann.evaluate(mute);
        await pause(2000);
        return (await heard(bob)).invented - before.invented;
      });
    const figures = [await invented('void voiceClient.mute(true)'), await invented(MUTE_UNNOTICED)];
    console.log(`    ${figures.join(' and ')} samples invented`);
    for (const figure of figures) ok(figure < MAX_INVENTED, `${figures}`);
  },
);

inBrowsers(test, EACH, 'unmuted, it is heard at once and from the first packet', async (fixture) => {
  const { open, server } = fixture;
  const ann = await open('ann');
  is(await ann.start(ROOM), null);
  const { ear, close } = await listener(fixture);
  await ear.receives((packets) => packets.some(({ from }) => from !== SILENCE));
  const took = await shortestOf(UNMUTED_MS, async () => {
    await ann.call('mute', true);
    await pause(ENDED_MS);
    await ear.take();
    const before = (await received(server)).muted;
    const confirmed = await ann.evaluate<number>(UNMUTE);
    const [first] = await ear.receives((packets) => packets.length >= 50);
    // On a busy machine a packet may overtake the request. Then its 20 ms are missing.
    const missing = (await received(server)).muted - before;
    return missing > 0 ? Number.POSITIVE_INFINITY : first!.at - confirmed;
  });
  console.log(`    first packet ${took.toFixed(1)} ms after the confirmation`);
  ok(took < UNMUTED_MS, `${took}`);
  close();
});

inBrowsers(test, EACH, 'short mutes delay nobody’s voice', async ({ open }) => {
  const [ann, bob] = [await open('ann'), await open('bob')];
  is(await ann.start(ROOM), null);
  is(await bob.start(LISTENS), null);
  await hearsExactly(bob, [ann.tone]);
  const delay = await shortestOf(
    MAX_BUFFER_MS,
    async () => {
      for (const gap of [700, 900, 1100]) {
        await ann.call('mute', true);
        await pause(gap);
        await ann.call('mute', false);
        await pause(1000);
      }
      const before = await heard(bob);
      await pause(1000);
      const after = await heard(bob);
      return (1000 * (after.delay - before.delay)) / (after.emitted - before.emitted);
    },
    5,
  );
  console.log(`    ${Math.round(delay)} ms in the buffer`);
  ok(delay < MAX_BUFFER_MS, `${delay}`);
});

inBrowsers(
  test,
  EACH,
  'a mute holds when the microphone changes, the connection is replaced, and the server dies or drains',
  async ({ open, server, gateway, startAnother }) => {
    const [ann, bob] = [await open('ann'), await open('bob')];
    is(await ann.start({ ...ROOM, muted: true }), null);
    is(await bob.start(LISTENS), null);
    await bob.until('client.total === 2');
    await sendsNothing(ann, server);
    const startTone = (tone: number): Promise<unknown> =>
      ann.evaluate(`microphone(${tone}).then(({ track }) => voiceClient.startMicrophone({ track }))`);
    await startTone(TONES[4]);
    await sendsNothing(ann, server);
    const { number } = await ann.state();
    await ann.call('reconnect');
    await ann.until(`client.number !== ${number} && client.total === 2`);
    await sendsNothing(ann, server);

    server.process.kill('SIGKILL');
    await server.exited;
    const second = await startAnother({ LISTEN: `127.0.0.1:${server.port}`, DRAIN_TIMEOUT_MS: '60000' });
    for (const page of [ann, bob]) await page.until("client.state === 'connected' && client.total === 2", 60);
    await sendsNothing(ann, second);

    const third = await startAnother();
    gateway.upstream = third.port;
    second.process.kill('SIGTERM');
    is(await second.exited, 0);
    for (const page of [ann, bob]) await page.until("client.state === 'connected' && client.total === 2");
    await sendsNothing(ann, third);
    is((await received(third)).rtp, 0, 'nothing has ever come here');
    await bob.until("[...client.participants.values()].find(({ userid }) => userid === 'ann').muted");
    await ann.call('mute', false);
    await hearsExactly(bob, [TONES[4]]);
  },
);

inBrowsers(
  test,
  EACH,
  'a client without the right to speak sends nothing, raises its hand over a reconnection, and speaks once it may',
  async ({ open, server }) => {
    const [ann, bob] = [await open('ann'), await open('bob')];
    is(await ann.start(ROOM), null);
    is(await bob.start(LISTENS), null);
    await hearsExactly(bob, [ann.tone]);
    const order = async (act: string): Promise<void> => {
      const { status } = await fetch(`${server.adminUrl}/conversations/attic/users/ann/${act}`, { method: 'POST' });
      is(status, 200);
    };
    await order('listen');
    await ann.until('!client.speak');
    await sendsNothing(ann, server);
    await ann.call('raiseHand', true);
    const raised = '[...client.participants.values()].some(({ userid, hand }) => userid === "ann" && hand === true)';
    await bob.until(raised);
    const { number } = await ann.state();
    await ann.call('reconnect');
    await ann.until(`client.number !== ${number} && client.total === 2 && !client.speak && client.hand`);
    await bob.until(raised);
    await sendsNothing(ann, server);
    await order('speak');
    await ann.until('client.speak && !client.hand');
    await bob.until(`!(${raised})`);
    await hearsExactly(bob, [ann.tone]);
  },
);

inBrowsers(
  test,
  EACH,
  'a client that an operator silenced sends nothing until that is over',
  async ({ open, server }) => {
    const [ann, bob] = [await open('ann'), await open('bob')];
    is(await ann.start(ROOM), null);
    is(await bob.start(LISTENS), null);
    await hearsExactly(bob, [ann.tone]);
    const order = async (command: string): Promise<void> => {
      const url = `${server.adminUrl}/conversations/attic/users/ann/${command}`;
      is((await fetch(url, { method: 'POST' })).status, 200);
    };
    await order('mute');
    await ann.until('client.silenced');
    await sendsNothing(ann, server);
    // It may be muted by both, and by neither only once both are over.
    await ann.call('mute', true);
    await order('unmute');
    await ann.until('!client.silenced');
    await sendsNothing(ann, server);
    await order('mute');
    await ann.until('client.silenced');
    await ann.call('mute', false);
    await sendsNothing(ann, server);
    await order('unmute');
    await hearsExactly(bob, [ann.tone]);
  },
);

inBrowsers(test, EACH, 'however fast it is muted and unmuted, the last one counts', async ({ open, server }) => {
  const [ann, bob] = [await open('ann'), await open('bob')];
  is(await ann.start(ROOM), null);
  is(await bob.start(LISTENS), null);
  await hearsExactly(bob, [ann.tone]);
  const toggle = (last: boolean): Promise<unknown> =>
    ann.evaluate(`(async () => {
      for (let i = 0; i < 30; i++) {
        voiceClient.mute(i % 2 === 0);
        await new Promise((resolve) => setTimeout(resolve, 20 * (i % 7) ** 2));
      }
      voiceClient.mute(${last});
    })()`);
  await toggle(true);
  await sendsNothing(ann, server);
  await toggle(false);
  await hearsExactly(bob, [ann.tone]);
});

inBrowsers(
  test,
  EACH,
  'whoever talks although nobody hears it is told',
  async ({ open }) => {
    const ann = await open('ann');
    is(await ann.start(ROOM), null);
    const told = async (): Promise<boolean[]> =>
      (await ann.events()).filter(({ name }) => name === 'mutedTalk').map(({ value }) => value);
    const talks = (...values: boolean[]): Promise<unknown> =>
      until(`it is told ${values}`, async () => (await told()).join() === values.join());
    await ann.until('client.speakers.length === 0');
    await pause(1000);
    equal(await told(), [], 'while it is heard, there is nothing to tell');
    await ann.call('mute', true);
    await talks(true);
    await ann.call('mute', false);
    await talks(true, false);
    await ann.call('mute', true);
    await talks(true, false, true);
    // Silence that goes on is no talk.
    await ann.evaluate('microphone(440, { gains: [-60] }).then(({ track }) => voiceClient.startMicrophone({ track }))');
    await talks(true, false, true, false);
    await ann.call('close');
  },
  { soundCard: true },
);

test.run();
