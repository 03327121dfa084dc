/** The browser client's own microphone: its level, the warning of a silent one, the check before joining, its filters. */
import { equal, is, ok } from 'uvu/assert';
import { inBrowsers } from '../support/browser-fixture.ts';
import type { ClientPage } from '../support/client-page.ts';
import { hearsExactly } from '../support/page.ts';
import { scenarios } from '../support/scenario.ts';
import { voiceFile } from '../support/voice-file.ts';
import { pause, shortestOf } from '../support/waiting.ts';

const test = scenarios('browser client microphone');
const EACH = ['chromium', 'firefox'] as const;
const ROOM = { conversation: 'studio' };
/** The tone swells up to 0.42 of full scale. */
const LOUD = [0.38, 0.46] as const;
/** Measurements in three seconds; timers of a busy machine may leave some out. */
const MEASURED = [20, 31] as const;
/** Longest pause of a voice while filters are switched, milliseconds, beyond what is usual. */
const GAP_MS = 100;

/** Records the levels of three seconds. */
function levels(page: ClientPage): Promise<number[]> {
  return page.evaluate(`new Promise((done) => {
    const levels = [];
    const off = voiceClient.on('level', (level) => levels.push(level));
    setTimeout(() => { off(); done(levels); }, 3000);
  })`);
}

function isLoud(found: readonly number[], what: string): void {
  const peak = Math.max(...found);
  ok(peak >= LOUD[0] && peak <= LOUD[1], `${what}: ${peak} in ${found}`);
  ok(found.length >= MEASURED[0] && found.length <= MEASURED[1], `${what}: ${found.length} in three seconds`);
}

/** Counts what is measured: gauges are the only ones that use these. */
const COUNT_GAUGES = `{
  window.gauges = 0;
  const name = 'MediaStreamTrackProcessor' in window ? 'MediaStreamTrackProcessor' : 'AnalyserNode';
  window[name] = new Proxy(window[name], { construct: (type, args) => { gauges++; return new type(...args); } });
}`;

inBrowsers(
  test,
  EACH,
  'the level comes ten times a second while somebody listens, connected or not, muted or not',
  async ({ open }) => {
    const ann = await open('ann');
    await ann.evaluate(`harness.make(${JSON.stringify(ann.token)})`);
    await ann.evaluate(`microphone(${ann.tone}).then(({ track }) => voiceClient.startMicrophone({ track }))`);
    await ann.evaluate(COUNT_GAUGES);
    is(await ann.evaluate('voiceClient.level'), 0, 'nobody listens');
    isLoud(await levels(ann), 'before connecting');
    is(await ann.evaluate('voiceClient.level'), 0, 'nobody listens any more');
    is(
      await ann.evaluate('{ const off = voiceClient.on("level", () => {}); window.stop = off; voiceClient.state; }'),
      'idle',
    );
    await ann.until('client.level > 0.3');
    await ann.evaluate('stop()');
    await ann.evaluate('voiceClient.mute(true)');
    await pause(1000);
    isLoud(await levels(ann), 'muted');
    await ann.evaluate('voiceClient.stopMicrophone()');
    await pause(200);
    equal(await levels(ann), [], 'no microphone');
    await ann.call('close');
  },
  { soundCard: true },
);

