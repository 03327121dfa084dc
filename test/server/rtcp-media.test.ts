/** RTCP reports between real WebRTC clients and a real server. */
import { equal, is, ok } from 'uvu/assert';
import {
  RtcpPacketConverter,
  RtcpReceiverInfo,
  RtcpRrPacket,
  RtcpSenderInfo,
  type RtcpSourceDescriptionPacket,
  RtcpSrPacket,
} from 'werift-rtp';
import { ClientHost, type ReceivedPacket, type TestClient } from '../support/client.ts';
import { scenarios } from '../support/scenario.ts';
import { claimHeader, type RunningServer, startServer } from '../support/server.ts';
import { until } from '../support/waiting.ts';

const test = scenarios('rtcp-media');
const NTP_OFFSET_SECONDS = 2_208_988_800;

let running: Promise<RunningServer> | undefined;
const server = (): Promise<RunningServer> => {
  running ??= startServer({ STATS_INTERVAL_MS: '250' });
  return running;
};
const host = new ClientHost();
let rooms = 0;
/** Largest number of measurements of a time. */
const TRIES = 8;

/** Connects clients in a conversation of their own: the first publishes, the others listen. */
async function gather(listeners: number, slots = 1): Promise<[publisher: TestClient, ...listeners: TestClient[]]> {
  const { url } = await server();
  const room = `room${++rooms}`;
  const publisher = await host.connect(url, `${room}-publisher`, { slots: 0 });
  const others: TestClient[] = [];
  for (let i = 0; i < listeners; i++) {
    others.push(await host.connect(url, `${room}-listener${i}`, { slots, publishes: false }));
  }
  for (const { name } of [publisher, ...others]) {
    await fetch(`${url}/join/${room}`, { method: 'POST', headers: claimHeader(name) });
  }
  return [publisher, ...others];
}

