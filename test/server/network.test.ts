/** Bad networks: a relay between client and server does what `tc netem` would, without needing its privileges. */
import { equal, is, ok } from 'uvu/assert';
import { ClientHost, type ReceivedPacket, type TestClient } from '../support/client.ts';
import { prng, seed } from '../support/prng.ts';
import { type Impairments, Relay } from '../support/relay.ts';
import { scenarios } from '../support/scenario.ts';
import { claimHeader, freeUdpPort, type RunningServer, startServer } from '../support/server.ts';
import { pause, until } from '../support/waiting.ts';

const test = scenarios('bad networks');
const random = prng(seed('bad networks'));
const FRAME_TICKS = 960;
/** Packets that each talker sends through its impaired network. */
const IMPAIRED_PACKETS = 250;
/** Time without any arrival after which nothing is under way any more, milliseconds. */
const ARRIVAL_MS = 1500;
/**
 * Time in which vanished clients are noticed: consent ends 30 s after the last answer (RFC 7675), on a busy machine
 * later.
 */
const NOTICED_MS = 50_000;

const NETWORKS: readonly Required<Pick<Impairments, 'loss' | 'jitter' | 'duplicates' | 'corruption'>>[] = [
  0, 5, 20,
].flatMap((loss) => [0, 50, 200].map((jitter) => ({ loss, jitter, duplicates: 1, corruption: 1 })));

interface Network {
  readonly server: RunningServer;
  readonly mediaPort: number;
}

async function start(env: Record<string, string> = {}): Promise<Network> {
  const mediaPort = await freeUdpPort();
  return { server: await startServer({ MEDIA_PORTS: String(mediaPort), ...env }), mediaPort };
}

async function join(server: RunningServer, room: string, userid: string): Promise<void> {
  is((await fetch(`${server.url}/join/${room}`, { method: 'POST', headers: claimHeader(userid) })).status, 200);
}

/**
 * A conversation with a client that talks through a bad network, one that listens through another, and one without a
 * relay.
 */
class Room {
  readonly name: string;
  readonly impairments: (typeof NETWORKS)[number];
  talker!: TestClient;
  far!: TestClient;
  near!: TestClient;
  up!: Relay;
  down!: Relay;

  constructor(impairments: (typeof NETWORKS)[number]) {
    this.impairments = impairments;
    this.name = `${impairments.loss} % lost, ${impairments.jitter} ms jitter`;
  }

  async open({ server, mediaPort }: Network, host: ClientHost): Promise<void> {
    const id = `${this.impairments.loss}-${this.impairments.jitter}`;
    const [talker, far, near] = ['talker', 'far', 'near'].map((who) => `${who}-${id}`) as [string, string, string];
    for (const userid of [talker, far, near]) await join(server, id, userid);
    this.up = await Relay.open(random, mediaPort);
    this.down = await Relay.open(random, mediaPort);
    const listens = { publishes: false };
    this.far = await host.connect(server.url, far, { ...listens, relay: this.down.port });
    this.near = await host.connect(server.url, near, listens);
    this.talker = await host.connect(server.url, talker, { slots: 0, relay: this.up.port });
    equal(
      [this.far, this.near, this.talker].map(({ close }) => close.code),
      [1000, 1000, 1000],
    );
  }

  set(impairments: Impairments): void {
    this.up.set(impairments);
    this.down.set(impairments);
  }

  /**
   * Checks that each packet is as the talker sent it, with matching number, time and count, and that none comes twice.
   */
  checkLegal(packets: readonly ReceivedPacket[], where: string): void {
    const first = packets[0]!;
    for (const { ssrc, payloadType, from, count, sequence, timestamp } of packets) {
      const steps = count - first.count;
      equal(
        {
          ssrc,
          payloadType,
          from,
          numbers: (sequence - first.sequence) & 0xffff,
          ticks: (timestamp - first.timestamp) >>> 0,
        },
        {
          ssrc: first.ssrc,
          payloadType: 111,
          from: this.talker.name,
          numbers: steps & 0xffff,
          ticks: (steps * FRAME_TICKS) >>> 0,
        },
        `${where}, packet ${count}`,
      );
    }
    is(new Set(packets.map(({ sequence }) => sequence)).size, packets.length, `${where}: each number once`);
  }
}

