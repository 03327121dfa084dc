/** The browser client's microphones and outputs, with the browsers' own fake devices. */
import { equal, is, ok } from 'uvu/assert';
import { inBrowsers } from '../support/browser-fixture.ts';
import type { ClientPage } from '../support/client-page.ts';
import { hearsExactly, TONES } from '../support/page.ts';
import { scenarios } from '../support/scenario.ts';

const test = scenarios('browser client devices');
const EACH = ['chromium', 'firefox'] as const;
const OWN_MICROPHONE = { conversation: 'studio', microphone: true, tone: undefined };

interface Listed {
  readonly inputs: { deviceId: string; label: string }[];
  readonly outputs: { deviceId: string; label: string }[];
}

function devices(page: ClientPage): Promise<Listed> {
  const plain = 'all.map(({ deviceId, label }) => ({ deviceId, label }))';
  return page.evaluate(
    `voiceClient.devices().then(({ inputs, outputs }) => { const plain = (all) => ${plain}; return { inputs: plain(inputs), outputs: plain(outputs) }; })`,
  );
}

inBrowsers(
  test,
  EACH,
  'the microphone is processed, is heard, and can be changed and released while talking',
  async ({ open, browser }) => {
    const ann = await open('ann');
    is(await ann.start(OWN_MICROPHONE), null);
    // Firefox lists devices only to visible pages, and only the newest page is visible.
    const { inputs } = await devices(ann);
    ok(inputs.length > 0);
    const bob = await open('bob');
    is(await bob.start({ conversation: 'studio' }), null);
    await ann.until('client.microphone.track !== null');
    const settings = await ann.evaluate<Record<string, unknown>>('voiceClient.microphone.track.getSettings()');
    // Firefox's fake microphone has no processing.
    if (browser.kind === 'chromium') {
      equal(
        [settings['echoCancellation'], settings['noiseSuppression'], settings['autoGainControl']],
        [true, true, true],
      );
    }
    await bob.until("client.slots[0].participant?.userid === 'ann'");
    const other = inputs.at(-1)!.deviceId;
    is(await ann.call('setInput', other), null);
    if (other !== '') is((await ann.state()).microphone.deviceId, other);
    await ann.evaluate(`microphone(${ann.tone}).then(({ track }) => voiceClient.startMicrophone({ track }))`);
    await hearsExactly(bob, [ann.tone]);
    is((await ann.call('setInput', 'no such device'))?.code, 'microphone-missing');
    await hearsExactly(bob, [ann.tone]);
    await bob.until('client.statistics.downlinkBitrate > 0 && client.statistics.concealment !== null');
    await ann.until(
      'client.statistics.uplinkBitrate > 0 && client.statistics.rttMs !== null && client.statistics.uplinkLoss !== null',
    );
  },
  { fakeDevices: true },
);

inBrowsers(
  test,
  ['chromium'],
  'when the microphone in use vanishes the default takes its place',
  async ({ open }) => {
    const ann = await open('ann');
    is(await ann.start(OWN_MICROPHONE), null);
    await ann.until('client.microphone.track !== null');
    const { inputs } = await devices(ann);
    const used = inputs.at(-1)!;
    is(await ann.call('setInput', used.deviceId), null);
    // A test cannot unplug a device, so it removes one from the list and reports a change.
    await ann.evaluate(`{
      const list = navigator.mediaDevices.enumerateDevices.bind(navigator.mediaDevices);
      navigator.mediaDevices.enumerateDevices = async () =>
        (await list()).filter(({ deviceId }) => deviceId !== ${JSON.stringify(used.deviceId)});
      navigator.mediaDevices.dispatchEvent(new Event('devicechange'));
      0;
    }`);
    await ann.until("events.some(({ name, value }) => name === 'deviceLost' && value.kind === 'input')");
    await ann.until('client.microphone.track !== null');
    ok((await ann.state()).microphone.deviceId !== used.deviceId);
    const lost = (await ann.events()).find(({ name }) => name === 'deviceLost');
    is(lost?.value.label, used.label);
  },
  { fakeDevices: true },
);

inBrowsers(
  test,
  ['chromium'],
  'the output is chosen, and given up when it vanishes',
  async ({ open }) => {
    const ann = await open('ann');
    is(await ann.start(OWN_MICROPHONE), null);
    const { outputs } = await devices(ann);
    const chosen = outputs.at(-1)!;
    is(await ann.call('setOutput', chosen.deviceId), null);
    is(await ann.evaluate('voiceClient.slots[0].element.sinkId'), chosen.deviceId);
    is((await ann.call('setOutput', 'no such device'))?.code, 'output-device');
    await ann.evaluate(`{
      navigator.mediaDevices.enumerateDevices = async () => [];
      navigator.mediaDevices.dispatchEvent(new Event('devicechange'));
    }`);
    await ann.until("events.some(({ name, value }) => name === 'deviceLost' && value.kind === 'output')");
    await ann.until("client.slots[0].element.sinkId === ''");
  },
  { fakeDevices: true },
);

