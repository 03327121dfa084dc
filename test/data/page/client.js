/**
 * A voice client for the browser tests: a tone for a microphone, a recorder and a frequency detector for ears.
 *
 * The tests call the functions of `window.voice` by name from outside the page, so what goes in and comes out is JSON.
 *
 * Nothing here uses a running AudioContext: Firefox does not start one on a machine without an audio device. Media elements
 * and recorders run everywhere.
 */

/** How long any one step of connecting may take. Milliseconds. */
const STEP_MS = 60_000;

/** How long one look at the received sound is. Milliseconds. */
const LISTEN_MS = 400;

/** Samples of it that are analysed, a third of a second at 48 kHz: longer than one swell of the tone. */
const WINDOW = 16_384;

const RATE = 48_000;

/** Length of the sound before it repeats: longer than a test. Seconds. */
const TONE_S = 60;

/** Swells of the tone a second, as often as syllables in speech. */
const SWELL_HZ = 4;

let session;

/**
 * A WAV file of one note. It swells and fades like syllables, because speaker detection by level takes an even sound for
 * background noise. (Opus's discontinuous transmission does not: it sends an even tone as well.)
 *
 * @param gains how loud each second is, in dB below full loudness, over and over.
 */
function wav(tone, gains) {
  const count = RATE * TONE_S;
  const view = new DataView(new ArrayBuffer(44 + 2 * count));
  const text = (at, value) => [...value].forEach((char, i) => void view.setUint8(at + i, char.charCodeAt(0)));
  text(0, 'RIFF');
  view.setUint32(4, 36 + 2 * count, true);
  text(8, 'WAVEfmt ');
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, 1, true); // mono
  view.setUint32(24, RATE, true);
  view.setUint32(28, 2 * RATE, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, 'data');
  view.setUint32(40, 2 * count, true);
  for (let i = 0; i < RATE; i++) {
    const turn = (2 * Math.PI * i) / RATE;
    const loudness = 0.22 + 0.2 * Math.sin(SWELL_HZ * turn);
    view.setInt16(44 + 2 * i, 32_767 * loudness * Math.sin(tone * turn), true);
  }
  // Whole numbers of Hz: every second is like the first, but for its loudness.
  const samples = new Int16Array(view.buffer, 44);
  for (let second = TONE_S - 1; second >= 0; second--) {
    const gain = 10 ** (gains[second % gains.length] / 20);
    for (let i = 0; i < RATE; i++) samples[second * RATE + i] = samples[i] * gain;
  }
  return new Blob([view.buffer], { type: 'audio/wav' });
}

/** A microphone that sings one note, with {@link wav}'s gains, or plays a sound given by its URL. */
async function microphone(tone, { sound, gains = [0] } = {}) {
  const element = new Audio(sound ?? URL.createObjectURL(wav(tone, gains)));
  element.loop = true;
  const stream = element.captureStream ? element.captureStream() : element.mozCaptureStream();
  await element.play();
  await when(stream, 'addtrack', () => stream.getAudioTracks().length > 0);
  return { element, track: stream.getAudioTracks()[0] };
}

/** A camera that shows nothing. */
function camera() {
  const canvas = document.createElement('canvas');
  canvas.getContext('2d');
  return canvas.captureStream().getVideoTracks()[0];
}

/** The level of each tone in these samples, in dB relative to a full-scale sine; null if they are too few to say. */
function levelsOf(samples, tones) {
  if (samples.length < WINDOW) return null;
  const last = samples.subarray(-WINDOW);
  const windowed = last.map((sample, i) => sample * (1 - Math.cos((2 * Math.PI * i) / last.length)));
  return tones.map((tone) => {
    let re = 0;
    let im = 0;
    for (let i = 0; i < windowed.length; i++) {
      const phase = (2 * Math.PI * tone * i) / RATE;
      re += windowed[i] * Math.cos(phase);
      im += windowed[i] * Math.sin(phase);
    }
    // The floor stands for digital silence: JSON has no -Infinity.
    return Math.round(20 * Math.log10((2 * Math.hypot(re, im)) / last.length + 1e-10));
  });
}

/** What a track plays in the next moment: the level of each tone. */
async function listen(track, tones) {
  const recorder = new MediaRecorder(new MediaStream([track]), { audioBitsPerSecond: 128_000 });
  const chunks = [];
  recorder.ondataavailable = ({ data }) => chunks.push(data);
  const stopped = new Promise((resolve) => {
    recorder.onstop = resolve;
  });
  recorder.start();
  await new Promise((resolve) => setTimeout(resolve, LISTEN_MS));
  recorder.stop();
  await within('recording stopped', stopped);
  const recording = await new Blob(chunks).arrayBuffer();
  // On a busy machine the recorder may not have come to a single sound: too short to decode is too short to measure.
  const sound = await new OfflineAudioContext(1, 1, RATE).decodeAudioData(recording).catch(() => null);
  return sound === null ? null : levelsOf(sound.getChannelData(0), tones);
}