interface Told<P> {
  readonly packet: P;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** Waits for the next reports of a type at a client. */
async function reports<P extends RtcpRrPacket | RtcpSrPacket>(
  client: TestClient,
  type: P['type'],
  count: number,
): Promise<Told<P>[]> {
  const all: Told<P>[] = [];
  await until(`${client.name} gets ${count} reports`, async () => {
    for (const { at, bytes } of await client.takeRtcp()) {
      const compound = RtcpPacketConverter.deSerialize(Buffer.from(bytes, 'base64'));
      is((compound.at(-1) as RtcpSourceDescriptionPacket).chunks[0]!.items[0]!.text, 'backend-webrtc');
      for (const packet of compound) if (packet.type === type) all.push({ packet: packet as P, at });
    }
    return all.length >= count;
  });
  return all;
}

const receiverReports = (client: TestClient, count: number): Promise<Told<RtcpRrPacket>[]> =>
  reports<RtcpRrPacket>(client, 201, count);
const senderReports = (client: TestClient, count: number): Promise<Told<RtcpSrPacket>[]> =>
  reports<RtcpSrPacket>(client, 200, count);

function hear(client: TestClient, count: number): Promise<ReceivedPacket[]> {
  return client.receives(({ length }) => length >= count);
}

/**
 * Waits for as long as a client that talks takes to get this many reports, at least a second each: in that time another
 * client would have got its own.
 */
async function reportsPass(witness: TestClient, count: number): Promise<void> {
  await witness.takeRtcp();
  await receiverReports(witness, count);
}

/** Returns the number of connections that hold anything. */
async function connectionCount({ adminUrl }: RunningServer): Promise<number> {
  return ((await (await fetch(`${adminUrl}/readyz`)).json()) as { connections: number }).connections;
}

/** Returns a receiver report of a listener on the packets that it heard. */
function reportOn(
  heard: readonly ReceivedPacket[],
  fractionLost: number,
  more: Partial<RtcpReceiverInfo> = {},
): Buffer {
  const { ssrc, sequence } = heard.at(-1)!;
  const block = { ssrc, fractionLost, packetsLost: 0, highestSequence: sequence, jitter: 0, lsr: 0, dlsr: 0, ...more };
  return new RtcpRrPacket({ ssrc: 1, reports: [new RtcpReceiverInfo(block)] }).serialize();
}

test('a client that has sent nothing gets no reports, not those of the place’s previous owner either', async () => {
  const small = await startServer({ MAX_CONNECTIONS: '2' });
  const join = (client: TestClient) =>
    fetch(`${small.url}/join/room`, { method: 'POST', headers: claimHeader(client.name) });
  const stays = await host.connect(small.url, 'stays', { slots: 0 });
  const before = await host.connect(small.url, 'before', { slots: 0 });
  for (const client of [stays, before]) {
    await join(client);
    await client.talk();
  }
  await receiverReports(before, 1);
  await before.end();
  let after: TestClient;
  do after = await host.connect(small.url, 'after', { slots: 0 }).catch(() => stays);
  while (after === stays || after.close.code !== 1000);
  await reportsPass(stays, 3);
  equal(await after.takeRtcp(), []);
  for (const client of [stays, after]) await client.end();
  await small.stop();
});

test('the reports tell a publisher that one packet in ten is lost', async () => {
  const [publisher] = await gather(0);
  await publisher.talk(10);
  const told = await receiverReports(publisher, 3);
  const [first, last] = [told[0]!.packet.reports[0]!, told.at(-1)!.packet.reports[0]!];
  for (const { packet } of told.slice(1)) {
    const fraction = packet.reports[0]!.fractionLost / 256;
    ok(Math.abs(fraction - 0.1) < 0.03, `${fraction}`);
  }
  const expected = last.highestSequence - first.highestSequence;
  const lost = last.packetsLost - first.packetsLost;
  ok(Math.abs(lost - expected / 10) <= 1, `${lost} of ${expected}`);
  ok(last.jitter < 48 * 20, `jitter of ${last.jitter} ticks`);
  await publisher.end();
});

test('a client that takes the place of another gets no reports of its predecessor’s packets', async () => {
  const running = await server();
  const [[witness], [publisher]] = [await gather(0), await gather(0)];
  for (const client of [witness, publisher]) await client.talk();
  const told = await receiverReports(publisher, 1);
  const foreign = told[0]!.packet.reports[0]!.ssrc;
  const before = await connectionCount(running);
  await publisher.end();
  await until('its place is free', async () => (await connectionCount(running)) < before);
  // The successor is in no conversation, so no worker writes its row.
  const successor = await host.connect(running.url, 'successor', { slots: 0 });
  await reportsPass(witness, 3);
  const ssrcs = (await successor.takeRtcp()).flatMap(({ bytes }) =>
    RtcpPacketConverter.deSerialize(Buffer.from(bytes, 'base64')).flatMap((packet) =>
      packet instanceof RtcpRrPacket ? packet.reports.map(({ ssrc }) => ssrc) : [],
    ),
  );
  ok(!ssrcs.includes(foreign), `told of ${ssrcs}`);
  for (const client of [witness, successor]) await client.end();
});

test('a publisher that nobody hears still gets reports, and its own report is timed', async () => {
  const [publisher] = await gather(0);
  await publisher.talk();
  const [{ packet }] = (await receiverReports(publisher, 1)) as [Told<RtcpRrPacket>];
  const [{ ssrc, lsr, fractionLost, packetsLost }] = packet.reports as [RtcpReceiverInfo];
  equal([lsr, fractionLost, packetsLost], [0, 0, 0]);
  const senderInfo = new RtcpSenderInfo({
    ntpTimestamp: 0x1_2345_6789_abcdn,
    rtpTimestamp: 1,
    packetCount: 1,
    octetCount: 1,
  });
  // Other work of the machine makes it longer, so the best of several measurements counts.
  const roundTrips: number[] = [];
  do {
    const sentAt = Date.now();
    ok(await publisher.send(new RtcpSrPacket({ ssrc, senderInfo, reports: [] }).serialize()));
    const told = (await receiverReports(publisher, 2)).at(-1)!;
    const block = told.packet.reports[0]!;
    is(block.lsr, 0x2345_6789);
    const roundTrip = told.at - sentAt - (block.dlsr * 1000) / 65_536;
    ok(roundTrip > -5, `${roundTrip} ms there and back`);
    roundTrips.push(roundTrip);
  } while (Math.min(...roundTrips) >= 200 && roundTrips.length < TRIES);
  ok(Math.min(...roundTrips) < 200, `${roundTrips} ms there and back`);
  await publisher.end();
});

test('the publisher learns of a listener that loses a fifth, and nothing changes for the others', async () => {
  const [publisher, lossy, other] = await gather(2);
  await publisher.talk();
  const heard = await hear(lossy!, 50);
  const before = await hear(other!, 50);
  await receiverReports(publisher, 1);
  ok(await lossy!.send(reportOn(heard, 51)), 'a mere listener can report');
  const told = (await receiverReports(publisher, 2)).at(-1)!.packet.reports[0]!;
  equal([told.fractionLost, told.packetsLost], [51, 0]);
  const meanwhile = await hear(other!, 1);
  ok(await other!.send(reportOn(meanwhile, 0)), 'a listener without loss does not hide it');
  is((await receiverReports(publisher, 1)).at(-1)!.packet.reports[0]!.fractionLost, 51);

  const all = [...before, ...meanwhile, ...(await hear(other!, 50))];
  for (let i = 1; i < all.length; i++) {
    const after = all[i]!;
    is((after.sequence - all[i - 1]!.sequence) & 0xffff, 1, `a hole at ${i}`);
    is(after.count - all[i - 1]!.count, 1);
  }
  ok(await lossy!.send(reportOn(await hear(lossy!, 100), 0)));
  is((await receiverReports(publisher, 2)).at(-1)!.packet.reports[0]!.fractionLost, 0);
  for (const client of [publisher, lossy!, other!]) await client.end();
});

test('a listener that claims to lose everything is ignored', async () => {
  const [publisher, liar] = await gather(1);
  await publisher.talk();
  for (let i = 0; i < 3; i++) {
    ok(await liar!.send(reportOn(await hear(liar!, 40), 255)));
    is((await receiverReports(publisher, 1)).at(-1)!.packet.reports[0]!.fractionLost, 0);
  }
  for (const client of [publisher, liar!]) await client.end();
});

test("a sender report's RTP time is its NTP time, within 20 ms, and its counts are right", async () => {
  const [publisher, listener] = await gather(1, 2);
  await publisher.talk();
  const told = await senderReports(listener!, 3);
  await publisher.hush();
  const heard = await listener!.take();
  equal([...new Set(told.map(({ packet }) => packet.ssrc))], [heard[0]!.ssrc]);
  for (const { packet, at } of told) {
    const { ntpTimestamp, rtpTimestamp, packetCount, octetCount } = packet.senderInfo;
    const ntp =
      (Number(ntpTimestamp >> 32n) - NTP_OFFSET_SECONDS) * 1000 +
      (Number(ntpTimestamp & 0xffff_ffffn) / 2 ** 32) * 1000;
    ok(at - ntp > -20 && at - ntp < 1000, `sent at ${ntp}, received at ${at}`);
    // Compares with the packets around that moment; the median leaves out single delays.
    const around = heard.filter((one) => Math.abs(one.at - ntp) < 1000);
    const offs = around.map((one) => ((rtpTimestamp - one.timestamp) | 0) / 48 - (ntp - one.at)).sort((x, y) => x - y);
    const off = offs[offs.length >> 1]!;
    ok(Math.abs(off) < 20, `${off} ms off`);
    const count = heard.filter((one) => one.at <= ntp).length;
    ok(Math.abs(packetCount - count) <= 3, `${packetCount} told, ${count} heard`);
    is(octetCount, packetCount * (8 + publisher.name.length));
  }
  for (const client of [publisher, listener!]) await client.end();
});

test('two seconds after the last packet the reports stop', async () => {
  const [[witness], [publisher, listener]] = [await gather(0), await gather(1)];
  for (const client of [witness, publisher]) await client.talk();
  await senderReports(listener!, 1);
  await publisher.hush();
  await reportsPass(witness, 4);
  // The last reports may be late where the machine is busy, but they come to an end.
  for (let tries = 1; ; tries++) {
    await listener!.takeRtcp();
    await publisher.takeRtcp();
    await reportsPass(witness, 3);
    const more = [await listener!.takeRtcp(), await publisher.takeRtcp()];
    if (more.flat().length === 0) break;
    ok(tries < 4, `${more.flat().length} reports more`);
  }
  for (const client of [witness, publisher, listener!]) await client.end();
});

test("a listener's report gives its round trip, and its quality is in the log when it ends", async () => {
  const roundTrips: number[] = [];
  do {
    const [publisher, listener] = await gather(1);
    await publisher.talk();
    const heard = await hear(listener!, 50);
    const { packet, at } = (await senderReports(listener!, 1)).at(-1)!;
    const lsr = Number((packet.senderInfo.ntpTimestamp >> 16n) & 0xffff_ffffn);
    const held = performance.timeOrigin + performance.now() - at;
    ok(await listener!.send(reportOn(heard, 128, { jitter: 480, lsr, dlsr: Math.round((held * 65_536) / 1000) })));
    await receiverReports(publisher, 1);
    for (const client of [publisher, listener!]) await client.end();
    const { downlink, rttMs } = JSON.parse(await (await server()).logged('connection ended', `"${listener!.name}"`));
    equal(downlink, { loss: 0.5, jitterMs: 10 });
    ok(rttMs >= 0, `${rttMs} ms`);
    roundTrips.push(rttMs);
    const { uplink } = JSON.parse(await (await server()).logged('connection ended', `"${publisher.name}"`));
    is(uplink.loss, 0);
  } while (Math.min(...roundTrips) >= 200 && roundTrips.length < TRIES);
  ok(Math.min(...roundTrips) < 200, `${roundTrips} ms`);
});

test('the others see whose packets get lost, and not those of whom they arrive', async () => {
  const [, lossy, bob] = await gather(2);
  const { url } = await server();
  const ann = await host.connect(url, 'ann-of-loss', { slots: 0 });
  const room = `room${rooms}`;
  await fetch(`${url}/join/${room}`, { method: 'POST', headers: claimHeader(ann.name) });
  await ann.talk(5);
  await bob!.knows((view) => view.named(ann.name)?.quality === 'poor');
  is(bob!.view.named(lossy!.name)?.quality, undefined);
  await ann.talk();
  await bob!.knows((view) => view.named(ann.name)?.quality !== 'poor');
});

test('goodbyes, garbage and a flood do no harm: all of them are counted, and packets go on', async () => {
  const [publisher, listener] = await gather(1);
  await publisher.talk();
  const heard = await hear(listener!, 10);
  await publisher.send(Buffer.from([0x81, 203, 0, 1, 0, 0, 0, 7]));
  await publisher.send(Buffer.from([0x80, 201, 0, 200, 0, 0, 0, 7]));
  const { logged, logs } = await server();
  const counts = (): { flooded: number; failed: number } =>
    JSON.parse(logs.findLast((line) => line.includes('"msg":"stats"'))!).rtcp;
  await logged('"msg":"stats"', '"ignored":1', '"malformed":1');
  while (counts().flooded < 60) {
    await Promise.all(Array.from({ length: 100 }, () => listener!.send(reportOn(heard, 0))));
  }
  await hear(listener!, 50);
  is(counts().failed, 0);
  for (const client of [publisher, listener!]) await client.end();
});

test('the server stops', async () => {
  is(await (await server()).stop(), 0);
  host.kill();
});

test.run();
