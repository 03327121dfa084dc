/** The browser client's volumes above 1, which no element has by itself. */
import { equal, is, ok } from 'uvu/assert';
import { inBrowsers } from '../support/browser-fixture.ts';
import { louderBy } from '../support/louder.ts';
import { hearsExactly } from '../support/page.ts';
import { scenarios } from '../support/scenario.ts';

const test = scenarios('browser client volumes');
const EACH = ['chromium', 'firefox'] as const;
const SLOT = 'voiceClient.slots.find(({ number }) => number !== 0)';
const AMPLIFIED = `${SLOT}?.louder && ${SLOT}.element.muted && !${SLOT}.louder.paused`;
/** Twice as loud, dB, and how far a measurement may be off: the tone swells and fades. */
const DOUBLE_DB = 6;
const TOLERANCE_DB = 2;
inBrowsers(
  test,
  EACH,
  'a volume of 2 is twice as loud, for that user alone, on the same output, and after a reconnection',
  async ({ open }) => {
    const [ann, bob, cat] = [await open('ann'), await open('bob'), await open('cat')];
    for (const page of [ann, bob, cat]) is(await page.start({ conversation: 'studio' }), null);
    await ann.until("['bob', 'cat'].every((id) => client.slots.some(({ participant }) => participant?.userid === id))");
    const slotOf = (userid: string): string =>
      `voiceClient.slots.find(({ participant }) => participant?.userid === '${userid}')`;
    const original = `${slotOf('bob')}.stream.getAudioTracks()[0]`;
    const played = `${slotOf('bob')}.louder.srcObject.getAudioTracks()[0]`;
    await ann.call('setVolume', 'bob', 2);
    equal(await ann.evaluate('[...voiceClient.volumes]'), [['bob', 2]]);
    await ann.until(`${slotOf('bob').replace('voiceClient', 'client')}.element.muted`);
    const louder = await louderBy(ann, played, original, bob.tone);
    console.log(`    ${louder} dB louder`);
    ok(Math.abs(louder - DOUBLE_DB) <= TOLERANCE_DB, `${louder} dB`);
    equal(await ann.evaluate(`[${slotOf('cat')}.louder, ${slotOf('cat')}.element.muted]`), [null, false], 'cat');
    // The same path with other volumes.
    await ann.call('setVolume', 'bob', 1);
    equal(await ann.evaluate('[...voiceClient.volumes]'), []);
    const same = await louderBy(ann, played, original, bob.tone);
    ok(Math.abs(same) <= TOLERANCE_DB, `${same} dB`);
    await ann.call('setVolume', 'bob', 7);
    equal(await ann.evaluate('[...voiceClient.volumes]'), [['bob', 2]], 'no louder than 2');
    const { number } = await ann.state();
    await ann.call('reconnect');
    await ann.until(`client.number !== ${number} && client.total === 3`);
    await hearsExactly(ann, [bob.tone, cat.tone]);
    const again = await louderBy(ann, played, original, bob.tone);
    ok(Math.abs(again - DOUBLE_DB) <= TOLERANCE_DB, `${again} dB after a reconnection`);
    await ann.call('close');
    is(await ann.evaluate('voiceClient.slots.every(({ louder }) => (louder?.srcObject ?? null) === null)'), true);
  },
  { soundCard: true },
);

inBrowsers(
  test,
  ['chromium'],
  'what is amplified plays on the chosen output, whichever was chosen first',
  async ({ open }) => {
    const [ann, bob] = [await open('ann'), await open('bob')];
    for (const page of [ann, bob]) is(await page.start({ conversation: 'studio' }), null);
    await hearsExactly(ann, [bob.tone]);
    const outputs = await ann.evaluate<string[]>(
      'voiceClient.devices().then(({ outputs }) => outputs.map(({ deviceId }) => deviceId))',
    );
    const [first, second] = [outputs.at(-1)!, outputs.at(-2)!];
    is(await ann.call('setOutput', first), null);
    await ann.call('setVolume', 'bob', 1.5);
    await ann.until(AMPLIFIED.replaceAll('voiceClient', 'client'));
    is(await ann.evaluate(`${SLOT}.louder.sinkId`), first);
    is(await ann.call('setOutput', second), null);
    equal(await ann.evaluate(`[${SLOT}.louder.sinkId, ${SLOT}.element.sinkId]`), [second, second]);
  },
  { fakeDevices: true },
);

inBrowsers(
  test,
  EACH,
  'where no context may run, the voice is heard all the same, only not louder, and amplified once it may',
  async ({ open }) => {
    const [ann, bob] = [await open('ann'), await open('bob')];
    for (const page of [ann, bob]) is(await page.start({ conversation: 'studio' }), null);
    await hearsExactly(ann, [bob.tone]);
    await ann.evaluate(`{
      const { AudioContext } = window;
      window.AudioContext = class extends AudioContext {
        constructor() { super(); window.made = this; this.suspend(); }
        resume() { return window.allowed ? super.resume() : new Promise(() => {}); }
      };
      0;
    }`);
    await ann.call('setVolume', 'bob', 2);
    await ann.until(`window.made?.state === 'suspended' && !client.slots.some(({ element }) => element.muted)`);
    is(await ann.evaluate('voiceClient.audioBlocked'), false);
    await hearsExactly(ann, [bob.tone]);
    await ann.evaluate('{ window.allowed = true; 0; }');
    is(await ann.evaluate('voiceClient.resume()'), true);
    await ann.until(AMPLIFIED.replaceAll('voiceClient', 'client'));
    // As during a phone call.
    await ann.evaluate('made.suspend()');
    await ann.until('!client.slots.some(({ element }) => element.muted)');
  },
  { soundCard: true },
);

test.run();
