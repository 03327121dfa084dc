/**
 * The library's floor: a server that only sends. It connects clients as the real one does, with the same texts, and
 * then sends the same packets to the same number of peers from a bare loop over `sendMessageBinary`. It has no ring, no
 * worker and no rewriting, and receives nothing.
 *
 * As a relay (`FLOOR_KIND=relay`) it sends from the callback that delivers a speaker's packet. That is the least a
 * server on this library costs if it receives as well. The real server adds its ranking, its rewriting and its worker.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { Audio, PeerConnection, type Track } from 'node-datachannel';
import { type WebSocket, WebSocketServer } from 'ws';
import { writeAnswer, writeTransportOffer } from '../../src/main/sdp/answer.ts';
import { planOffer } from '../../src/main/sdp/plan.ts';
import type { Sample } from './protocol.ts';

const ports = (process.env['MEDIA_PORTS'] ?? '40000').split(',').map(Number);
const voices = Number(process.env['FLOOR_VOICES']);
/** People of a room who all hear each other; 0 for one room in which all hear the voices. */
const room = Number(process.env['FLOOR_ROOM']);
const payloadBytes = Number(process.env['FLOOR_PAYLOAD_BYTES']);
const relays = process.env['FLOOR_KIND'] === 'relay';
const intervalMs = Number(process.env['FLOOR_INTERVAL_MS']);
const LOOP_RESOLUTION_MS = 5;

interface Peer {
  /** Kept, because a connection is closed once JavaScript drops it. */
  readonly connection: PeerConnection;
  readonly track: Track;
  /** Without slots it gets nothing. */
  readonly slots: number;
}

/** In the order in which they came; with holes until they are connected. */
const peers: (Peer | undefined)[] = [];
let publishers = 0;
let sent = 0;
let failed = 0;

async function answer(socket: WebSocket, offer: string): Promise<void> {
  const plan = planOffer(offer, { maxSlots: 64, maxLines: 80, red: 'off' });
  const index = peers.length++;
  const port = ports[index % ports.length]!;
  const connection = new PeerConnection('floor', {
    iceServers: [],
    enableIceUdpMux: true,
    portRangeBegin: port,
    portRangeEnd: port,
    bindAddress: '127.0.0.1',
    disableAutoNegotiation: true,
    forceMediaTransport: true,
  });
  const audio = new Audio('0', 'SendRecv');
  audio.addOpusCodec(111);
  const track = connection.addTrack(audio);
  track.onClosed(() => undefined);
  if (relays && plan.publication !== null) {
    let voice = room > 0 ? index : -1;
    track.onMessage((packet) => {
      // RTCP is left out (RFC 5761, section 4), and so is the comfort noise of silent microphones, which nobody hears.
      if ((packet[1]! >= 192 && packet[1]! <= 223) || packet.length < payloadBytes) return;
      if (voice < 0) voice = publishers++;
      relay(voice, packet);
    });
  }
  connection.setRemoteDescription(writeTransportOffer(plan), 'offer');
  connection.setLocalDescription('answer');
  while (connection.gatheringState() !== 'complete') await new Promise((resolve) => setTimeout(resolve, 2));
  const { sdp } = connection.localDescription()!;
  const attribute = (name: string): string => new RegExp(`^a=${name}:(.*?)\\r?$`, 'm').exec(sdp)![1]!;
  const local = {
    ufrag: attribute('ice-ufrag'),
    pwd: attribute('ice-pwd'),
    fingerprint: attribute('fingerprint'),
    setup: attribute('setup'),
    candidates: [...sdp.matchAll(/^a=(candidate:.*?)\r?$/gm)].map((match) => match[1]!),
  };
  const ssrcs = plan.slots.map((_, i) => i + 1);
  socket.send(writeAnswer(plan, local, ssrcs, '1'));
  while (!track.isOpen()) await new Promise((resolve) => setTimeout(resolve, 2));
  peers[index] = { connection, track, slots: plan.slots.length };
  socket.close(1000);
}

const outgoing = Buffer.alloc(16 + payloadBytes, 0x55);
outgoing[0] = 0x81;
outgoing[1] = 111;
const sequences: number[] = [];

/** Returns the packet that all its listeners get, with its next numbers. */
function nextPacket(voice: number): Buffer {
  const sequence = (sequences[voice] ?? 0) + 1;
  sequences[voice] = sequence;
  outgoing.writeUInt16BE(sequence & 0xffff, 2);
  outgoing.writeUInt32BE((sequence * intervalMs * 48) % 2 ** 32, 4);
  outgoing.writeUInt32BE(voice + 1, 8);
  return outgoing;
}

/** Sends a speaker's packet to everybody, with a header of our own. */
function relay(voice: number, packet: Buffer): void {
  packet.copy(outgoing, 16, packet.length - payloadBytes);
  toAll(voice, nextPacket(voice));
}

function toAll(voice: number, packet: Buffer): void {
  if (room === 0) {
    for (const peer of peers) if (peer !== undefined && voice < peer.slots) deliver(peer, packet);
    return;
  }
  const first = voice - (voice % room);
  for (let other = first; other < first + room; other++) {
    const peer = peers[other];
    // Each hears as many of the others as it has slots, the first ones of the room.
    const place = voice - first - (voice > other ? 1 : 0);
    if (other !== voice && peer !== undefined && place < peer.slots) deliver(peer, packet);
  }
}

function deliver({ track }: Peer, packet: Buffer): void {
  try {
    if (track.sendMessageBinary(packet)) sent++;
    else failed++;
  } catch {
    failed++;
  }
}

/** Begins to send. Each voice's packet goes to all its listeners in one burst, as in the real server; phases are spread. */
function send(): void {
  const begun = performance.now();
  const count = room > 0 ? peers.length : voices;
  const due = Array.from({ length: count }, (_, i) => begun + (i * intervalMs) / count);
  setInterval(() => {
    const now = performance.now();
    for (let voice = 0; voice < count; voice++) {
      if (due[voice]! <= now) {
        // More than a packet of delay is not made up, or the loop would never end on a machine that cannot keep up.
        due[voice] = Math.max(due[voice]! + intervalMs, now - intervalMs);
        outgoing.writeBigUInt64BE(process.hrtime.bigint(), 16);
        toAll(voice, nextPacket(voice));
      }
    }
  }, 2);
}

const loop = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
loop.enable();
const server = createServer((request, response) => {
  if (request.url === '/send') send();
  response.end();
});
const websockets = new WebSocketServer({ server });
websockets.on('connection', (socket) => socket.once('message', (offer) => void answer(socket, String(offer))));
server.listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify({ msg: 'listening', port: (server.address() as AddressInfo).port }));
});
let utilization = performance.eventLoopUtilization();
setInterval(() => {
  const now = performance.eventLoopUtilization();
  const sample: Sample = {
    sent,
    dropped: failed,
    rss: process.memoryUsage.rss(),
    loopP99Ms: Math.max(0, loop.percentile(99) / 1e6 - LOOP_RESOLUTION_MS),
    loopBusy: performance.eventLoopUtilization(now, utilization).utilization,
    forwardUs: { p50: 0, p95: 0, p99: 0 },
    fill: { ingress: 0, egress: 0 },
  };
  utilization = now;
  loop.reset();
  console.log(JSON.stringify({ msg: 'sample', ...sample }));
}, 1000);
