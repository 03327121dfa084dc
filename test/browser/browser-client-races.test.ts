/** The browser client where things happen in an unlucky order, or never. */
import { equal, is, ok } from 'uvu/assert';
import { inBrowsers } from '../support/browser-fixture.ts';
import type { ClientPage } from '../support/client-page.ts';
import { scenarios } from '../support/scenario.ts';

const test = scenarios('browser client races');
const CHROMIUM = ['chromium'] as const;
/** Time after which a promise counts as never settled, milliseconds. */
const NEVER_MS = 12_000;
/** Reconnections that are watched. */
const RETRIES = 4;

/** Creates `made`, a client that is not started, in a page that has had one. @param more its options, in JavaScript. */
async function make(page: ClientPage, more: string): Promise<void> {
  is(await page.start({ tone: undefined, microphone: false }), null);
  await page.call('close');
  const token = JSON.stringify(page.token);
  await page.evaluate(`{
    window.soon = (promise) => Promise.race([
      promise.then(() => 'done', ({ code }) => code),
      new Promise((go) => setTimeout(go, ${NEVER_MS}, 'never')),
    ]);
    window.asked = 0;
    window.made = new voiceClient.constructor({ url: location.origin, token: ${token}, microphone: false, ...(${more}) });
    0;
  }`);
}

inBrowsers(
  test,
  CHROMIUM,
  'no microphone is opened once a client is closed',
  async ({ open }) => {
    const ann = await open('ann');
    await make(ann, '{ microphone: true }');
    await ann.evaluate(`{
      window.tracks = [];
      const get = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
      navigator.mediaDevices.getUserMedia = async (wanted) => {
        const stream = await get(wanted);
        tracks.push(...stream.getTracks());
        return stream;
      };
      made.close();
      0;
    }`);
    is(await ann.evaluate('soon(made.connect())'), 'closed');
    is(await ann.evaluate('soon(made.startMicrophone())'), 'closed');
    is(await ann.evaluate("soon(made.setInput('default'))"), 'closed');
    equal(await ann.evaluate('tracks.map(({ readyState }) => readyState)'), []);
  },
  { fakeDevices: true },
);

inBrowsers(test, CHROMIUM, 'a token that never comes keeps nothing from ending', async ({ open }) => {
  const ann = await open('ann');
  const token = JSON.stringify(ann.token);
  // The first token is for the TURN servers, the second for the websocket, and the third for the join.
  await make(ann, `{ conversation: 'attic', token: () => (++asked > 2 ? new Promise(() => {}) : ${token}) }`);
  await ann.evaluate('{ window.ending = soon(made.connect()); 0; }');
  await ann.evaluate('new Promise((go) => { const look = () => asked > 2 ? go() : setTimeout(look, 20); look(); })');
  await ann.evaluate('{ window.joining = soon(made.join("cellar")); made.close(); 0; }');
  is(await ann.evaluate('ending'), 'closed');
  is(await ann.evaluate('joining'), 'superseded');
});

inBrowsers(test, CHROMIUM, 'leaving takes back a join that is under way', async ({ open, server }) => {
  const ann = await open('ann');
  is(await ann.start(), null);
  const over = await ann.evaluate(`(async () => {
    const joining = voiceClient.join('attic').then(() => 'joined', ({ code }) => code);
    await voiceClient.leave();
    return joining;
  })()`);
  is(over, 'superseded');
  is((await ann.state()).conversation, null);
  is((await fetch(`${server.adminUrl}/conversations/attic`)).status, 404);
});

inBrowsers(test, CHROMIUM, 'a network that changes all the time lets attempts come to an end', async ({ open }) => {
  const ann = await open('ann');
  const token = JSON.stringify(ann.token);
  await make(ann, `{ token: () => new Promise((go) => setTimeout(go, 1000, ${token})) }`);
  is(await ann.evaluate('soon(made.connect())'), 'done');
  await ann.evaluate("{ dispatchEvent(new Event('pagehide')); 0; }");
  const states = await ann.evaluate(`(async () => {
    const begun = made.state;
    const timer = setInterval(() => dispatchEvent(new Event('online')), 300);
    await soon(new Promise((go) => made.on('state', ({ state }) => state === 'connected' && go())));
    clearInterval(timer);
    return [begun, made.state];
  })()`);
  equal(states, ['reconnecting', 'connected']);
});

inBrowsers(test, CHROMIUM, 'a client that is replaced while joining does not come back', async ({ open }) => {
  const [ann, other] = [await open('ann'), await open('ann')];
  const token = JSON.stringify(ann.token);
  await make(
    ann,
    `{ conversation: 'attic', token: () => new Promise((go) => setTimeout(go, asked++ % 3 === 2 ? 3000 : 0, ${token})) }`,
  );
  await ann.evaluate('{ window.ending = soon(made.connect()); 0; }');
  await ann.evaluate('new Promise((go) => { const look = () => asked > 2 ? go() : setTimeout(look, 20); look(); })');
  is(await other.start(), null);
  is(await ann.evaluate('ending'), 'replaced');
  is((await other.state()).state, 'connected');
});

inBrowsers(
  test,
  CHROMIUM,
  'connections that end as soon as they are established are made with pauses',
  async ({ open }) => {
    const ann = await open('ann');
    await make(ann, '{}');
    const delays = await ann.evaluate<number[]>(`(async () => {
    const delays = [];
    const enough = new Promise((go) => made.on('retry', ({ delay }) => delays.push(delay) === ${RETRIES} && go()));
    made.on('state', ({ state }) => {
      if (state === 'connected') setTimeout(() => made.session.current?.channel.close(), 20);
    });
    await made.connect();
    await enough;
    made.close();
    return delays;
  })()`);
    for (let i = 1; i < delays.length; i++) ok(delays[i]! >= delays[i - 1]!, String(delays));
  },
);

inBrowsers(test, CHROMIUM, 'failed attempts leave nothing behind', async ({ open }) => {
  const ann = await open('ann');
  await make(ann, "{ url: 'http://127.0.0.1:9', backoff: { first: 20, most: 20 } }");
  const kept = await ann.evaluate<number>(`new Promise((go) => {
    let retries = 0;
    made.on('retry', () => ++retries === 6 && go(made.mic.sending.senders.size));
    made.connect().catch(() => undefined);
  })`);
  ok(kept <= 1, String(kept));
});

test.run();