inBrowsers(
  test,
  EACH,
  'a microphone that delivers nothing for five seconds is reported, once, and when it is over',
  async ({ open }) => {
    const ann = await open('ann');
    is(await ann.start({ ...ROOM, tone: undefined, microphone: false }), null);
    const told = async (): Promise<boolean[]> =>
      (await ann.events()).filter(({ name }) => name === 'microphoneSilent').map(({ value }) => value);
    const began = Date.now();
    // A quiet room is no silence: the tone at -80 dB lasts nine seconds, and nothing another nine.
    const gains = [...Array(9).fill(-80), ...Array(9).fill(-200), 0, 0];
    await ann.evaluate(
      `microphone(${ann.tone}, { gains: ${JSON.stringify(gains)} }).then(({ track }) => voiceClient.startMicrophone({ track }))`,
    );
    await ann.until("events.some(({ name, value }) => name === 'microphoneSilent' && value)", 30);
    const { at } = (await ann.events()).find(({ name }) => name === 'microphoneSilent')!;
    ok(at - began > 13_000, `after ${at - began} ms`);
    await ann.until("events.some(({ name, value }) => name === 'microphoneSilent' && !value)", 30);
    equal(await told(), [true, false]);
    // Whoever is muted is silent because they want to be.
    await ann.evaluate(
      `microphone(${ann.tone}, { gains: [-200] }).then(({ track }) => voiceClient.startMicrophone({ track }))`,
    );
    await ann.call('mute', true);
    await pause(6000);
    equal(await told(), [true, false]);
    await ann.call('mute', false);
    await ann.until("events.filter(({ name }) => name === 'microphoneSilent').length === 3", 30);
    await ann.call('mute', true);
    equal(await told(), [true, false, true, false]);
  },
  { soundCard: true },
);

inBrowsers(
  test,
  EACH,
  'a microphone is checked without a client, and released',
  async ({ open, browser }) => {
    const ann = await open('ann');
    const found = await ann.evaluate<{ label: string; id: string | null; after: number; state: string; peak: number }>(
      `(async () => {
        const levels = [];
        const preview = await harness.previewMicrophone({}, (level) => levels.push(level));
        while (levels.length < 25) await new Promise((go) => setTimeout(go, 20));
        preview.close();
        const { length } = levels;
        await new Promise((go) => setTimeout(go, 500));
        const { label, deviceId: id, track } = preview;
        return { label, id, after: levels.length - length, state: track.readyState, peak: Math.max(...levels) };
      })()`,
    );
    ok(found.label !== '' && found.peak > 0.01 && found.peak <= 1, JSON.stringify(found));
    if (browser.kind === 'chromium') ok(found.id !== null);
    equal([found.after, found.state], [0, 'ended']);
    const own = await ann.evaluate(`(async () => {
      const { track } = await microphone(437);
      const preview = await harness.previewMicrophone({ track }, () => {});
      preview.close();
      return track.readyState;
    })()`);
    is(own, 'live', 'a track of the application goes on');
    await ann.evaluate(`{
      navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no', 'NotAllowedError'));
    }`);
    const error = await ann.evaluate<{ code: string }>('harness.outcome(harness.previewMicrophone({}, () => {}))');
    is(error.code, 'microphone-denied');
  },
  { fakeDevices: true, soundCard: true },
);

/**
 * Longest pause of the voice at a listener while `change` runs, milliseconds. In Chromium it is what is heard; in Firefox,
 * what arrives.
 */
async function longestPause(bob: ClientPage, heard: boolean, change: () => Promise<unknown>): Promise<number> {
  await (heard ? bob.evaluate('harness.longestSilence()') : bob.watchVoices());
  await pause(1500);
  await change();
  await pause(2500);
  if (heard) return bob.evaluate('harness.longestSilence()');
  return (await bob.pauses())['ann'] ?? Number.POSITIVE_INFINITY;
}

/** Records for each exchange of tracks whether the old one was live until then, and whether the new one is. */
const WATCH_TRACKS = `{
  window.exchanged = [];
  const { replaceTrack } = RTCRtpSender.prototype;
  RTCRtpSender.prototype.replaceTrack = function (track) {
    exchanged.push(this.track?.readyState, track?.readyState);
    return replaceTrack.call(this, track);
  };
  0;
}`;

