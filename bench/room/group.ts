/** One process of the room benchmark's clients: publishers that send by a clock, or listeners. */
import { randomInt } from 'node:crypto';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { SILENCE } from '../../src/rtp/audio-level.ts';
import { WebrtcClient } from '../../test/support/webrtc.ts';
import { LEVEL_ID, LEVEL_OFFSET, spokenLevel } from '../cases/packets.ts';
import {
  DTX_BYTES,
  DTX_INTERVAL_MS,
  FRAME_MS,
  Frame,
  type SpurtOptions,
  Spurts,
  spurtLevel,
} from '../cluster/spurts.ts';
import type { FromGroup, GroupOptions, GroupReport, ToGroup } from './protocol.ts';

/** Connections that are set up at the same time. */
const PARALLEL = 16;
/** One packet in this many is timed. */
const TIMED_ONE_IN = 8;
const LOOP_RESOLUTION_MS = 5;
/** First SSRC of silent microphones, away from those of speakers. */
const SILENT_SSRCS = 1_000_000;
/** Most packets that a late publisher sends at once. */
const MAX_BURST = 5;

interface Stream {
  first: number;
  last: number;
  received: number;
}

const clients: WebrtcClient[] = [];
let streams = new Map<string, Stream>();
let latencies: number[] = [];
let sent = 0;
let seen = 0;
let talking: NodeJS.Timeout | undefined;
const loop = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });

async function open(options: GroupOptions): Promise<number> {
  let next = 0;
  let joined = 0;
  const one = async (): Promise<void> => {
    while (next < options.count) {
      const number = next++;
      const claim = { userid: `${options.name}-${number}`, clientid: 'bench' };
      const url = options.urls?.[number % options.urls.length] ?? options.url;
      const received = (mid: string, packet: Buffer): void => take(`${number}/${mid}`, packet);
      const client = new WebrtcClient(
        {
          url,
          claim,
          slots: options.slots,
          publishes: options.publishes,
          payloadType: 111,
          ssrc: options.publishes ? number + (options.silent === true ? SILENT_SSRCS : 1) : null,
          // Nobody says goodbye here, so data channels would only add SCTP's own timers.
          data: options.data ?? false,
          ...(options.levels === true ? { levelId: LEVEL_ID } : {}),
          ports: options.ports,
        },
        options.measured ? received : undefined,
      );
      clients.push(client);
      await client.connect();
      const headers = { 'X-User-Claim': JSON.stringify(claim) };
      const response = await fetch(`${url}/join/${roomOf(options, number)}`, { method: 'POST', headers });
      if (response.ok) joined++;
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, one));
  return Math.min(joined, clients.filter(({ close }) => close?.code === 1000).length);
}

function roomOf({ room, firstRoom, perRoom = 1 }: GroupOptions, number: number): string {
  return firstRoom === undefined ? room : `${room}-${Math.floor((firstRoom + number) / perRoom)}`;
}

/**
 * Makes every publisher send a packet each interval. Their phases are spread over the interval.
 *
 * @param silent whether microphones are open and nobody talks: they send comfort noise, at the pace of Opus's
 *   discontinuous transmission.
 */
function talk(payloadBytes: number, speechIntervalMs: number, silent: boolean): void {
  const intervalMs = silent ? DTX_INTERVAL_MS : speechIntervalMs;
  const begun = performance.now();
  const voices = clients.map((client, i) => ({
    client,
    packet: silent ? voicePacket(SILENT_SSRCS + i, DTX_BYTES) : voicePacket(i + 1, payloadBytes),
    due: begun + (i * intervalMs) / clients.length,
    sequence: randomInt(2 ** 15),
    timestamp: randomInt(2 ** 31),
  }));
  talking = setInterval(() => {
    const now = performance.now();
    for (const voice of voices) {
      for (let burst = 0; voice.due <= now && burst < MAX_BURST; burst++) {
        voice.due += intervalMs;
        voice.packet.writeUInt16BE(voice.sequence++ & 0xffff, 2);
        voice.packet.writeUInt32BE(voice.timestamp, 4);
        voice.timestamp = (voice.timestamp + intervalMs * 48) % 2 ** 32;
        voice.packet[LEVEL_OFFSET] = 0x80 | (silent ? SILENCE : spokenLevel(voice.sequence, voice.timestamp >>> 20));
        if (!silent) voice.packet.writeBigUInt64BE(process.hrtime.bigint(), 20);
        if (voice.client.send(voice.packet)) sent++;
      }
    }
  }, 2);
}