function once(numbers: readonly number[]): number[] {
  return [...new Set(numbers)];
}

test('on every network listeners get the packets that passed it, once, in order and numbered correctly', async () => {
  const network = await start({ STATS_INTERVAL_MS: '200', MAX_DELAY_MS: '60000' });
  const { server } = network;
  const host = new ClientHost();
  const rooms = NETWORKS.map((impairments) => new Room(impairments));
  for (const room of rooms) await room.open(network, host);
  for (const { talker } of rooms) await talker.talk();
  // The first packets, from which the relays count, have to pass.
  const begun = ({ up, down }: Room): boolean => Math.min(up.traffic.up.sent, down.traffic.down.sent) >= 10;
  await until('every relay carries packets', () => rooms.every(begun));
  for (const room of rooms) room.set(room.impairments);
  await until('every talker has sent enough', () => rooms.every(({ up }) => up.traffic.up.sent >= IMPAIRED_PACKETS));
  const losses = await Promise.all(rooms.map((room) => uplinkLoss(server, room)));
  for (const { talker } of rooms) await talker.hush();
  await arrived(rooms);
  let passed = 0;
  let bad = 0;
  for (const [i, room] of rooms.entries()) {
    const { up, down, impairments } = room;
    const [near, far] = [await room.near.take(), await room.far.take()];
    room.checkLegal(near, `${room.name}, near`);
    room.checkLegal(far, `${room.name}, far`);
    const there = once(up.traffic.up.intact);
    passed += there.length;
    equal(
      near.map(({ count }) => count),
      there,
      `${room.name}: the listener without a relay gets what reached the server`,
    );
    const begun = far[0]!.sequence;
    const heard = far.map(({ sequence }) => (sequence - begun) & 0xffff);
    equal(heard, once(down.traffic.down.intact), `${room.name}: the other listener gets what its relay delivered`);
    const { sent, lost, corrupted, duplicated } = up.traffic.up;
    bad += duplicated + corrupted;
    const loss = (lost + corrupted) / sent;
    // Jitter delays packets, which are missing in one report and arrive before the next.
    const isTold = impairments.jitter === 0 && Math.abs(losses[i]! - loss) < 0.06 + loss * 0.7;
    ok(impairments.jitter > 0 || isTold, `${room.name}: ${losses[i]} told, ${loss} lost`);
    ok(impairments.loss > 0 || lost === 0);
  }
  const told = () => JSON.parse(server.logs.findLast((line) => line.includes('"msg":"stats"'))!).shards[0];
  await until('the figures reach the last packet', () => told().packetsIn >= passed);
  const { packetsIn, drops, corrupt } = told();
  ok(bad > 0, 'the networks were impaired');
  is(packetsIn, passed, 'nothing else came out of SRTP');
  equal([drops.Malformed, drops.WrongPayloadType, drops.UnknownSsrc, drops.Duplicate, corrupt], [0, 0, 0, 0, 0]);
  host.kill();
  for (const { up, down } of rooms) for (const relay of [up, down]) relay.close();
  is(await server.stop(), 0);
  equal(
    server.logs.filter((line) => /"level":(50|60)/.test(line)),
    [],
  );
}, 60);

/**
 * Waits until no relay has delivered anything for {@link ARRIVAL_MS}; only the absence shows that nothing is under way.
 */
async function arrived(rooms: readonly Room[]): Promise<void> {
  const count = (): number =>
    rooms.reduce((sum, { up, down }) => sum + up.traffic.up.intact.length + down.traffic.down.intact.length, 0);
  for (let before = -1; before !== count(); ) {
    before = count();
    await pause(ARRIVAL_MS);
  }
}