inBrowsers(
  test,
  EACH,
  'filters are switched during a call, on the same device, and nobody hears a pause',
  async ({ open, browser }) => {
    const inChromium = browser.kind === 'chromium';
    const ann = await open('ann');
    is(
      (await ann.evaluate<{ code: string }>(`harness.outcome((harness.make('x'), voiceClient.setProcessing({})))`))
        .code,
      'microphone-missing',
    );
    is(await ann.start({ ...ROOM, tone: undefined, microphone: true }), null);
    await ann.until('client.microphone.track !== null');
    const settings = (): Promise<Record<string, unknown>> => ann.evaluate('voiceClient.microphone.track.getSettings()');
    const before = await settings();
    const bob = await open('bob');
    is(await bob.start({ ...ROOM, microphone: false, tone: undefined }), null);
    await bob.until("client.slots[0].participant?.userid === 'ann'");
    if (inChromium) await bob.evaluate('harness.watchLoudness()');
    const filter = async (change: Record<string, boolean>): Promise<void> => {
      is(await ann.call('setProcessing', change), null);
    };
    const filtered = await longestPause(bob, inChromium, () => pause(0));
    await filter({ echoCancellation: false });
    const usual = Math.max(filtered, await longestPause(bob, inChromium, () => pause(0)));
    let on = false;
    const during = await shortestOf(usual + GAP_MS, async () => {
      on = !on;
      return longestPause(bob, inChromium, () => filter({ echoCancellation: on }));
    });
    console.log(`    longest pause ${usual} ms, and ${during} ms while a filter is switched`);
    ok(during < usual + GAP_MS, `${usual} and ${during} ms`);
    await filter({ echoCancellation: false });
    await ann.evaluate(WATCH_TRACKS);
    for (const [echoCancellation, noiseSuppression, autoGainControl] of [
      [true, true, true],
      [true, false, true],
      [false, false, true],
      [false, false, false],
      [true, true, false],
    ] as const) {
      await filter({ echoCancellation, noiseSuppression, autoGainControl });
      const { deviceId, ...after } = await settings();
      is(deviceId, before['deviceId']);
      equal(
        [after['echoCancellation'], after['noiseSuppression'], after['autoGainControl']],
        [echoCancellation, noiseSuppression, autoGainControl],
      );
    }
    // A microphone that is closed first takes up to a second and a half to be heard again.
    const tracks = await ann.evaluate<string[]>('exchanged');
    ok(tracks.every((state) => state === 'live') && tracks.length === (inChromium ? 10 : 0), `${tracks}`);
    is(await ann.evaluate("document.querySelectorAll('iframe').length"), inChromium ? 1 : 0);
    await filter({ noiseSuppression: false });
    is((await settings())['echoCancellation'], true, 'what is not mentioned stays');
    await ann.evaluate(`microphone(${ann.tone}).then(({ track }) => voiceClient.startMicrophone({ track }))`);
    await hearsExactly(bob, [ann.tone]);
    is(await ann.evaluate("document.querySelectorAll('iframe').length"), 0);
    is((await ann.call('setProcessing', {}))?.code, 'microphone-missing', 'a track of the application');
  },
  { fakeDevices: true, soundCard: true, spoken: voiceFile() },
);

inBrowsers(
  test,
  ['chromium'],
  'filters are switched with a pause where frames may not have the microphone',
  async ({ open }) => {
    const ann = await open('ann');
    is(await ann.start({ ...ROOM, tone: undefined, microphone: { echoCancellation: false } }), null);
    await ann.until('client.microphone.track !== null');
    await ann.evaluate(`{
      const getUserMedia = () => Promise.reject(new DOMException('no', 'NotAllowedError'));
      Object.defineProperty(HTMLIFrameElement.prototype, 'contentWindow', {
        get() { return { navigator: { mediaDevices: { getUserMedia } } }; },
      });
      0;
    }`);
    is(await ann.call('setProcessing', { echoCancellation: true }), null);
    const { readyState, echoCancellation } = await ann.evaluate<{ readyState: string; echoCancellation: boolean }>(`{
      const { track } = voiceClient.microphone;
      ({ readyState: track.readyState, echoCancellation: track.getSettings().echoCancellation });
    }`);
    equal([readyState, echoCancellation], ['live', true]);
    is(await ann.evaluate("document.querySelectorAll('iframe').length"), 0);
  },
  { fakeDevices: true },
);

test.run();
