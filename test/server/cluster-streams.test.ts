/** What a publisher sends reaches listeners of another instance as it reaches those of its own: RED, pauses, loss. */
import { equal, is, ok } from 'uvu/assert';
import { ClientHost, type ReceivedPacket, SILENCE, type TestClient } from '../support/client.ts';
import { type Cluster, enter, sharedCluster } from '../support/cluster.ts';
import { isContinuous } from '../support/hearing.ts';
import { type PacketFields, rtp } from '../support/packets.ts';
import { redPayload } from '../support/red.ts';
import { scenarios } from '../support/scenario.ts';
import { claimHeader } from '../support/server.ts';
import { pause } from '../support/waiting.ts';
import { WebrtcClient } from '../support/webrtc.ts';

const test = scenarios('cluster streams');
const shared = sharedCluster(test, { env: { MAX_DELAY_MS: '2000', RED: 'uplink' } });
const host = new ClientHost();

const OPUS = 111;
const RED = 63;
const FRAME_TICKS = 960;
const PACKET_MS = 20;
let rooms = 0;

/** A publisher on the first instance whose packets the test makes, and a listener on each. */
class Party {
  private readonly publisher: WebrtcClient;
  readonly near: TestClient;
  readonly far: TestClient;

  private constructor(publisher: WebrtcClient, near: TestClient, far: TestClient) {
    this.publisher = publisher;
    this.near = near;
    this.far = far;
  }

  static async meet({ instances: [a, b] }: Cluster): Promise<Party> {
    const room = `streams-${++rooms}`;
    const claim = { userid: `${room}-publisher`, clientid: 'client' };
    const publisher = new WebrtcClient({
      ...{ url: a!.url, claim, ssrc: 1000, slots: 0, publishes: true, payloadType: OPUS, data: false },
      redPayloadType: RED,
    });
    await publisher.connect();
    is(publisher.close?.code, 1000, publisher.close?.reason);
    is((await fetch(`${b!.url}/join/${room}`, { method: 'POST', headers: claimHeader(claim.userid) })).status, 200);
    const listener = { slots: 1, publishes: false };
    const near = await enter(host, a!, `${room}-near`, room, listener);
    const far = await enter(host, b!, `${room}-far`, room, listener);
    for (const client of [near, far]) await client.knows(({ total }) => total === 3);
    return new Party(publisher, near, far);
  }

  /** Sends packets at their times. @param after milliseconds between a packet and the next one. */
  async send(packets: readonly Buffer[], after: (i: number) => number = () => PACKET_MS): Promise<void> {
    let due = performance.now();
    for (const [i, packet] of packets.entries()) {
      while (performance.now() < due) await pause(2);
      ok(this.publisher.send(packet));
      due += after(i);
    }
  }

  /** Waits until both have heard the packet of this number. @returns what each has heard, the near one first. */
  hear(last: number): Promise<[ReceivedPacket[], ReceivedPacket[]]> {
    const until = (client: TestClient): Promise<ReceivedPacket[]> =>
      client.receives((all) => all.some(({ count }) => count === last));
    return Promise.all([until(this.near), until(this.far)]);
  }

  async end(): Promise<void> {
    this.publisher.end();
    for (const client of [this.near, this.far]) await client.end();
  }
}

/** Returns what a listener can tell of packets: numbers, distances and markers. */
function told(packets: readonly ReceivedPacket[]): object[] {
  const [first] = packets;
  return packets
    .filter(({ from }) => from !== SILENCE)
    .map(({ count, marker, timestamp, sequence, payloadType, from }) => ({
      count,
      from,
      marker,
      payloadType,
      ticks: (timestamp - first!.timestamp) | 0,
      number: (sequence - first!.sequence) & 0xffff,
    }));
}

/** Returns an Opus payload with a number and a name for the listener. */
function opus(count: number): Buffer {
  const payload = Buffer.alloc(13, 'speaker', 'latin1');
  payload.writeBigUInt64BE(BigInt(count));
  return payload;
}

const sound = (i: number, fields: Partial<PacketFields> = {}): Buffer =>
  rtp({ sequence: i, timestamp: i * FRAME_TICKS, ssrc: 1000, payloadType: OPUS, payload: opus(i), ...fields });

const count = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

shared(
  'Opus packets arrive on both instances in the same order, at the same distances, with the same markers',
  async (cluster) => {
    const party = await Party.meet(cluster);
    await party.send(count(60).map((i) => sound(i, { marker: i === 0 || i === 30 })));
    const [near, far] = await party.hear(59);
    equal(told(far), told(near));
    isContinuous(far);
    is(told(far).length, 60);
    await party.end();
  },
);

shared('what the uplink loses is rebuilt from RED on both instances', async (cluster) => {
  const party = await Party.meet(cluster);
  const packets = count(62).map((i) => {
    const before = i === 0 ? [] : [{ age: FRAME_TICKS, payload: opus(i - 1) }];
    return sound(i, { payloadType: RED, payload: redPayload(opus(i), before) });
  });
  // Packets are lost one by one, so that the next one has each.
  await party.send(packets.filter((_, i) => i % 7 !== 3));
  const [near, far] = await party.hear(61);
  equal(
    far.map(({ count: number }) => number),
    count(62),
    'each payload once, in order',
  );
  ok(far.every(({ payloadType }) => payloadType === OPUS));
  equal(told(far), told(near));
  isContinuous(far);
  await party.end();
});

shared('pauses of discontinuous transmission keep their length on both instances', async (cluster) => {
  const party = await Party.meet(cluster);
  // Words of ten packets, then comfort noise every 400 ms: the numbers go on, the timestamps jump.
  const at = (i: number): number => (i + Math.floor(i / 11) * 19) * FRAME_TICKS;
  const packets = count(44).map((i) => {
    const noise = i % 11 === 10;
    const payload = noise ? Buffer.from([0xf8]) : opus(i);
    return sound(i, { timestamp: at(i), payload, marker: i % 11 === 0 });
  });
  await party.send(packets, (i) => (i % 11 === 10 ? 20 * PACKET_MS : PACKET_MS));
  const [near, far] = await party.hear(42);
  equal(told(far), told(near));
  isContinuous(far);
  await party.end();
});

shared('what the uplink loses without RED is the same hole on both instances', async (cluster) => {
  const party = await Party.meet(cluster);
  await party.send(
    count(60)
      .filter((i) => i % 9 !== 4)
      .map((i) => sound(i)),
  );
  const [near, far] = await party.hear(59);
  equal(told(far), told(near));
  is(told(far).length, 53);
  await party.end();
});

shared.ends();
test('the clients end', () => host.kill());
test.run();
