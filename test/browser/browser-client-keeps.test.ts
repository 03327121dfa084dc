/** What a user has switched on holds after the server has been killed: volume, push-to-talk, filters. */
import { equal, is, ok } from 'uvu/assert';
import { inBrowsers } from '../support/browser-fixture.ts';
import type { ClientPage } from '../support/client-page.ts';
import { louderBy } from '../support/louder.ts';
import { scenarios } from '../support/scenario.ts';

const test = scenarios('browser client keeps');
const EACH = ['chromium', 'firefox'] as const;
const ROOM = { conversation: 'studio', backoff: { first: 100, most: 500 } };
/** Twice as loud, dB, and how far a measurement may be off: the tone swells and fades. */
const DOUBLE_DB = 6;
const TOLERANCE_DB = 2;
const FILTERS = { echoCancellation: false, noiseSuppression: true, autoGainControl: false };
const SLOT = "client.slots.find(({ participant }) => participant?.userid === 'bob')";
const HEARS_ANN = "client.speakers.some(({ participant }) => participant?.userid === 'ann')";
const ANN = "[...client.participants.values()].find(({ userid }) => userid === 'ann')";

/** Checks that the microphone is filtered as it was, and that the present connection sends that track. */
async function isFiltered(page: ClientPage): Promise<void> {
  const [settings, sent] = await page.evaluate<[Record<string, unknown>, boolean]>(`[
    voiceClient.microphone.track.getSettings(),
    voiceClient.session.current.sender.track === voiceClient.microphone.track,
  ]`);
  equal(Object.fromEntries(Object.keys(FILTERS).map((name) => [name, settings[name]])), FILTERS);
  ok(sent, 'this track is sent');
}

inBrowsers(
  test,
  EACH,
  'a volume above 1, a held key and filters outlast the server',
  async ({ open, server, startAnother }) => {
    const [ann, bob] = [await open('ann'), await open('bob')];
    is(await ann.start({ ...ROOM, tone: undefined, microphone: true }), null);
    is(await bob.start(ROOM), null);
    await ann.until('client.microphone.track !== null');
    await ann.evaluate('void (window.talk = harness.pushToTalk(voiceClient, { release: 150 }))');
    is(await ann.call('setProcessing', FILTERS), null);
    is(await ann.call('setVolume', 'bob', 2), null);
    await ann.until(`${SLOT}?.element.muted`);
    await ann.down(' ');
    await bob.until(HEARS_ANN);
    const louder = async (): Promise<number> => {
      const slot = SLOT.replace('client', 'voiceClient');
      const [played, original] = [`${slot}.louder.srcObject`, `${slot}.stream`].map(
        (one) => `${one}.getAudioTracks()[0]`,
      );
      return louderBy(ann, played!, original!, bob.tone);
    };
    ok(Math.abs((await louder()) - DOUBLE_DB) <= TOLERANCE_DB);

    let running = server;
    /** Kills the server, does something while it is away, and waits until both are back. */
    const outlast = async (during: () => Promise<void>): Promise<void> => {
      running.process.kill('SIGKILL');
      await running.exited;
      for (const page of [ann, bob]) await page.until("client.state === 'reconnecting'", 40);
      await during();
      running = await startAnother({ LISTEN: `127.0.0.1:${server.port}` });
      for (const page of [ann, bob]) await page.until("client.state === 'connected' && client.total === 2", 40);
    };
    // The key is held all the time.
    await outlast(async () => undefined);
    await bob.until(`${HEARS_ANN} && !${ANN}.muted`);
    is((await ann.state()).muted, false);
    await isFiltered(ann);
    equal(await ann.evaluate('[...voiceClient.volumes]'), [['bob', 2]]);
    await ann.until(`${SLOT}?.element.muted`);
    const again = await louder();
    console.log(`    ${again} dB louder after the reconnection`);
    ok(Math.abs(again - DOUBLE_DB) <= TOLERANCE_DB, `${again} dB`);
    await ann.up(' ');
    await bob.until(`${ANN}.muted && !(${HEARS_ANN})`);
    // It is pressed while there is no server.
    await outlast(() => ann.down(' '));
    await bob.until(`${HEARS_ANN} && !${ANN}.muted`);
    // It is let go while there is none.
    await outlast(() => ann.up(' '));
    await bob.until(`${ANN}?.muted && !(${HEARS_ANN})`);
    is((await ann.state()).muted, true);
    await isFilteredWhileMuted(ann);
    await ann.down(' ');
    await bob.until(HEARS_ANN);
    await isFiltered(ann);
    await ann.up(' ');
  },
  { fakeDevices: true, soundCard: true },
);

/** A muted client sends no track at all, and its microphone stays as it is. */
async function isFilteredWhileMuted(page: ClientPage): Promise<void> {
  await page.until('client.session.current.sender.track === null');
  is(await page.evaluate('voiceClient.microphone.track.readyState'), 'live');
}

test.run();
