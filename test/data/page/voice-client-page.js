/**
 * The browser client in a page, for its tests: they call the functions of `window.harness` from outside, so what goes in and
 * comes out is JSON. `microphone` and `listen` are those of client.js beside it.
 */
import { pushToTalk } from '/push-to-talk.js';
import { connect, previewMicrophone, VoiceClient, VoiceError } from '/voice-client.js';

let client;
/** Every event, with the time since 1970 that it came at. */
let events = [];
/** Tokens that were asked for, in order. */
const tokens = [];

const NAMES = [
  ...['state', 'retry', 'conversation', 'participants', 'slots', 'speakers', 'dominant', 'muted', 'microphone'],
  ...['mutedTalk', 'microphoneSilent', 'devices', 'deviceLost', 'audioBlocked', 'statistics', 'quality', 'draining'],
  ...['decryption', 'error'],
];

/** What of an event's value can be told as JSON. */
function plain(value) {
  if (value instanceof VoiceError) return plainError(value);
  if (value instanceof Map) return [...value.values()];
  if (Array.isArray(value)) return value.length;
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([name, one]) => [name, one instanceof VoiceError ? plainError(one) : one]);
  return Object.fromEntries(entries.filter(([, one]) => !(one instanceof MediaStreamTrack)));
}

function plainError({ code, message, retryable, closeCode, status }) {
  return { code, message, retryable, closeCode, status };
}

/** Rejections would lose everything but their text on the way out of the page. */
async function outcome(promise) {
  try {
    await promise;
    return null;
  } catch (error) {
    return error instanceof VoiceError ? plainError(error) : { code: 'not-a-voice-error', message: String(error) };
  }
}

/** Keys are strings here, repeated to 32 bytes: JSON has no bytes. With `keys`, each user has their own, by userid. */
function encryptionOf({ key, keys, ...rest }) {
  if (keys === undefined) return { ...rest, key: bytes(key) };
  return { ...rest, keyFor: (userid) => (keys[userid] === undefined ? null : Promise.resolve(bytes(keys[userid]))) };
}

function bytes(text) {
  return new TextEncoder().encode(text.repeat(32).slice(0, 32));
}

/** Makes a client that sings a tone, or has the page's microphone if there is none. @returns its error, or null. */
async function start({ tone, token, tokenFunction = false, encryption, ...options }) {
  events = [];
  const track = tone === undefined ? undefined : (await microphone(tone)).track;
  client = new VoiceClient({
    url: location.origin,
    token: tokenFunction
      ? () => {
          tokens.push(token);
          return Promise.resolve(token);
        }
      : token,
    ...(track === undefined ? {} : { microphone: { track } }),
    ...(encryption === undefined ? {} : { encryption: encryptionOf(encryption) }),
    ...options,
  });
  for (const name of NAMES) {
    client.on(name, (value) => void events.push({ name, at: Date.now(), value: plain(value) }));
  }
  window.voiceClient = client;
  return outcome(client.connect());
}

/** Makes a client that is not connected yet. */
function make(token) {
  events = [];
  client = new VoiceClient({ url: location.origin, token });
  window.voiceClient = client;
}

/** Calls a method of the client. @returns its error, or null. */
function call(name, ...args) {
  return outcome(Promise.resolve().then(() => client[name](...args)));
}

/** For every slot that plays, by its index, the level of each of these tones. */
async function levels(tones) {
  const all = client.slots.map(async ({ stream, index }) => {
    const [track] = stream.getAudioTracks();
    return [index, track === undefined ? tones.map(() => -200) : await listen(track, tones)];
  });
  return Object.fromEntries(await Promise.all(all));
}

