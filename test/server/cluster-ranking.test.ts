/** One ranking, one dominant speaker and one list over three instances. */
import { equal, is, ok } from 'uvu/assert';
import { ClientHost, type ReceivedPacket, type TestClient } from '../support/client.ts';
import { type Cluster, enter, sharedCluster } from '../support/cluster.ts';
import { hear, isContinuous, speakersIn } from '../support/hearing.ts';
import { scenarios } from '../support/scenario.ts';
import { pause, until } from '../support/waiting.ts';

const test = scenarios('cluster ranking');
const shared = sharedCluster(test, { instances: 3, env: { MAX_LISTED_PARTICIPANTS: '11', MAX_DELAY_MS: '1000' } });
const host = new ClientHost();
/** Those who listen are received by another process, so that none waits for the other. */
const ears = new ClientHost();

const SLOTS = 3;
/** Loudness of five people, -dBov: each is clearly louder than the next. */
const LEVELS = [10, 20, 30, 40, 50] as const;
/** How long it may take until instances far apart agree on who is heard, milliseconds. */
const AGREE_MS = 10_000;

let names = 0;
const fresh = (name: string): string => `${name}${++names}`;

interface Room {
  readonly name: string;
  /** Loudest first, as they begin. */
  readonly speakers: TestClient[];
  /** One on each instance. */
  readonly listeners: TestClient[];
}

/**
 * People who are about to talk, five by default, and listeners without a microphone.
 *
 * @param on the instance of each speaker, by index.
 */
async function open({ instances }: Cluster, on: readonly number[], levels: readonly number[] = LEVELS): Promise<Room> {
  const name = fresh('room');
  const speakers: TestClient[] = [];
  for (const [i, level] of levels.entries()) {
    const options = { slots: SLOTS, levelId: 3 };
    const client = await enter(host, instances[on[i]!]!, fresh(`s${i}-`), name, options);
    await client.speakAt(level);
    speakers.push(client);
  }
  const listeners: TestClient[] = [];
  for (const instance of new Set(on.concat(0))) {
    const options = { slots: SLOTS, publishes: false };
    listeners.push(await enter(ears, instances[instance]!, fresh('ear'), name, options));
  }
  for (const client of [...speakers, ...listeners]) {
    await client.knows(({ total }) => total === speakers.length + listeners.length);
  }
  return { name, speakers, listeners };
}

/** Waits until a client hears exactly these for half a second. */
async function settles(client: TestClient, wanted: readonly TestClient[]): Promise<void> {
  const names = wanted.map(({ name }) => name).toSorted();
  let last: string[] = [];
  const heard = async (): Promise<boolean> => {
    await client.take();
    await pause(500);
    last = speakersIn(await client.take());
    return last.join() === names.join();
  };
  await until(`${client.name} hears ${names}`, heard, { timeout: AGREE_MS }).catch((error: Error) => {
    throw new Error(`${error.message}, but ${last}`);
  });
}

/** Checks that everybody hears the loudest three, who never hear themselves. @param loudest loudest first. */
async function allHear({ speakers, listeners }: Room, loudest: readonly TestClient[]): Promise<void> {
  await Promise.all([
    ...listeners.map((client) => settles(client, loudest.slice(0, SLOTS))),
    ...speakers.map((client) => settles(client, loudest.filter((one) => one !== client).slice(0, SLOTS))),
  ]);
}

async function endAll({ speakers, listeners }: Room): Promise<void> {
  for (const client of [...speakers, ...listeners]) await client.end();
}

shared(
  'of five who talk on three instances everybody hears exactly the three loudest',
  async (cluster) => {
    const room = await open(cluster, [0, 1, 2, 0, 1]);
    for (const client of room.speakers.toReversed()) await client.talk();
    await allHear(room, room.speakers);
    const [s0, s1, s2, s3, s4] = room.speakers as [TestClient, TestClient, TestClient, TestClient, TestClient];
    // The softest becomes the loudest, and the loudest the softest.
    await s4.speakAt(5);
    await allHear(room, [s4, s0, s1, s2, s3]);
    await s0.speakAt(65);
    await allHear(room, [s4, s1, s2, s3, s0]);
    await endAll(room);
  },
  60,
);

shared(
  'who falls silent gives the slot up to the next loudest, and takes it back',
  async (cluster) => {
    const room = await open(cluster, [0, 0, 0, 1, 2]);
    for (const client of room.speakers) await client.talk();
    await allHear(room, room.speakers);
    const [s0, ...others] = room.speakers as [TestClient, ...TestClient[]];
    await s0.hush();
    await Promise.all(room.listeners.map((client) => settles(client, others.slice(0, SLOTS))));
    await s0.talk();
    await allHear(room, room.speakers);
    const [s1] = others as [TestClient];
    await s1.request({ v: 1, type: 'mute', muted: true });
    const without = room.speakers.filter((one) => one !== s1);
    await Promise.all(room.listeners.map((client) => settles(client, without.slice(0, SLOTS))));
    await endAll(room);
  },
  60,
);

