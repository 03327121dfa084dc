/** The documents’ examples for browsers, run as they are except for the address. */
import { readFileSync } from 'node:fs';
import { equal, is, ok } from 'uvu/assert';
import { type BrowserFixture, inBrowsers } from '../support/browser-fixture.ts';
import type { Page } from '../support/browsers.ts';
import { untilInPage } from '../support/in-page.ts';
import { tokenOf } from '../support/page.ts';
import { scenarios } from '../support/scenario.ts';

const test = scenarios('browser client examples');
const EACH = ['chromium', 'firefox'] as const;
const ANN = tokenOf({ user: 'ann' });

/** All examples in JavaScript; another file runs the one for events. */
const EXAMPLES = ['README.md', 'client/README.md', 'docs/client.md', 'docs/protocol.md'].flatMap((name) => {
  const text = readFileSync(new URL(`../../../${name}`, import.meta.url), 'utf8');
  return [...text.matchAll(/```js\n([\s\S]*?)```/g)].map(([, code]) => ({ name, code: code! }));
});

function exampleOf(name: string, mark: string): string {
  const { code } = EXAMPLES.find((one) => one.name === name && one.code.includes(mark))!;
  return code;
}

test('no example is left out', () => {
  equal(
    EXAMPLES.map(({ name }) => name),
    ['README.md', 'README.md', ...Array(4).fill('client/README.md'), 'docs/protocol.md'],
  );
});

/** Opens a page and runs `prelude`, a script, and `code`, a module. Fails if one of them fails. */
async function run({ browser, gateway }: BrowserFixture, prelude: string, code: string): Promise<Page> {
  const page = await browser.newPage(`${gateway.url}/examples/`);
  const here = code
    .replace('@beep/webrtc-client', './client.js')
    .replace('https://example.org/webrtc', gateway.url)
    .replace('http://localhost:8088/webrtc', gateway.url)
    .replace('ws://localhost:8088/webrtc', gateway.url.replace('http', 'ws'));
  await page.evaluate(`{ ${prelude}; 0; }`);
  const failure = await page.evaluate<string | null>(`new Promise((done) => {
    window.exampleDone = done;
    addEventListener('error', ({ message }) => done(message));
    addEventListener('unhandledrejection', ({ reason }) => done(String(reason)));
    const script = document.createElement('script');
    script.type = 'module';
    script.textContent = ${JSON.stringify(`${here}\nexampleDone(null);`)};
    document.body.append(script);
  })`);
  is(failure, null);
  return page;
}

function until(page: Page, condition: string): Promise<void> {
  return untilInPage(page, condition, { tell: 'JSON.stringify(window.calls)', timeout: 30_000 });
}

/** The parts of an application that the client's example expects. */
const APPLICATION = `
  window.calls = { people: [], levels: [], states: [], plays: [] };
  window.fetchToken = async () => ${JSON.stringify(ANN)};
  window.showPeople = (people) => calls.people.push(people.map(({ userid }) => userid).sort().join());
  window.showLevels = (speakers) => calls.levels.push(...speakers.map(({ level }) => level));
  window.showState = (state) => calls.states.push(state);
  window.showPlayButton = (visible, play) => { calls.plays.push(visible); window.play = play; };
  const button = document.createElement('button');
  button.id = 'muteButton';
  document.body.append(button)`;

inBrowsers(
  test,
  EACH,
  'the client’s example reports everything from the beginning, and mutes',
  async (fixture) => {
    const bob = await fixture.open('bob');
    is(await bob.start({ conversation: 'standup' }), null);
    const ann = await run(fixture, APPLICATION, exampleOf('client/README.md', 'VoiceClient'));
    await until(ann, "calls.people.includes('ann,bob') && calls.levels.some((level) => level > 0)");
    equal(await ann.evaluate('calls.states'), ['connecting', 'connected']);
    await ann.evaluate('{ muteButton.click(); 0; }');
    await bob.until("[...client.participants.values()].some(({ userid, muted }) => userid === 'ann' && muted)");
  },
  { fakeDevices: true },
);

inBrowsers(
  test,
  EACH,
  'the client’s example shows its button where the browser waits for a click',
  async (fixture) => {
    const blocked = `${APPLICATION};
      const { play } = HTMLMediaElement.prototype;
      window.click = () => { HTMLMediaElement.prototype.play = play; };
      HTMLMediaElement.prototype.play = () => Promise.reject(new DOMException('no', 'NotAllowedError'))`;
    const ann = await run(fixture, blocked, exampleOf('client/README.md', 'VoiceClient'));
    await until(ann, 'calls.plays.at(-1) === true');
    await ann.evaluate('{ click(); window.play(); 0; }');
    await until(ann, 'calls.plays.at(-1) === false');
  },
  { fakeDevices: true },
);

inBrowsers(
  test,
  EACH,
  'the example of encryption talks with another one that has the key, and shows who has not',
  async (fixture) => {
    const open = async (user: string, key: number): Promise<Page> => {
      const prelude = `
        window.url = ${JSON.stringify(fixture.gateway.url)};
        window.token = ${JSON.stringify(tokenOf({ user }))};
        window.key = new Uint8Array(32).fill(${key});
        window.locks = [];
        window.showLock = (userid, open) => locks.push(userid + ' ' + open)`;
      const code = `import { VoiceClient } from './client.js';
        ${exampleOf('client/README.md', 'encryption: { key }')}
        window.client = client;
        await client.connect();
        await client.join('attic');`;
      return run(fixture, prelude, code);
    };
    const [ann, bob] = [await open('ann', 1), await open('bob', 1)];
    for (const page of [ann, bob]) await until(page, 'client.encryption?.frames?.decrypted > 50');
    await open('cid', 2);
    await until(ann, "locks.includes('cid false')");
    is(await ann.evaluate("locks.includes('bob false')"), false);
  },
  { fakeDevices: true },
);

