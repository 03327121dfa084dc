/** People of one conversation on two instances: who hears whom, from which packet on, and with which numbers. */
import { equal, is, ok } from 'uvu/assert';
import { ClientHost, SILENCE, type TestClient } from '../support/client.ts';
import { type Cluster, enter, sharedCluster } from '../support/cluster.ts';
import { countsOf, hear, heardWithin, isContinuous, numbersAgree, speakersIn } from '../support/hearing.ts';
import { scenarios } from '../support/scenario.ts';
import { pause } from '../support/waiting.ts';

const test = scenarios('cluster media');
const shared = sharedCluster(test, { env: { MAX_DELAY_MS: '1000' } });
const host = new ClientHost();

/** Returns a name that no other scenario uses, because the scenarios share the instances. */
let names = 0;
const fresh = (name: string): string => `${name}${++names}`;

/** Lets people enter one conversation on the two instances in turn. */
async function party(
  { instances }: Cluster,
  people: readonly string[],
  options: Parameters<typeof enter>[4] = {},
): Promise<TestClient[]> {
  const room = fresh('room');
  const clients: TestClient[] = [];
  for (const [i, name] of people.entries()) {
    clients.push(await enter(host, instances[i % 2]!, fresh(name), room, { slots: people.length, ...options }));
  }
  for (const client of clients) await client.knows(({ total }) => total === people.length);
  return clients;
}

async function leaveAll(clients: readonly TestClient[]): Promise<void> {
  for (const client of clients) await client.end();
}

shared('two people on two instances hear each other without holes, and know each other by number', async (cluster) => {
  const people = await party(cluster, ['ann', 'bob']);
  for (const client of people) await client.talk();
  for (const [client, other] of [people, people.toReversed()] as [TestClient, TestClient][]) {
    const packets = await hear(client, [other.name], 100);
    equal(speakersIn(packets), [other.name]);
    isContinuous(packets);
    await numbersAgree(client, packets, [other.name]);
    const counts = countsOf(packets, other.name);
    equal(
      counts,
      counts.map((_, i) => counts[0]! + i),
      'each packet once, in order',
    );
  }
  await leaveAll(people);
});

shared('whoever connects on one instance may join on the other', async ({ instances: [a, b] }) => {
  const room = fresh('room');
  const ann = await enter(host, a!, fresh('ann'), room, {}, b);
  const bob = await enter(host, b!, fresh('bob'), room, {}, a);
  for (const client of [ann, bob]) await client.talk();
  equal(speakersIn(await hear(ann, [bob.name])), [bob.name]);
  equal(speakersIn(await hear(bob, [ann.name])), [ann.name]);
  is(ann.view.conversation ?? (await ann.look()).conversation, room);
  await leaveAll([ann, bob]);
});

shared('who joins before connecting, on the other instance, is in the conversation at once', async (cluster) => {
  const [a, b] = [cluster.at(0), cluster.at(1)];
  const [room, ann, bob] = [fresh('room'), fresh('ann'), fresh('bob')];
  is((await a.join(ann, room)).status, 200);
  is((await b.join(bob, room)).status, 200);
  const clients = [await host.connect(b.url, ann), await host.connect(a.url, bob)];
  await clients[0]!.talk();
  equal(speakersIn(await hear(clients[1]!, [ann])), [ann]);
  await leaveAll(clients);
});

shared('six people on two instances hear each other, each in a slot of their own', async (cluster) => {
  const people = await party(cluster, ['ann', 'bob', 'cid', 'dan', 'eve', 'fay']);
  for (const client of people) await client.talk();
  for (const client of people) {
    const others = people.filter((other) => other !== client).map(({ name }) => name);
    const packets = await hear(client, others, 40);
    equal(speakersIn(packets), others.toSorted());
    isContinuous(packets);
    await numbersAgree(client, packets, others);
  }
  const numbers = people.map(({ view }) => view.userids.length);
  equal(numbers, [6, 6, 6, 6, 6, 6]);
  await leaveAll(people);
});

shared('somebody who begins to talk is heard on the other instance from the very first packet', async (cluster) => {
  const people = await party(cluster, ['ann', 'bob', 'cid']);
  const [ann, bob, cid] = people as [TestClient, TestClient, TestClient];
  for (const speaker of [ann, cid]) {
    await speaker.talk();
    const packets = await hear(bob, [speaker.name], 25);
    equal(
      countsOf(packets, speaker.name).slice(0, 25),
      Array.from({ length: 25 }, (_, i) => i),
    );
    await numbersAgree(bob, packets, [speaker.name]);
  }
  // He is heard by both, who are on one instance.
  await bob.talk();
  for (const client of [ann, cid]) is(countsOf(await hear(client, [bob.name], 10), bob.name)[0], 0);
  await leaveAll(people);
});

