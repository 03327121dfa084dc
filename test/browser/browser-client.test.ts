/** The browser client in real browsers: joining, hearing, muting, choosing. */
import { equal, is, ok } from 'uvu/assert';
import { inBrowsers } from '../support/browser-fixture.ts';
import { hearsExactly, TONES } from '../support/page.ts';
import { scenarios } from '../support/scenario.ts';

const test = scenarios('browser client');
const EACH = ['chromium', 'firefox'] as const;

inBrowsers(test, EACH, 'three clients meet, hear, see, mute, deafen, exclude, and move', async ({ open }) => {
  const pages = [await open('ann'), await open('bob'), await open('cat')] as const;
  const [ann, bob, cat] = pages;
  for (const page of pages) is(await page.start({ conversation: 'kitchen' }), null);
  await Promise.all([
    hearsExactly(ann, [bob.tone, cat.tone]),
    hearsExactly(bob, [ann.tone, cat.tone]),
    hearsExactly(cat, [ann.tone, bob.tone]),
  ]);
  for (const page of pages) {
    await page.until('client.participants.size === 3 && client.dominant !== null && client.speakers.length === 2');
    await page.until('client.speakers.every(({ level, participant }) => level > 0 && level <= 1 && participant)');
  }
  const seen = await ann.state();
  equal(seen.participants.map(({ userid }) => userid).sort(), ['ann', 'bob', 'cat']);
  equal(seen.slots.map(({ userid }) => userid).sort(), ['bob', 'cat']);
  is(seen.conversation, 'kitchen');
  is(seen.audioBlocked, false);

  await ann.call('mute', true);
  await Promise.all([
    hearsExactly(bob, [cat.tone]),
    bob.until("[...client.participants.values()].find(({ userid }) => userid === 'ann').muted"),
  ]);
  await bob.call('deafen', true);
  await hearsExactly(bob, []);
  await bob.call('deafen', false);
  await ann.call('mute', false);
  await hearsExactly(bob, [ann.tone, cat.tone]);

  const number = (await bob.state()).participants.find(({ userid }) => userid === 'cat')!.number;
  is(await bob.call('exclude', [number]), null);
  await hearsExactly(bob, [ann.tone]);
  is((await bob.call('pin', [4_000_000_000]))?.code, 'refused');

  const page = await ann.evaluate<{ total: number; participants: { number: number }[]; next: number | null }>(
    'voiceClient.page(0, 2)',
  );
  equal([page.total, page.participants.length, page.next], [3, 2, page.participants[1]!.number]);

  const before = (await ann.state()).number;
  await ann.call('reconnect');
  await ann.until(`client.number !== ${before} && client.total === 3`);
  await hearsExactly(ann, [bob.tone, cat.tone]);
  const states = (await ann.events()).filter(({ name }) => name === 'state').map(({ value }) => value.state);
  equal(states, ['connecting', 'connected'], 'the old connection played until the new one stood');

  is(await cat.call('join', 'cellar'), null);
  is((await cat.state()).conversation, 'cellar');
  is(await ann.call('join', 'cellar'), null);
  await Promise.all([hearsExactly(cat, [ann.tone]), hearsExactly(ann, [cat.tone]), hearsExactly(bob, [])]);
  await bob.until('client.total === 1');
  is(await cat.call('leave'), null);
  await cat.until('client.conversation === null && client.participants.size === 0');
  await hearsExactly(ann, []);
});

inBrowsers(test, EACH, 'a client that only listens hears, and can start to talk at any time', async ({ open }) => {
  const [ann, bob] = [await open('ann'), await open('bob')];
  is(await ann.start({ conversation: 'hall', microphone: false, tone: undefined }), null);
  is(await bob.start({ conversation: 'hall' }), null);
  await hearsExactly(ann, [bob.tone]);
  await ann.evaluate(`microphone(${ann.tone}).then(({ track }) => voiceClient.startMicrophone({ track }))`);
  await hearsExactly(bob, [ann.tone]);
  // Changes the microphone while talking.
  await ann.evaluate(`microphone(${TONES[5]}).then(({ track }) => voiceClient.startMicrophone({ track }))`);
  await hearsExactly(bob, [TONES[5]!]);
  await ann.call('stopMicrophone');
  await hearsExactly(bob, []);
  await ann.until("events.some(({ name }) => name === 'statistics')");
});

inBrowsers(test, ['chromium'], 'the client reports RED that is encrypted end to end', async ({ open }) => {
  const ann = await open('ann');
  await ann.evaluate(`{
    const cipher = 'onrtctransform = ({ transformer: { readable, writable } }) => readable.pipeThrough(new TransformStream({ ' +
      'transform(frame, to) { frame.data = new Uint8Array(frame.data).map((byte, i) => byte ^ (90 + 31 * i)).buffer; to.enqueue(frame); } ' +
      '})).pipeTo(writable)';
    const worker = new Worker(URL.createObjectURL(new Blob([cipher])));
    const { addTransceiver } = RTCPeerConnection.prototype;
    RTCPeerConnection.prototype.addTransceiver = function (...args) {
      const transceiver = addTransceiver.apply(this, args);
      transceiver.sender.transform = new RTCRtpScriptTransform(worker, {});
      return transceiver;
    };
  }`);
  is(await ann.start({ conversation: 'kitchen' }), null);
  await ann.until("events.some(({ name }) => name === 'error')");
  const { value } = (await ann.events()).find(({ name }) => name === 'error')!;
  is(value.code, 'refused');
  ok(value.message.includes('setCodecPreferences'), value.message);
});

test.run();