/** What the client knows. */
function state() {
  const { conversation, number, total, complete, muted, silenced, deafened, statistics, audioBlocked } = client;
  return {
    ...{
      state: client.state,
      conversation,
      number,
      total,
      complete,
      muted,
      silenced,
      deafened,
      statistics,
      audioBlocked,
    },
    participants: [...client.participants.values()],
    dominant: client.dominant?.userid ?? null,
    slots: client.slots.map(({ number, participant, available }) => ({
      number,
      userid: participant?.userid,
      available,
    })),
    speakers: client.speakers.map(({ number, participant, level }) => ({ number, userid: participant?.userid, level })),
    microphone: plain(client.microphone),
    volumes: client.slots.map(({ element }) => element?.volume ?? null),
  };
}

/** Waits until an expression about `client` and `events` holds. */
async function until(expression, seconds) {
  const holds = new Function('client', 'events', `return ${expression}`);
  const deadline = performance.now() + seconds * 1000;
  while (!holds(client, events)) {
    if (performance.now() > deadline)
      throw new Error(`never: ${expression}: ${JSON.stringify({ ...state(), last: events.slice(-8) })}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** When each voice was last heard and the longest pause between two moments at which it was, by userid. Milliseconds. */
let voices = new Map();
/** Who has which number, by receiver; and moments of numbers that nobody is known to have yet. */
let unknown = [];

/** Listens from now on to what is played in the slots: moments at which packets of somebody were. */
function watchVoices() {
  voices = new Map();
  const note = (userid, at) => {
    const voice = voices.get(userid) ?? { last: at, longest: 0 };
    voice.longest = Math.max(voice.longest, at - voice.last);
    voice.last = Math.max(voice.last, at);
    voices.set(userid, voice);
  };
  const look = () => {
    for (const { receiver } of client.slots) {
      if (receiver === null || receiver === undefined) continue;
      for (const { source, timestamp } of receiver.getContributingSources())
        unknown.push({ receiver, source, timestamp });
    }
    const mine = new Set(client.slots.map(({ receiver }) => receiver));
    const wait = [];
    for (const one of unknown.sort((a, b) => a.timestamp - b.timestamp)) {
      const userid = mine.has(one.receiver) ? client.participants.get(one.source)?.userid : undefined;
      if (userid !== undefined) note(userid, one.timestamp);
      else if (mine.has(one.receiver)) wait.push(one);
    }
    unknown = wait;
  };
  setInterval(look, 15);
}

/** The longest pause of each voice since it was first heard, until now. */
function pauses() {
  const now = performance.timeOrigin + performance.now();
  return Object.fromEntries(
    [...voices].map(([userid, { last, longest }]) => [userid, Math.round(Math.max(longest, now - last))]),
  );
}

/** How loud the first slot has been played, as milliseconds and level (root of the mean square) in turn; Chromium only. */
const played = [];

/** Listens from now on to what the first slot plays. */
function watchLoudness() {
  const [track] = client.slots[0].stream.getAudioTracks();
  const reader = new MediaStreamTrackProcessor({ track }).readable.getReader();
  const read = async () => {
    const { value, done } = await reader.read();
    if (done) return;
    const samples = new Float32Array(value.numberOfFrames);
    value.copyTo(samples, { planeIndex: 0, format: 'f32-planar' });
    const square = samples.reduce((sum, one) => sum + one * one, 0) / samples.length;
    played.push({ ms: value.duration / 1000, level: Math.sqrt(square) });
    value.close();
    await read();
  };
  read();
}

/** The longest time since the last call in which it was 20 dB quieter than usual, milliseconds of sound. */
function longestSilence() {
  const all = played.splice(0);
  const usual = all.map(({ level }) => level).sort((a, b) => a - b)[all.length >> 1];
  let silent = 0;
  return Math.round(
    Math.max(
      ...all.map(({ ms, level }) => {
        silent = level < usual / 10 ? silent + ms : 0;
        return silent;
      }),
    ),
  );
}

window.harness = {
  ...{
    bytes,
    start,
    make,
    call,
    levels,
    state,
    until,
    outcome,
    connect,
    watchVoices,
    pauses,
    watchLoudness,
    longestSilence,
    previewMicrophone,
    pushToTalk,
  },
  events: () => events,
  tokens: () => tokens,
};
