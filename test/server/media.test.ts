import { equal, is, not, ok } from 'uvu/assert';
import { ClientHost, type ReceivedPacket, SILENCE, type TestClient } from '../support/client.ts';
import { scenarios } from '../support/scenario.ts';
import { claimHeader, type RunningServer, startServer } from '../support/server.ts';

/** Real WebRTC clients in a process of their own against the server in another. */
const test = scenarios('media');

let running: Promise<RunningServer> | undefined;
const server = (): Promise<RunningServer> => {
  running ??= startServer({ WORKERS: '2' });
  return running;
};
const host = new ClientHost();

/** Returns a name that no other scenario uses, because the scenarios share a server. */
let names = 0;
const fresh = (name: string): string => `${name}${++names}`;

async function connect(userid: string, options: Parameters<ClientHost['connect']>[2] = {}): Promise<TestClient> {
  const client = await host.connect((await server()).url, userid, options);
  equal(client.close, { code: 1000, reason: 'connected' });
  return client;
}

async function membership(method: 'POST' | 'DELETE', userid: string, room: string): Promise<void> {
  const response = await fetch(`${(await server()).url}/join/${room}`, { method, headers: claimHeader(userid) });
  is(response.status, 200);
  is(await response.text(), '');
}
const join = (userid: string, room: string): Promise<void> => membership('POST', userid, room);

/** Collects what a client receives until it has `count` packets of each of these speakers. @returns all packets. */
async function hear(client: TestClient, from: readonly string[], count = 20): Promise<ReceivedPacket[]> {
  return client.receives((all) => from.every((name) => all.filter((packet) => packet.from === name).length >= count));
}

function heardNames(packets: readonly ReceivedPacket[]): string[] {
  return [...new Set(packets.map(({ from }) => from))].filter((name) => name !== SILENCE).sort();
}

/** Checks that the numbers of every SSRC have no holes, repeats or steps back in time. */
function assertContinuous(packets: readonly ReceivedPacket[]): void {
  const streams = new Map<number, ReceivedPacket[]>();
  for (const packet of packets) streams.set(packet.ssrc, [...(streams.get(packet.ssrc) ?? []), packet]);
  for (const [ssrc, stream] of streams) {
    is(new Set(stream.map(({ mid }) => mid)).size, 1, 'a slot is one SSRC on one m-line');
    for (let i = 1; i < stream.length; i++) {
      const [before, after] = [stream[i - 1]!, stream[i]!];
      is((after.sequence - before.sequence) & 0xffff, 1, `hole or step back in ${ssrc} at ${i}`);
      ok(((after.timestamp - before.timestamp) | 0) > 0, `time went back in ${ssrc}`);
      if (after.from === SILENCE) is(after.marker, 0, 'silence goes on with the source');
      else if (after.from !== before.from) is(after.marker, 1, 'a new source begins with the marker');
    }
  }
}

test('three people hear each other, each speaker in a slot of their own, none hears themselves', async () => {
  const room = fresh('room');
  const people = await Promise.all(
    [fresh('ann'), fresh('bob'), fresh('cid')].map((name) => connect(name, { slots: 2 })),
  );
  for (const { name } of people) await join(name, room);
  await Promise.all(people.map((client) => client.talk()));
  for (const client of people) {
    const others = people
      .map(({ name }) => name)
      .filter((name) => name !== client.name)
      .sort();
    const packets = await hear(client, others, 50);
    equal(heardNames(packets), others);
    assertContinuous(packets);
    is(new Set(packets.map(({ ssrc }) => ssrc)).size, 2);
    for (const name of others) {
      const csrcs = new Set(packets.filter(({ from }) => from === name).map(({ csrc }) => csrc));
      is(csrcs.size, 1, 'a speaker has one number');
    }
  }
  for (const client of people) await client.end();
});

test('a single slot carries one speaker at a time, and the next one when that one leaves', async () => {
  const room = fresh('room');
  const [listener, ann, bob] = [
    await connect(fresh('listener'), { slots: 1, publishes: false }),
    await connect(fresh('ann'), { slots: 0 }),
    await connect(fresh('bob'), { slots: 0 }),
  ];
  for (const { name } of [listener, ann, bob]) await join(name, room);
  await ann.talk();
  const first = await hear(listener, [ann.name]);
  await bob.talk();
  await hear(listener, [ann.name], 30).then((packets) => {
    equal(heardNames(packets), [ann.name]);
    first.push(...packets);
  });
  await membership('DELETE', ann.name, room);
  const all = [...first, ...(await hear(listener, [bob.name], 30))];
  assertContinuous(all);
  equal(heardNames(all), [ann.name, bob.name].sort());
  is(new Set(all.map(({ ssrc }) => ssrc)).size, 1);
  for (const client of [listener, ann, bob]) await client.end();
});

test('two conversations do not hear each other, and a client that moves is heard there and no longer here', async () => {
  const [here, there] = [fresh('here'), fresh('there')];
  const [ann, bob, cid, dan] = await Promise.all(
    [fresh('ann'), fresh('bob'), fresh('cid'), fresh('dan')].map((name) => connect(name, { slots: 3 })),
  );
  for (const client of [ann!, bob!]) await join(client.name, here);
  for (const client of [cid!, dan!]) await join(client.name, there);
  for (const client of [ann!, bob!, cid!, dan!]) await client.talk();
  const before = { bob: await hear(bob!, [ann!.name], 30), cid: await hear(cid!, [dan!.name], 30) };
  equal(heardNames(before.bob), [ann!.name]);
  equal(heardNames(before.cid), [dan!.name]);
  const annBefore = await hear(ann!, [bob!.name]);

  await join(ann!.name, there);
  const cidAfter = await hear(cid!, [ann!.name, dan!.name], 30);
  equal(heardNames([...before.cid, ...cidAfter]), [ann!.name, dan!.name].sort());
  assertContinuous([...before.cid, ...cidAfter]);
  await bob!.take();
  const annAfter = await hear(ann!, [cid!.name, dan!.name], 30);
  assertContinuous([...annBefore, ...annAfter]);
  equal(heardNames(annAfter.slice(-20)), [cid!.name, dan!.name].sort());
  equal(heardNames(await bob!.take()), [], 'who stayed behind alone hears nothing');
  for (const client of [ann!, bob!, cid!, dan!]) await client.end();
});