/** Fails by name when a step takes too long. */
function within(step, promise) {
  const deadline = new Promise((_, reject) => {
    setTimeout(() => reject(new Error(`${step}: not within ${STEP_MS} ms`)), STEP_MS);
  });
  return Promise.race([promise, deadline]);
}

/** Resolves when `holds` does; looks again at every `event` of the target. */
function when(target, event, holds) {
  return new Promise((resolve) => {
    const look = () => holds() && resolve();
    target.addEventListener(event, look);
    look();
  });
}

const connected = (pc) =>
  within(
    'peer connection connected',
    when(pc, 'connectionstatechange', () => pc.connectionState === 'connected'),
  );

/** The offer, complete with candidates, of a connection with this microphone and so many listening slots. */
async function makeOffer(
  pc,
  track,
  { first, slots = 1, video = false, dataChannel = false, listenOnly = false, red = true, e2ee = false },
) {
  if (first) await offerFirst(pc, first);
  if (listenOnly) pc.addTransceiver('audio', { direction: 'recvonly' });
  else pc.addTransceiver(track, { direction: 'sendrecv', streams: [new MediaStream([track])] });
  for (let slot = 1; slot < slots; slot++) pc.addTransceiver('audio', { direction: 'recvonly' });
  if (!red) pc.getTransceivers().forEach(withoutRed);
  if (e2ee) pc.getTransceivers().forEach(encrypt);
  if (video) pc.addTransceiver(camera(), { direction: 'sendrecv', streams: [new MediaStream([track])] });
  if (dataChannel) pc.createDataChannel('data');
  await pc.setLocalDescription(await pc.createOffer());
  return gathered(pc);
}

/** Puts something else onto the first m-line, by which a bundle's transport is described. */
async function offerFirst(pc, first) {
  if (first === 'video') pc.addTransceiver(camera(), { direction: 'sendrecv' });
  else if (first === 'inactive') pc.addTransceiver('audio', { direction: 'inactive' });
  else if (first === 'pcmu') {
    const { codecs } = RTCRtpReceiver.getCapabilities('audio');
    const pcmu = codecs.filter(({ mimeType }) => mimeType.toLowerCase() === 'audio/pcmu');
    pc.addTransceiver('audio', { direction: 'sendrecv' }).setCodecPreferences(pcmu);
  } else {
    // A data channel comes after all media, unless it was offered before them.
    pc.createDataChannel('data');
    await pc.setLocalDescription(await pc.createOffer());
  }
}

/** Takes RED out of what an audio line offers. */
function withoutRed(transceiver) {
  const { codecs } = RTCRtpReceiver.getCapabilities('audio');
  transceiver.setCodecPreferences(codecs.filter(({ mimeType }) => mimeType.toLowerCase() !== 'audio/red'));
}

/** Encrypts whole frames end to end, as far as the server can tell; frames of silence, which it makes itself, stay plain. */
const CIPHER = `
  const SILENCE = [0xf8, 0xff, 0xfe];
  const cipher = ({ data }) => {
    const bytes = new Uint8Array(data);
    if (bytes.length === 3 && SILENCE.every((byte, i) => bytes[i] === byte)) return data;
    return bytes.map((byte, i) => byte ^ (0x5a + 31 * i)).buffer;
  };
  onrtctransform = ({ transformer: { readable, writable } }) => {
    const transform = (frame, controller) => {
      frame.data = cipher(frame);
      controller.enqueue(frame);
    };
    readable.pipeThrough(new TransformStream({ transform })).pipeTo(writable);
  };
`;

function encrypt({ sender, receiver }) {
  const worker = new Worker(URL.createObjectURL(new Blob([CIPHER], { type: 'text/javascript' })));
  sender.transform = new RTCRtpScriptTransform(worker, {});
  receiver.transform = new RTCRtpScriptTransform(worker, {});
}

/** The local description, complete with candidates. */
async function gathered(pc) {
  await within(
    'candidates gathered',
    when(pc, 'icegatheringstatechange', () => pc.iceGatheringState === 'complete'),
  );
  return pc.localDescription.sdp;
}

/** One signalling exchange: the offer as the first frame, the answer as the only one that comes back. */
function exchange(socket, offer) {
  return new Promise((resolve, reject) => {
    socket.onopen = () => socket.send(offer);
    socket.onmessage = ({ data }) => resolve(data);
    socket.addEventListener('close', ({ code, reason }) => {
      reject(new Error(`websocket closed without an answer: ${code} ${reason}`));
    });
  });
}

