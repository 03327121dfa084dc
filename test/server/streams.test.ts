/** Publishers whose streams differ from their offers, over real UDP and DTLS: what listeners hear, and the reports. */
import { equal, is, ok } from 'uvu/assert';
import { RtcpPacketConverter, type RtcpReceiverInfo, RtcpRrPacket } from 'werift-rtp';
import { ClientHost, type ReceivedPacket, SILENCE } from '../support/client.ts';
import { rtp } from '../support/packets.ts';
import { scenarios } from '../support/scenario.ts';
import { claimHeader, type RunningServer, startServer } from '../support/server.ts';
import { pause, until } from '../support/waiting.ts';
import { WebrtcClient } from '../support/webrtc.ts';

const test = scenarios('streams');
const DECLARED = 1000;
const OTHER = 2000;
const PACKET_MS = 20;

let running: Promise<RunningServer> | undefined;
const server = (): Promise<RunningServer> => {
  running ??= startServer({ WORKERS: '1' });
  return running;
};
const host = new ClientHost();
let rooms = 0;

/** A publisher whose packets the test makes, and a listener. */
class Pair {
  /** Reports that the publisher got. */
  readonly told: RtcpReceiverInfo[] = [];
  private readonly publisher: WebrtcClient;
  private readonly listener: Awaited<ReturnType<ClientHost['connect']>>;

  private constructor(publisher: WebrtcClient, listener: Pair['listener'], told: RtcpReceiverInfo[]) {
    this.publisher = publisher;
    this.listener = listener;
    this.told = told;
  }

  static async meet(ssrc: number | null): Promise<Pair> {
    const { url } = await server();
    const room = `streams-${++rooms}`;
    const told: RtcpReceiverInfo[] = [];
    const claim = { userid: `${room}-publisher`, clientid: 'client' };
    const options = { url, claim, ssrc, slots: 1, publishes: true, payloadType: 111, data: false };
    const publisher = new WebrtcClient(options, (_, packet) => {
      if (packet[1]! < 192 || packet[1]! > 223) return;
      for (const report of RtcpPacketConverter.deSerialize(packet)) {
        if (report instanceof RtcpRrPacket) told.push(...report.reports);
      }
    });
    await publisher.connect();
    equal(publisher.close, { code: 1000, reason: 'connected' });
    const listener = await host.connect(url, `${room}-listener`, { slots: 1, publishes: false });
    for (const name of [claim.userid, listener.name]) {
      const { status } = await fetch(`${url}/join/${room}`, { method: 'POST', headers: claimHeader(name) });
      is(status, 200);
    }
    return new Pair(publisher, listener, told);
  }

  /** Sends this many packets, one every 20 ms on average. */
  async send(count: number, packet: (i: number) => Buffer): Promise<void> {
    const begun = performance.now();
    for (let i = 0; i < count; i++) {
      while (performance.now() - begun < i * PACKET_MS) await pause(2);
      ok(this.publisher.send(packet(i)));
    }
  }

  /** Waits until the packet with this number has arrived. @returns all packets with sound. */
  async hears(last: number): Promise<ReceivedPacket[]> {
    const withSound = (packets: readonly ReceivedPacket[]): ReceivedPacket[] =>
      packets.filter(({ from }) => from !== SILENCE);
    return withSound(await this.listener.receives((packets) => withSound(packets).at(-1)?.count === last));
  }

  async end(): Promise<void> {
    this.publisher.end();
    await this.listener.end();
  }
}

/** Returns a packet with a number for the listener in its payload. */
function sound(ssrc: number, sequence: number, count: number): Buffer {
  const payload = Buffer.alloc(12, 'x');
  payload.writeBigUInt64BE(BigInt(count));
  return rtp({ ssrc, sequence, timestamp: count * 960, payload });
}

/** Checks that the sequence numbers have no hole. */
function inARow(heard: readonly ReceivedPacket[]): void {
  for (let i = 1; i < heard.length; i++)
    is((heard[i]!.sequence - heard[i - 1]!.sequence) & 0xffff, 1, `after packet ${i - 1}`);
  is(new Set(heard.map(({ ssrc }) => ssrc)).size, 1);
}

for (const declared of [DECLARED, null]) {
  const offer = declared === null ? 'that declared none' : 'that declared another one';
  test(`an SSRC that a publisher ${offer} uses from the start is heard completely`, async () => {
    const pair = await Pair.meet(declared);
    await pair.send(100, (i) => sound(OTHER, i, i));
    const heard = await pair.hears(99);
    equal(
      heard.map(({ count }) => count),
      Array.from({ length: 100 }, (_, i) => i),
    );
    inARow(heard);
    await pair.end();
  });

  test(`an SSRC to which a publisher ${offer} changes is heard from its third packet on`, async () => {
    const pair = await Pair.meet(declared);
    await pair.send(50, (i) => sound(DECLARED, i, i));
    await pair.send(100, (i) => sound(OTHER, 40_000 + i, 50 + i));
    const heard = await pair.hears(149);
    const lost = 150 - heard.length;
    // If the machine delays packets, the gap may be long enough for the first one to be accepted.
    ok(lost <= 2, `${lost} lost`);
    inARow(heard);
    await pair.end();
  });
}

/** Packets without sound: telephone events (RFC 4733), comfort noise (RFC 3389), padding only, and no payload. */
const SILENT: readonly ((sequence: number, timestamp: number) => Buffer)[] = [
  (sequence, timestamp) =>
    rtp({ ssrc: DECLARED, payloadType: 101, sequence, timestamp, payload: Buffer.of(1, 10, 0, 160) }),
  (sequence, timestamp) => rtp({ ssrc: DECLARED, payloadType: 13, sequence, timestamp, payload: Buffer.of(70) }),
  (sequence, timestamp) => {
    const packet = rtp({ ssrc: DECLARED, sequence, timestamp, payload: Buffer.of(0, 0, 0, 0, 0, 0, 0, 8) });
    packet[0]! |= 0x20;
    return packet;
  },
  (sequence, timestamp) => rtp({ ssrc: DECLARED, sequence, timestamp, payload: Buffer.alloc(0) }),
];

test('with packets without sound in between, the reports show no loss, and the listener gets no hole', async () => {
  const pair = await Pair.meet(DECLARED);
  let count = 0;
  const packets = 500;
  await pair.send(packets, (i) =>
    i % 5 === 4 ? SILENT[((i / 5) | 0) % SILENT.length]!(i, count * 960) : sound(DECLARED, i, count++),
  );
  const heard = await pair.hears(count - 1);
  equal(
    heard.map((one) => one.count),
    Array.from({ length: count }, (_, i) => i),
  );
  inARow(heard);
  await until('the reports reach the last packet', () => (pair.told.at(-1)?.highestSequence ?? 0) >= packets - 1);
  for (const { ssrc, fractionLost, packetsLost } of pair.told)
    equal([ssrc, fractionLost, packetsLost], [DECLARED, 0, 0]);
  ok(pair.told.length >= 3, `${pair.told.length} reports`);
  await pair.end();
});

test('the server stops', async () => {
  is(await (await server()).stop(), 0);
  host.kill();
});

test.run();