test('twenty moves to and fro leave no hole and no step back in any slot', async () => {
  const rooms = [fresh('left'), fresh('right')];
  const mover = await connect(fresh('mover'), { slots: 1 });
  const speakers = [await connect(fresh('ann'), { slots: 0 }), await connect(fresh('bob'), { slots: 0 })];
  for (const [i, speaker] of speakers.entries()) {
    await join(speaker.name, rooms[i]!);
    await speaker.talk();
  }
  const all: ReceivedPacket[] = [];
  for (let move = 0; move < 20; move++) {
    await join(mover.name, rooms[move % 2]!);
    all.push(...(await hear(mover, [speakers[move % 2]!.name], 2)));
  }
  assertContinuous(all);
  is(heardNames(all).length, 2);
  for (const client of [mover, ...speakers]) await client.end();
}, 40);

test('join before connect: a user who is a member already is heard as soon as they connect', async () => {
  const room = fresh('room');
  const [ann, bob] = [fresh('ann'), fresh('bob')];
  await join(ann, room);
  await join(bob, room);
  const clients = await Promise.all([connect(ann), connect(bob)]);
  await clients[0]!.talk();
  await hear(clients[1]!, [ann]);
  for (const client of clients) await client.end();
});

test('both clients of a user hear the others and not each other', async () => {
  const room = fresh('room');
  const user = fresh('user');
  const phone = await connect(user, { claim: { userid: user, clientid: 'phone' }, name: `${user} phone`, slots: 3 });
  const laptop = await connect(user, { claim: { userid: user, clientid: 'laptop' }, name: `${user} laptop`, slots: 3 });
  const other = await connect(fresh('other'), { slots: 3 });
  await join(user, room);
  await join(other.name, room);
  for (const client of [phone, laptop, other]) await client.talk();
  equal(heardNames(await hear(other, [phone.name, laptop.name])), [laptop.name, phone.name]);
  for (const client of [phone, laptop]) equal(heardNames(await hear(client, [other.name], 50)), [other.name]);
  for (const client of [phone, laptop, other]) await client.end();
});

test('connecting again as the same client replaces the old connection, which hears nothing more', async () => {
  const room = fresh('room');
  const [ann, bob] = [await connect(fresh('ann')), await connect(fresh('bob'))];
  await join(ann.name, room);
  await join(bob.name, room);
  await bob.talk();
  await hear(ann, [bob.name]);
  const again = await connect(ann.name);
  await (await server()).logged('"reason":"replaced"', ann.name);
  await hear(again, [bob.name]);
  await ann.ends();
  await again.talk();
  await hear(bob, [ann.name]);
  for (const client of [ann, bob, again]) await client.end();
});

test('a user who leaves hears nothing and is not heard', async () => {
  const room = fresh('room');
  const [ann, bob, cid] = await Promise.all(
    [fresh('ann'), fresh('bob'), fresh('cid')].map((name) => connect(name, { slots: 2 })),
  );
  for (const client of [ann!, bob!, cid!]) {
    await join(client.name, room);
    await client.talk();
  }
  await hear(ann!, [bob!.name, cid!.name]);
  await membership('DELETE', ann!.name, room);
  // Packets that are under way arrive before the others have heard a round of packets of each other.
  await bob!.take();
  await hear(bob!, [cid!.name], 10);
  await ann!.take();
  await bob!.take();
  const packets = await hear(bob!, [cid!.name], 30);
  equal(heardNames(packets), [cid!.name]);
  equal(heardNames(await ann!.take()), []);
  for (const client of [ann!, bob!, cid!]) await client.end();
});

test('payload types are the listener’s own, and a client that declares no SSRC is heard', async () => {
  const room = fresh('room');
  const chromium = await connect(fresh('chromium'), { payloadType: 111, declaresSsrc: false });
  const firefox = await connect(fresh('firefox'), { payloadType: 109 });
  for (const client of [chromium, firefox]) {
    await join(client.name, room);
    await client.talk();
  }
  for (const packet of await hear(chromium, [firefox.name])) is(packet.payloadType, 111);
  for (const packet of await hear(firefox, [chromium.name])) is(packet.payloadType, 109);
  for (const client of [chromium, firefox]) await client.end();
});

test('a client that leaves frees its slot for the next speaker', async () => {
  const room = fresh('room');
  const listener = await connect(fresh('listener'), { slots: 1, publishes: false });
  const [ann, bob] = [await connect(fresh('ann'), { slots: 0 }), await connect(fresh('bob'), { slots: 0 })];
  for (const client of [listener, ann, bob]) await join(client.name, room);
  await ann.talk();
  await hear(listener, [ann.name]);
  await bob.talk();
  await ann.end();
  await hear(listener, [bob.name]);
  for (const client of [listener, bob]) await client.end();
});

test('a terminated server says goodbye and exits with 0', async () => {
  const client = await connect(fresh('last'));
  is(await (await server()).stop(), 0);
  await client.ends();
  not.match((await server()).logs.join('\n'), /"level":(50|60)/);
  host.kill();
});

test.run();