/** Makes this the connection that the page's other functions speak of. */
function adopt({ pc, ...rest }) {
  const slots = new Map();
  pc.addEventListener('track', ({ track, transceiver }) => {
    // Chromium decodes a remote track only while a media element plays it.
    const element = new Audio();
    element.muted = true;
    element.srcObject = new MediaStream([track]);
    element.play().catch(() => undefined);
    slots.set(transceiver.mid, { track, element });
  });
  session = { pc, slots, ...rest };
}

function close() {
  if (!session) return;
  for (const { element } of session.slots.values()) element.srcObject = null;
  session.mic?.element.pause();
  session.pc.close();
  session.far?.close();
  session = undefined;
}

/** How the server closes the websocket. */
function closing(socket) {
  return new Promise((resolve) => {
    socket.addEventListener('close', ({ code, reason }) => resolve({ code, reason }));
  });
}

/** Connects to the server. Resolves once the peer connection is connected and the server has closed the websocket. */
async function connect({ token, tone, sound, gains, events = false, bundlePolicy = 'balanced', ...shape }) {
  close();
  const mic = await microphone(tone, { sound, gains });
  const pc = new RTCPeerConnection({ bundlePolicy });
  adopt({ pc, mic });
  if (events) openEvents(pc);
  const offer = await makeOffer(pc, mic.track, shape);
  const socket = new WebSocket(`${location.origin.replace('http', 'ws')}/connect?token=${encodeURIComponent(token)}`);
  const closed = closing(socket);
  const answer = await within('answer received', exchange(socket, offer));
  await pc.setRemoteDescription({ type: 'answer', sdp: answer });
  await connected(pc);
  const { code, reason } = await within('websocket closed by the server', closed);
  return { offer, answer, code, reason };
}

/**
 * Connects, and does something else with the answer: takes it, rejects it and stays, or rejects it and closes.
 *
 * @param port of this machine that is taken for the server's; the page's own candidates are kept from the server then. 0 for none.
 * @returns how the server closes the websocket.
 */
async function fail({ token, tone, takes = false, stays = true, port = 0 }) {
  close();
  const mic = await microphone(tone);
  const pc = new RTCPeerConnection();
  adopt({ pc, mic });
  const offer = await makeOffer(pc, mic.track, {});
  const socket = new WebSocket(`${location.origin.replace('http', 'ws')}/connect?token=${encodeURIComponent(token)}`);
  const closed = closing(socket);
  const candidate = /^a=candidate:.*\r\n/gm;
  const sdp = await within('answer received', exchange(socket, port === 0 ? offer : offer.replace(candidate, '')));
  const elsewhere = sdp.replace(/^(a=candidate:\S+ \d+ UDP \d+) \S+ \d+ /gim, `$1 127.0.0.1 ${port} `);
  if (takes) await pc.setRemoteDescription({ type: 'answer', sdp: elsewhere });
  else {
    const unusable = sdp.replaceAll(/^a=fingerprint:.*\r\n/gm, '');
    const taken = await pc.setRemoteDescription({ type: 'answer', sdp: unusable }).then(
      () => true,
      () => false,
    );
    if (taken) throw new Error('the browser takes an answer without a fingerprint');
  }
  if (!stays) pc.close();
  return within('websocket closed by the server', closed);
}

/** Opens the data channel for events and keeps what comes. */
function openEvents(pc) {
  const channel = pc.createDataChannel('events');
  session.channel = channel;
  session.told = [];
  channel.onmessage = ({ data }) => session.told.push(data);
}

/** The events since the last call. */
function told() {
  return session.told.splice(0);
}

/** Asks for something over the events' channel. */
function ask(text) {
  session.channel.send(text);
}

/** The offer that `connect` would send. */
async function offer(shape) {
  const { track } = await microphone(440);
  const pc = new RTCPeerConnection();
  const sdp = await makeOffer(pc, track, shape);
  pc.close();
  return sdp;
}

/** Two connections within this page, one singing and one listening: what a tone sounds like after Opus with DTX. */
async function loopback({ tone }) {
  close();
  const mic = await microphone(tone);
  const far = new RTCPeerConnection();
  const pc = new RTCPeerConnection();
  adopt({ pc, mic, far });
  await pc.setRemoteDescription({ type: 'offer', sdp: await makeOffer(far, mic.track, {}) });
  await pc.setLocalDescription(await pc.createAnswer());
  const answer = (await gathered(pc)).replace('useinbandfec=1', 'useinbandfec=1;usedtx=1');
  await far.setRemoteDescription({ type: 'answer', sdp: answer });
  await connected(far);
}

/** Moves the token's user: 'POST' joins, 'DELETE' leaves. */
async function membership({ method, token, conversation }) {
  const headers = { Authorization: `Bearer ${token}` };
  const response = await fetch(`/join/${encodeURIComponent(conversation)}`, { method, headers });
  return { status: response.status, body: await response.text() };
}