inBrowsers(test, EACH, 'without a microphone it listens, and says why', async ({ open }) => {
  const [ann, bob] = [await open('ann'), await open('bob')];
  is(await bob.start({ conversation: 'studio' }), null);
  // As if the user refused.
  await ann.evaluate(`{
    navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no', 'NotAllowedError'));
  }`);
  is(await ann.start(OWN_MICROPHONE), null);
  await ann.until("client.microphone.error?.code === 'microphone-denied'");
  await hearsExactly(ann, [bob.tone]);
});

inBrowsers(test, ['chromium'], 'a missing microphone and a forbidden one are different errors', async ({ open }) => {
  const ann = await open('ann');
  is(await ann.start(OWN_MICROPHONE), null);
  await ann.until("client.microphone.error?.code === 'microphone-missing'");
});

inBrowsers(test, ['chromium'], 'one mixed element plays all, each voice as loud as wanted', async ({ open }) => {
  const [ann, bob, cat] = [await open('ann'), await open('bob'), await open('cat')];
  is(await ann.start({ conversation: 'studio', output: 'mixed' }), null);
  for (const page of [bob, cat]) is(await page.start({ conversation: 'studio' }), null);
  const mixed = `listen(voiceClient.mixedElement.srcObject.getAudioTracks()[0], ${JSON.stringify(TONES)})`;
  const hears = async (...wanted: number[]): Promise<void> => {
    for (let tries = 0; ; tries++) {
      const levels = (await ann.evaluate<number[] | null>(mixed)) ?? [];
      const heard = TONES.filter((_, i) => (levels[i] ?? -99) > -35);
      if (heard.join() === wanted.sort((a, b) => a - b).join()) return;
      if (tries === 20) throw new Error(`hears ${heard}, not ${wanted}: ${levels}`);
    }
  };
  await hears(bob.tone, cat.tone);
  await ann.call('setVolume', 'bob', 0);
  await hears(cat.tone);
  await ann.call('setVolume', 'bob', 1);
  await hears(bob.tone, cat.tone);
});

/** What a page does in place of the browser, which counts a page under a test's control as clicked on. */
const POLICY = `{
  const { play } = HTMLMediaElement.prototype;
  window.allow = () => { HTMLMediaElement.prototype.play = play; };
  HTMLMediaElement.prototype.play = () => Promise.reject(new DOMException('no', 'NotAllowedError'));
}`;
const IS_BLOCKED = "client.audioBlocked && events.some(({ name, value }) => name === 'audioBlocked' && value)";
const PLAYS = '!client.audioBlocked && client.slots.every(({ element }) => !element.paused)';

inBrowsers(
  test,
  EACH,
  'where the browser waits for a click the client says so, and plays after it',
  async ({ open }) => {
    const [ann, bob] = [await open('ann'), await open('bob')];
    is(await bob.start({ conversation: 'studio' }), null);
    await ann.evaluate(POLICY);
    is(await ann.start({ ...OWN_MICROPHONE, microphone: false }), null);
    await ann.until(IS_BLOCKED);
    is(await ann.evaluate('voiceClient.resume()'), false);
    await ann.evaluate('document.body.click()');
    is(await ann.evaluate('voiceClient.audioBlocked'), true);
    await ann.evaluate('allow()');
    is(await ann.evaluate('voiceClient.resume()'), true);
    await ann.until(PLAYS);
  },
);

inBrowsers(test, EACH, 'what the browser blocked plays at the next click, wherever it is', async ({ open }) => {
  const ann = await open('ann');
  await ann.evaluate(POLICY);
  is(await ann.start({ ...OWN_MICROPHONE, microphone: false }), null);
  await ann.until(IS_BLOCKED);
  await ann.evaluate('allow(); document.body.click()');
  await ann.until(PLAYS);
});

inBrowsers(
  test,
  EACH,
  'what the browser blocked plays once the microphone is on, without a click',
  async ({ open }) => {
    const ann = await open('ann');
    await ann.evaluate(POLICY);
    await ann.evaluate(`{
      const { mediaDevices } = navigator;
      const open = mediaDevices.getUserMedia.bind(mediaDevices);
      const permitted = new Promise((resolve) => { window.permit = resolve; });
      mediaDevices.getUserMedia = async (wanted) => { await permitted; const all = await open(wanted); allow(); return all; };
    }`);
    is(await ann.start(OWN_MICROPHONE), null);
    await ann.until(IS_BLOCKED);
    await ann.evaluate('permit()');
    await ann.until(PLAYS);
  },
  { fakeDevices: true },
);

test.run();
