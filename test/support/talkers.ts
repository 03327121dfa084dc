/**
 * Two people who talk at once, each the louder for a second in turn: real Opus at a real pace, from a process of its own.
 * `node talkers.js <server's URL> <milliseconds in a packet> <conversation>`; it writes "talking" once both are heard.
 */
import { readVoices } from '../../demo/speech/library.ts';
import { rtp } from './packets.ts';
import { WebrtcClient } from './webrtc.ts';

const LEVEL_ID = 1;
const LOUD = 15;
const SOFT = 55;
const TURN_MS = 1000;
const FRAME_MS = 20;
/** The table of contents of the frames that are used: hybrid, fullband, 20 ms, mono. */
const TOC = 0x78;
const COUNTED = 3;

const [url = '', packetMs = '20', conversation = 'talk'] = process.argv.slice(2);

/** Puts frames into one packet: RFC 6716, section 3.2.5, of different lengths. */
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

async function enter(number: number): Promise<(level: number) => void> {
  const claim = { userid: `talker-${conversation}-${number}`, clientid: 'client' };
  const ssrc = 1000 + number;
  const client = new WebrtcClient({
    ...{ url, claim, ssrc, slots: 1, publishes: true, payloadType: 111, data: false, levelId: LEVEL_ID },
  });
  await client.connect();
  const headers = { 'X-User-Claim': JSON.stringify(claim) };
  const joined = await fetch(`${url}/join/${conversation}`, { method: 'POST', headers });
  if (joined.status !== 200) throw new Error(`join: ${joined.status}`);
  const frames = readVoices()[number]!.sentences.flatMap(({ packets }) => packets.filter(([toc]) => toc === TOC));
  const count = Number(packetMs) / FRAME_MS;
  let sequence = 100 * number;
  return (level) => {
    const at = (sequence * count) % (frames.length - count);
    const payload = together(frames.slice(at, at + count));
    const timestamp = sequence * count * 960;
    client.send(rtp({ sequence: sequence++, timestamp, ssrc, payload, level: { id: LEVEL_ID, level } }));
  };
}

const voices = await Promise.all([enter(0), enter(1)]);
const begun = performance.now();
/** The second one speaks in the midst of the first one's packets. */
const due = [0, Number(packetMs) * 0.4];
setInterval(() => {
  for (const [i, say] of voices.entries()) {
    while (performance.now() - begun >= due[i]!) {
      const turn = Math.floor(due[i]! / TURN_MS) % 2;
      say(turn === i ? LOUD : SOFT);
      due[i]! += Number(packetMs);
    }
  }
}, 2);
process.stdout.write('talking\n');
process.on('disconnect', () => process.exit(0));