/** Returns the loss of a conversation's talker that operators see, 0 … 1. */
async function uplinkLoss(server: RunningServer, { talker, impairments }: Room): Promise<number> {
  const body = await (await fetch(`${server.adminUrl}/conversations/${impairments.loss}-${impairments.jitter}`)).json();
  const { users } = body as { users: { userid: string; connections: { uplink: { loss: number } }[] }[] };
  return users.find(({ userid }) => userid === talker.name)!.connections[0]!.uplink.loss;
}

test('clients connect with a fifth of all packets lost, or are told why not in time', async () => {
  const { server, mediaPort } = await start();
  const host = new ClientHost();
  const connect = async (_: unknown, i: number): Promise<number> => {
    const relay = await Relay.open(random, mediaPort);
    relay.set({ loss: 20, jitter: 200, corruption: 1, duplicates: 1 });
    const client = await host.connect(server.url, `user${i}`, { relay: relay.port });
    return client.close.code;
  };
  const codes = await Promise.all(Array.from({ length: 8 }, connect));
  console.log(`connected through 20 % loss: ${codes.join(', ')}`);
  ok(codes.every((code) => [1000, 4502, 4504].includes(code)));
  ok(codes.filter((code) => code === 1000).length >= 4);
  host.kill();
  is(await server.stop(), 0);
  equal(
    server.logs.filter((line) => /"level":(50|60)/.test(line)),
    [],
  );
}, 60);

test('the server notices clients that vanish or change their address: their place is free, their membership kept', async () => {
  const { server, mediaPort } = await start();
  const [host, doomed] = [new ClientHost(), new ClientHost()];
  const relays = await Promise.all([1, 2, 3].map(() => Relay.open(random, mediaPort)));
  const [holed, quiet, moved] = relays as [Relay, Relay, Relay];
  const names = ['killed', 'holed', 'quiet', 'moved'];
  for (const name of ['stays', ...names]) await join(server, 'room', name);
  const stays = await host.connect(server.url, 'stays', { slots: 4 });
  await doomed.connect(server.url, 'killed');
  await host.connect(server.url, 'holed', { relay: holed.port });
  await host.connect(server.url, 'quiet', { relay: quiet.port, data: false });
  const mover = await host.connect(server.url, 'moved', { relay: moved.port });
  await mover.talk();
  await stays.knows(({ userids }) => userids.length === 5);
  const begun = performance.now();
  doomed.kill();
  holed.blackhole = true;
  quiet.blackhole = true;
  await moved.rebind();
  await stays.take();
  const noticed = new Map<string, number>();
  while (noticed.size < names.length && performance.now() - begun < NOTICED_MS) {
    const { userids } = await stays.look();
    for (const name of names) {
      if (!userids.includes(name) && !noticed.has(name)) noticed.set(name, (performance.now() - begun) / 1000);
    }
    await pause(100);
  }
  console.log(`missed after: ${[...noticed].map(([name, after]) => `${name} ${after.toFixed(1)} s`).join(', ')}`);
  equal([...noticed.keys()].sort(), [...names].sort());
  const heard = (await stays.take()).filter(({ from }) => from === 'moved').map(({ count }) => count);
  console.log(`${heard.length} packets of the client with the new address were heard`);
  for (const name of names) {
    const { reason } = JSON.parse(await server.logged('"msg":"connection ended"', `"userid":"${name}"`));
    is(reason, 'gone');
  }
  const { connections, users } = (await (await fetch(`${server.adminUrl}/readyz`)).json()) as Record<string, number>;
  equal({ connections, users }, { connections: 1, users: 5 });
  for (const name of names) {
    const again = await host.connect(server.url, name);
    is(again.close.code, 1000);
    is((await again.knows(({ conversation }) => conversation !== null)).conversation, 'room');
  }
  host.kill();
  for (const relay of relays) relay.close();
  is(await server.stop(), 0);
  equal(
    server.logs.filter((line) => /"level":(50|60)/.test(line)),
    [],
  );
}, 120);

test.run();