shared(
  'a switch happens on all instances at the same time, and streams have no holes',
  async (cluster) => {
    const room = await open(cluster, [0, 1, 1, 2, 2]);
    for (const client of room.speakers) await client.talk();
    await allHear(room, room.speakers);
    const s4 = room.speakers[4]!;
    for (const client of room.listeners) await client.take();
    await s4.speakAt(4);
    const packets = await Promise.all(room.listeners.map((client) => hear(client, [s4.name], 30)));
    const firsts = packets.map((all) => all.find(({ from }) => from === s4.name)!.count);
    ok(Math.max(...firsts) - Math.min(...firsts) <= 10, `its first packets at the listeners: ${firsts}`);
    for (const all of packets) {
      isContinuous(all);
      onlyWholeTurns(all);
    }
    await endAll(room);
  },
  60,
);

/** Checks that a new voice in a slot begins with the marker. */
function onlyWholeTurns(packets: readonly ReceivedPacket[]): void {
  const last = new Map<number, ReceivedPacket>();
  for (const packet of packets) {
    const before = last.get(packet.ssrc);
    last.set(packet.ssrc, packet);
    if (before !== undefined && before.from !== packet.from && packet.count >= 0) is(packet.marker, 1);
  }
}

shared(
  'whom a listener pins is heard across instances, however soft, and only there',
  async (cluster) => {
    // So many that the softest would not cross by themselves.
    const crowd = [10, 18, 26, 34, 42, 50, 58, 66];
    const room = await open(cluster, new Array(crowd.length).fill(0), crowd);
    const far = await enter(ears, cluster.at(1), fresh('far'), room.name, { slots: SLOTS, publishes: false });
    const other = await enter(ears, cluster.at(2), fresh('other'), room.name, { slots: SLOTS, publishes: false });
    for (const client of room.speakers) await client.talk();
    const [s0, s1, s2, s3, s4, s5] = room.speakers as TestClient[] as [
      ...[TestClient, TestClient, TestClient, TestClient, TestClient, TestClient],
    ];
    const last = room.speakers.at(-1)!;
    await settles(far, [s0, s1, s2]);
    const view = await far.knows(({ userids }) => userids.includes(last.name));
    await far.request({ v: 1, type: 'pin', numbers: [view.named(last.name)!.number], id: 1 });
    await far.knows((now) => now.of('ok').some(({ id }) => id === 1));
    await settles(far, [last, s0, s1]);
    await settles(other, [s0, s1, s2]);
    await far.request({ v: 1, type: 'pin', numbers: [], id: 2 });
    await settles(far, [s0, s1, s2]);
    // Leaving out the three loudest must not leave slots empty.
    const numbers = [s0, s1, s2].map(({ name }) => far.view.named(name)!.number);
    await far.request({ v: 1, type: 'exclude', numbers });
    await settles(far, [s3, s4, s5]);
    await endAll(room);
    for (const client of [far, other]) await client.end();
  },
  60,
);

shared(
  'the dominant speaker and who speaks are the same everywhere',
  async (cluster) => {
    const room = await open(cluster, [0, 1, 2, 0, 1]);
    const all = [...room.speakers, ...room.listeners];
    for (const speaker of [room.speakers[0]!, room.speakers[1]!, room.speakers[2]!]) {
      await speaker.talk();
      for (const client of all) {
        await client.knows((view) => view.participants.get(view.dominant)?.userid === speaker.name);
        await client.knows((view) => view.speaking.join() === speaker.name);
      }
      await speaker.hush();
      for (const client of all) await client.knows((view) => view.speaking.length === 0);
    }
    await endAll(room);
  },
  60,
);

shared(
  'beyond the listed participants all instances tell one total, and pages go over all of them',
  async (cluster) => {
    const name = fresh('room');
    const people: TestClient[] = [];
    for (let i = 0; i < 12; i++) people.push(await enter(host, cluster.at(i % 3), fresh('p'), name, { slots: 1 }));
    const all = people.map((client) => client.name).toSorted();
    for (const client of people) await client.knows(({ total, complete }) => total === 12 && !complete);
    for (const client of people.slice(0, 3)) {
      const found: string[] = [];
      let after: number | null = 0;
      for (let id = 1; after !== null; id++) {
        ok(id < 20, 'pages end');
        await client.request({ v: 1, type: 'participants', after, limit: 5, id });
        const view = await client.knows((now) => now.of('page').some((page) => page.id === id));
        const page = view.of('page').find((one) => one.id === id)!;
        is(page.total, 12);
        found.push(...page.participants.map(({ userid }) => userid));
        after = page.next;
      }
      equal(found.toSorted(), all);
    }
    const last = people.pop()!;
    await last.end();
    for (const client of people) await client.knows(({ total }) => total === 11);
    // A newcomer's snapshot has it all at once.
    const late = await enter(host, cluster.at(2), fresh('late'), name);
    await late.knows((view) =>
      view.of('snapshot').some(({ conversation, total }) => conversation === name && total >= 11),
    );
    for (const client of [...people, late]) await client.end();
  },
  60,
);

shared.ends();
test('the clients end', () => {
  host.kill();
  ears.kill();
});
test.run();