inBrowsers(
  test,
  EACH,
  'the example of push-to-talk talks while its button is held, and that of the microphone shows its level',
  async (fixture) => {
    const bob = await fixture.open('bob');
    is(await bob.start({ conversation: 'standup' }), null);
    const prelude = `${APPLICATION};
      window.deviceId = undefined;
      window.showLevel = (level) => calls.levels.push(level);
      for (const name of ['talk', 'leave', 'join']) {
        window[name + 'Button'] = document.createElement('button');
        document.body.append(window[name + 'Button']);
      }`;
    const ann = await run(fixture, prelude, exampleOf('client/README.md', 'previewMicrophone'));
    await until(ann, 'calls.levels.some((level) => level > 0.01)');
    await ann.evaluate('{ joinButton.click(); 0; }');
    const code = `import { connect } from './client.js';
      const client = await connect({ url: 'https://example.org/webrtc', token: fetchToken, conversation: 'standup' });
      ${exampleOf('client/README.md', 'pushToTalk')}`;
    const cid = await run(fixture, prelude, code);
    const muted = (expected: boolean): Promise<void> =>
      bob.until(
        `[...client.participants.values()].some(({ userid, muted }) => userid === 'ann' && muted === ${expected})`,
      );
    await muted(true);
    await cid.evaluate("{ talkButton.dispatchEvent(new Event('pointerdown')); 0; }");
    await muted(false);
    await cid.evaluate("{ talkButton.dispatchEvent(new Event('pointerup')); 0; }");
    await muted(true);
    await cid.evaluate("{ leaveButton.click(); talkButton.dispatchEvent(new Event('pointerdown')); 0; }");
    await muted(true);
  },
  { fakeDevices: true, soundCard: true },
);

inBrowsers(test, EACH, 'listeners that are added after connect miss nothing', async (fixture) => {
  const bob = await fixture.open('bob');
  is(await bob.start({ conversation: 'standup' }), null);
  const late = `
    import { connect } from './client.js';
    HTMLMediaElement.prototype.play = () => Promise.reject(new DOMException('no', 'NotAllowedError'));
    navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no', 'NotAllowedError'));
    const client = await connect({ url: 'https://example.org/webrtc', token: fetchToken, conversation: 'standup' });
    while (!client.audioBlocked || client.number === 0) await new Promise((go) => setTimeout(go, 10));
    window.first = {};
    for (const name of ['state', 'participants', 'slots', 'dominant', 'muted', 'microphone', 'audioBlocked'])
      client.on(name, (value) => { first[name] ??= [value]; });
    await 0;
    await 0;`;
  const ann = await run(fixture, APPLICATION, late);
  ok(await ann.evaluate("first.state[0].state === 'connected' && first.audioBlocked[0]"));
  equal(await ann.evaluate('[...first.participants[0].values()].map(({ userid }) => userid).sort()'), ['ann', 'bob']);
  is(await ann.evaluate('first.microphone[0].error.code'), 'microphone-denied');
  equal(await ann.evaluate("['slots', 'dominant', 'muted'].filter((name) => !(name in first))"), []);
});

inBrowsers(
  test,
  EACH,
  'the server’s example with the client connects, joins, and talks and hears',
  async (fixture) => {
    const bob = await fixture.open('bob');
    is(await bob.start({ conversation: 'kitchen' }), null);
    const code = exampleOf('README.md', 'import { connect }');
    const ann = await run(fixture, 'window.calls = []', `${code}\nwindow.client = client;`);
    await until(ann, "client.speakers.some(({ participant, level }) => participant?.userid === 'bob' && level > 0)");
    await bob.until("client.speakers.some(({ participant }) => participant?.userid === 'ann')");
  },
  { fakeDevices: true },
);

inBrowsers(
  test,
  EACH,
  'the server’s example, without a client, connects, joins, is seen and hears',
  async (fixture) => {
    const bob = await fixture.open('bob');
    is(await bob.start({ conversation: 'kitchen' }), null);
    const prelude = `
      window.token = ${JSON.stringify(ANN)};
      window.made = [];
      for (const name of ['RTCPeerConnection', 'Audio']) {
        window[name] = new Proxy(window[name], { construct: (type, args) => made[made.push(new type(...args)) - 1] });
      }`;
    const ann = await run(fixture, prelude, exampleOf('README.md', 'new WebSocket'));
    await until(ann, "made[0].connectionState === 'connected'");
    await bob.until("[...client.participants.values()].some(({ userid }) => userid === 'ann')");
    await until(ann, 'made.filter((one) => one instanceof HTMLAudioElement && one.currentTime > 0).length === 3');
    await ann.evaluate(`(async () => {
      const received = async () => {
        const entries = [...(await made[0].getStats()).values()].filter(({ type }) => type === 'inbound-rtp');
        return entries.some(({ packetsReceived }) => packetsReceived > 50);
      };
      while (!(await received())) await new Promise((go) => setTimeout(go, 50));
    })()`);
  },
  { fakeDevices: true },
);

test.run();