shared('a newcomer who talks as soon as the join is answered is heard from the first packet on', async (cluster) => {
  const people = await party(cluster, ['ann', 'bob']);
  const [ann] = people as [TestClient];
  await ann.talk();
  const room = ann.view.conversation!;
  const listener = await enter(host, cluster.at(0), fresh('listener'), room, { slots: 4, publishes: false });
  await hear(listener, [ann.name]);
  for (let i = 0; i < 5; i++) {
    const late = await enter(host, cluster.at(1), fresh('late'), room, { slots: 4 });
    await late.talk();
    is(countsOf(await hear(listener, [late.name], 5), late.name)[0], 0, `newcomer ${i}`);
    await late.end();
  }
  await leaveAll([...people, listener]);
});

shared('two devices of one user on two instances hear the others and never each other', async (cluster) => {
  const [a, b] = [cluster.at(0), cluster.at(1)];
  const [room, user] = [fresh('room'), fresh('user')];
  const device = (clientid: string): object => ({ claim: { userid: user, clientid }, name: `${user} ${clientid}` });
  const phone = await enter(host, a, user, room, { ...device('phone'), slots: 3 });
  const laptop = await enter(host, b, user, room, { ...device('laptop'), slots: 3 });
  const others = [
    await enter(host, a, fresh('ann'), room, { slots: 3 }),
    await enter(host, b, fresh('bob'), room, { slots: 3 }),
  ];
  for (const client of [phone, laptop, ...others]) await client.talk();
  const otherNames = others.map(({ name }) => name);
  for (const [i, client] of others.entries()) {
    const wanted = [phone.name, laptop.name, otherNames[1 - i]!];
    equal(speakersIn(await hear(client, wanted)), wanted.toSorted());
  }
  for (const client of [phone, laptop]) equal(speakersIn(await hear(client, otherNames, 100)), otherNames.toSorted());
  const view = await others[0]!.knows(({ total }) => total === 4);
  equal(view.userids, [...otherNames, user, user].sort());
  await leaveAll([phone, laptop, ...others]);
});

shared('a voice from the other instance ends in silence when it is muted, moves on or hangs up', async (cluster) => {
  const people = await party(cluster, ['ann', 'bob', 'cid']);
  const [ann, bob, cid] = people as [TestClient, TestClient, TestClient];
  const endsInSilence = async (speaker: string, act: () => Promise<unknown>): Promise<void> => {
    await hear(bob, [speaker]);
    await act();
    const packets = await bob.receives((all) => all.filter(({ from }) => from === SILENCE).length >= 5);
    isContinuous(packets);
    equal(speakersIn([...packets.slice(-1)]), []);
    equal(await heardWithin(bob, 300), []);
  };
  await ann.talk();
  await endsInSilence(ann.name, () => ann.request({ v: 1, type: 'mute', muted: true }));
  await ann.request({ v: 1, type: 'mute', muted: false });
  await endsInSilence(ann.name, () => cluster.at(1).join(ann.name, fresh('elsewhere')));
  await cid.talk();
  await endsInSilence(cid.name, () => cid.end());
  await leaveAll([ann, bob]);
});

shared('nothing of a conversation crosses while nobody listens on the other instance', async (cluster) => {
  const [a, b] = [cluster.at(0), cluster.at(1)];
  const room = fresh('room');
  const ann = await enter(host, a, fresh('ann'), room, { slots: 2 });
  const bob = await enter(host, a, fresh('bob'), room, { slots: 2 });
  // She is on the other instance and has no slot.
  const sue = await enter(host, b, fresh('sue'), room, { slots: 0 });
  await ann.knows(({ total }) => total === 3);
  await ann.talk();
  await hear(bob, [ann.name]);
  const messages = async (): Promise<number> => (await cluster.monitor.figures()).inMsgs;
  await pause(500);
  const before = await messages();
  await hear(bob, [ann.name], 100);
  const during = (await messages()) - before;
  ok(during < 40, `${during} messages in two seconds, in which she sent 100 packets`);
  await leaveAll([ann, bob, sue]);
});

shared('packets keep their order and their distance when somebody talks for a while', async (cluster) => {
  const people = await party(cluster, ['ann', 'bob']);
  const [ann, bob] = people as [TestClient, TestClient];
  await ann.talk();
  const packets = (await hear(bob, [ann.name], 250)).filter(({ from }) => from === ann.name);
  isContinuous(packets);
  const late = packets.map(({ at, timestamp }) => at - ((timestamp - packets[0]!.timestamp) | 0) / 48);
  const spread = late.toSorted((x, y) => x - y);
  const median = spread[spread.length >> 1]! - spread[0]!;
  ok(median < 25, `half of the packets came more than ${median.toFixed(1)} ms later than the fastest`);
  await leaveAll(people);
});

shared.ends();
test('the clients end', () => host.kill());
test.run();