/** For every slot, by mid, the level of each of these tones. */
async function levels(tones) {
  const slots = [...session.slots].map(async ([mid, { track }]) => [mid, await listen(track, tones)]);
  return Object.fromEntries(await Promise.all(slots));
}

async function stats() {
  const { pc } = session;
  const report = await pc.getStats();
  const entries = [...report.values()];
  const inbound = {};
  let packetsSent = 0;
  let bytesSent = 0;
  for (const entry of entries) {
    if (entry.type === 'outbound-rtp') {
      packetsSent += entry.packetsSent;
      bytesSent += entry.bytesSent;
    }
    if (entry.type !== 'inbound-rtp') continue;
    const { mid, ssrc, packetsReceived, bytesReceived, packetsLost, concealedSamples, totalSamplesReceived } = entry;
    const { jitterBufferDelay, jitterBufferEmittedCount, packetsDiscarded } = entry;
    inbound[mid] = {
      ...{ ssrc, packetsReceived, bytesReceived, packetsLost, concealedSamples, totalSamplesReceived },
      ...{ jitterBufferDelay, jitterBufferEmittedCount, packetsDiscarded },
    };
  }
  const pair = entries.find(
    (entry) => entry.type === 'candidate-pair' && entry.nominated && entry.state === 'succeeded',
  );
  const end = (id) => {
    const { candidateType, address, port } = report.get(id) ?? {};
    return { candidateType, address, port };
  };
  return {
    connectionState: pc.connectionState,
    packetsSent,
    bytesSent,
    inbound,
    pair: pair && { local: end(pair.localCandidateId), remote: end(pair.remoteCandidateId) },
  };
}

/** What became of each m-line with media, in their order, and what was sent for each. */
async function lines() {
  const entries = [...(await session.pc.getStats()).values()].filter(({ type }) => type === 'outbound-rtp');
  return session.pc.getTransceivers().map(({ mid, direction, currentDirection, receiver }) => ({
    kind: receiver.track.kind,
    direction: currentDirection ?? direction,
    sent: entries.filter((entry) => entry.mid === mid).reduce((sum, { packetsSent }) => sum + packetsSent, 0),
  }));
}

/** What the server's reports have told this page, and what it counted itself. */
async function reports() {
  const entries = [...(await session.pc.getStats()).values()];
  const of = (type) => entries.filter((entry) => entry.type === type);
  return {
    now: performance.timeOrigin + performance.now(),
    outbound: of('outbound-rtp')[0],
    remoteInbound: of('remote-inbound-rtp')[0],
    inbound: of('inbound-rtp'),
    remoteOutbound: of('remote-outbound-rtp'),
  };
}

/** For every slot, by mid, the contributing sources heard in it of late. */
function csrcs() {
  const receivers = session.pc.getTransceivers().filter(({ receiver }) => receiver.track.kind === 'audio');
  return Object.fromEntries(
    receivers.map(({ mid, receiver }) => [mid, receiver.getContributingSources().map(({ source }) => source)]),
  );
}

/** Who is in each slot now, by mid: the contributing source of its newest packet. */
function speakers() {
  const receivers = session.pc.getTransceivers().filter(({ receiver }) => receiver.track.kind === 'audio');
  const newest = (all) => all.reduce((a, b) => (b.timestamp > (a?.timestamp ?? 0) ? b : a), null);
  return Object.fromEntries(
    receivers.map(({ mid, receiver }) => [mid, newest(receiver.getContributingSources())?.source ?? null]),
  );
}

/** Looks at {@link speakers} every few milliseconds for so long. Says when, since 1970, what changed in which slot. */
async function watchSpeakers(milliseconds) {
  const changes = [];
  let before = speakers();
  for (const begun = performance.now(); performance.now() - begun < milliseconds; ) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    const now = speakers();
    for (const [mid, speaker] of Object.entries(now)) {
      if (before[mid] !== speaker) changes.push({ at: performance.timeOrigin + performance.now(), mid, speaker });
    }
    before = now;
  }
  return changes;
}

/** Sings on with other loudness. Resolves with the time, since 1970, from which on that is so. */
async function sing({ tone, gains }) {
  const mic = await microphone(tone, { gains });
  const sender = session.pc.getSenders().find(({ track }) => track === session.mic.track);
  await sender.replaceTrack(mic.track);
  session.mic.element.pause();
  session.mic = mic;
  return performance.timeOrigin + performance.now();
}

/** Mutes or unmutes the microphone as applications do it: the track goes on, in silence. */
function mute(muted) {
  session.mic.track.enabled = !muted;
}

window.voice = {
  ...{ microphone, when, adopt, closing, connected },
  ...{ connect, offer, loopback, membership, levels, stats, lines, reports, csrcs, mute, close },
  ...{ speakers, watchSpeakers, sing, told, ask, fail },
};