/**
 * Makes every publisher talk and pause at random: packets of speech each frame, comfort noise in between.
 *
 * @param options the seed of the first publisher; each of the others has the next one.
 */
function converse(payloadBytes: number, options: SpurtOptions): void {
  const begun = performance.now();
  const voices = clients.map((client, i) => ({
    client,
    number: options.seed + i,
    spurts: new Spurts({ ...options, seed: options.seed + i }),
    speech: voicePacket(i + 1, payloadBytes),
    noise: voicePacket(i + 1, DTX_BYTES),
    due: begun + (i * FRAME_MS) / clients.length,
    sequence: 0,
  }));
  talking = setInterval(() => {
    const now = performance.now();
    for (const voice of voices) {
      for (; voice.due <= now; voice.due += FRAME_MS) {
        const frame = voice.spurts.next();
        if (frame === Frame.Nothing) continue;
        const packet = frame === Frame.Speech ? voice.speech : voice.noise;
        packet.writeUInt16BE(voice.sequence++ & 0xffff, 2);
        packet.writeUInt32BE((voice.spurts.frames * FRAME_MS * 48) % 2 ** 32, 4);
        packet[LEVEL_OFFSET] = frame === Frame.Speech ? 0x80 | spurtLevel(voice.spurts.frames, voice.number) : SILENCE;
        if (frame === Frame.Speech) packet.writeBigUInt64BE(process.hrtime.bigint(), 20);
        if (voice.client.send(packet)) sent++;
      }
    }
  }, 2);
}

/** Returns a packet with a header, an extension for the level, and a payload that begins with the time. */
function voicePacket(ssrc: number, payloadBytes: number): Buffer {
  const packet = Buffer.alloc(20 + payloadBytes, 0x55);
  packet[0] = 0x90;
  packet[1] = 111;
  packet.writeUInt32BE(ssrc, 8);
  packet.writeUInt32BE(0xbede0001, 12);
  packet.writeUInt32BE(0x109e0000, 16);
  return packet;
}

function take(key: string, packet: Buffer): void {
  const second = packet[1]!;
  if (second >= 192 && second <= 223) return;
  const sequence = packet.readUInt16BE(2);
  const stream = streams.get(key);
  if (stream === undefined) {
    streams.set(key, { first: sequence, last: sequence, received: 1 });
  } else {
    const step = ((sequence - stream.last) << 16) >> 16;
    if (step > 0) stream.last += step;
    stream.received++;
  }
  const payload = 12 + (packet[0]! & 15) * 4;
  // Shorter payloads are the server's own frames of silence.
  if (packet.length >= payload + 8 && ++seen % TIMED_ONE_IN === 0) {
    latencies.push(Number(process.hrtime.bigint() - packet.readBigUInt64BE(payload)) / 1e6);
  }
}

function report(): GroupReport {
  let received = 0;
  let lost = 0;
  for (const stream of streams.values()) {
    received += stream.received;
    lost += Math.max(0, stream.last - stream.first + 1 - stream.received);
  }
  const loopP99Ms = Math.max(0, loop.percentile(99) / 1e6 - LOOP_RESOLUTION_MS);
  return { sent, received, lost, latencies: latencies.sort((a, b) => a - b), loopP99Ms };
}

function reset(): void {
  streams = new Map();
  latencies = [];
  sent = 0;
  loop.reset();
}

const tell = (message: FromGroup): void => void process.send!(message);

process.on('message', async (message: ToGroup) => {
  switch (message.type) {
    case 'open':
      tell({ type: 'opened', connected: await open(message.options) });
      loop.enable();
      return;
    case 'talk':
      if (message.spurts !== null) converse(message.payloadBytes, message.spurts);
      else talk(message.payloadBytes, message.intervalMs, message.silent);
      return tell({ type: 'talking' });
    case 'hush':
      clearInterval(talking);
      return tell({ type: 'silent' });
    case 'reset':
      return reset();
    case 'report':
      return tell({ type: 'report', report: report() });
    default:
      message satisfies never;
  }
});
process.on('disconnect', () => process.exit(0));
