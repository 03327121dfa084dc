/**
 * Two clients that talk at once, each the louder one for a second in turn: real Opus at a real pace, in a process of
 * its own. `node talkers.js <server's URL> <conversation> <opus or red> <milliseconds in a packet of the first> <of the
 * second>` writes "talking" once both have joined.
 */
import { readVoices } from '../../demo/speech/library.ts';
import { rtp } from './packets.ts';
import { redPayload } from './red.ts';
import { WebrtcClient } from './webrtc.ts';

const LEVEL_ID = 1;
const LOUD = 15;
const SOFT = 55;
const TURN_MS = 1000;
const FRAME_MS = 20;
const FRAME_TICKS = 960;
/** The TOC byte of the frames used (RFC 6716, section 3.1): hybrid, fullband, 20 ms, mono. */
const TOC = 0x78;
const COUNTED = 3;

const OPUS = 111;
const RED = 63;

const [url = '', conversation = 'talk', format = 'opus', ...lengths] = process.argv.slice(2);
/** Milliseconds in a packet of each talker. */
const [first = 20, second = first] = lengths.map(Number);

/** Puts frames of different lengths into one packet (RFC 6716, section 3.2.5). */
function together(frames: readonly Uint8Array[]): Buffer {
  const [first] = frames;
  if (frames.length === 1) return Buffer.from(first!);
  const lengths = frames.slice(0, -1).map((frame) => {
    const length = frame.length - 1;
    return length < 252 ? [length] : [252 + (length & 3), (length - 252 - (length & 3)) >> 2];
  });
  const header = Buffer.from([TOC | COUNTED, 0x80 | frames.length, ...lengths.flat()]);
  return Buffer.concat([header, ...frames.map((frame) => frame.subarray(1))]);
}

async function enter(number: number, packetMs: number): Promise<(level: number) => void> {
  const claim = { userid: `talker-${conversation}-${number}`, clientid: 'client' };
  const ssrc = 1000 + number;
  const client = new WebrtcClient({
    ...{ url, claim, ssrc, slots: 1, publishes: true, payloadType: OPUS, data: false, levelId: LEVEL_ID },
    ...(format === 'red' ? { redPayloadType: RED } : {}),
  });
  await client.connect();
  const headers = { 'X-User-Claim': JSON.stringify(claim) };
  const joined = await fetch(`${url}/join/${conversation}`, { method: 'POST', headers });
  if (joined.status !== 200) throw new Error(`join: ${joined.status}`);
  const frames = readVoices()[number]!.sentences.flatMap(({ packets }) => packets.filter(([toc]) => toc === TOC));
  const count = packetMs / FRAME_MS;
  const age = count * FRAME_TICKS;
  let before: Buffer | undefined;
  let sequence = 100 * number;
  return (level) => {
    const at = (sequence * count) % (frames.length - count);
    const opus = together(frames.slice(at, at + count));
    const payload = format === 'red' ? redPayload(opus, before && [{ age, payload: before }]) : opus;
    before = opus;
    const payloadType = format === 'red' ? RED : OPUS;
    const timestamp = sequence * age;
    client.send(rtp({ payloadType, sequence: sequence++, timestamp, ssrc, payload, level: { id: LEVEL_ID, level } }));
  };
}

const voices = await Promise.all([enter(0, first), enter(1, second)]);
const begun = performance.now();
/** The second talker's packets begin in the middle of the first one's. */
const due = [0, first * 0.4];
setInterval(() => {
  for (const [i, say] of voices.entries()) {
    while (performance.now() - begun >= due[i]!) {
      const turn = Math.floor(due[i]! / TURN_MS) % 2;
      say(turn === i ? LOUD : SOFT);
      due[i]! += [first, second][i]!;
    }
  }
}, 2);
process.stdout.write('talking\n');
process.on('disconnect', () => process.exit(0));
