/** Joins, moves, leaves, kicks, mutes and limits of users whose connections are on two instances. */
import { equal, is, match, ok } from 'uvu/assert';
import { ClientHost, type TestClient } from '../support/client.ts';
import { type Cluster, enter, sharedCluster } from '../support/cluster.ts';
import { countsOf, hear, heardWithin, speakersIn } from '../support/hearing.ts';
import { scenarios } from '../support/scenario.ts';
import { until } from '../support/waiting.ts';

const test = scenarios('cluster memberships');
const shared = sharedCluster(test, { env: { MAX_CONNECTIONS_PER_USER: '3', MAX_PARTICIPANTS: '4' } });
const host = new ClientHost();

let names = 0;
const fresh = (name: string): string => `${name}${++names}`;

interface Pair {
  readonly room: string;
  readonly ann: TestClient;
  readonly bob: TestClient;
}

/** Ann on the first instance and Bob on the second, who hear each other. */
async function pair({ instances: [a, b] }: Cluster, slots = 2): Promise<Pair> {
  const room = fresh('room');
  const ann = await enter(host, a!, fresh('ann'), room, { slots });
  const bob = await enter(host, b!, fresh('bob'), room, { slots });
  for (const client of [ann, bob]) await client.talk();
  await hear(ann, [bob.name]);
  await hear(bob, [ann.name]);
  for (const client of [ann, bob]) await client.knows(({ userids }) => userids.length === 2);
  return { room, ann, bob };
}

async function endAll(...clients: readonly TestClient[]): Promise<void> {
  for (const client of clients) await client.end();
}

shared('a move that the other instance is asked for takes effect within a second of its answer', async (cluster) => {
  const { room, ann, bob } = await pair(cluster);
  const next = fresh('room');
  is((await cluster.at(1).join(ann.name, next)).status, 200);
  const answered = performance.now();
  await ann.knows(({ conversation }) => conversation === next);
  ok(performance.now() - answered < 1000);
  equal(ann.view.of('moved').at(-1)?.conversation, next);
  await bob.knows(({ userids, total }) => total === 1 && userids.length === 1);
  is(bob.view.conversation, room);
  equal(await heardWithin(bob, 300), []);
  is((await cluster.at(0).join(bob.name, next)).status, 200);
  equal(speakersIn(await hear(ann, [bob.name])), [bob.name]);
  equal(speakersIn(await hear(bob, [ann.name])), [ann.name]);
  await endAll(ann, bob);
});

shared('a leave that the other instance is asked for ends the membership everywhere', async (cluster) => {
  const { room, ann, bob } = await pair(cluster);
  is((await cluster.at(1).leave(ann.name, fresh('elsewhere'))).status, 200, 'a leave of another conversation');
  await hear(bob, [ann.name]);
  is((await cluster.at(1).leave(ann.name, room)).status, 200);
  await ann.knows((view) => view.of('left').some(({ conversation, kicked }) => conversation === room && !kicked));
  await bob.knows(({ total }) => total === 1);
  equal(await heardWithin(bob, 300), []);
  equal(await heardWithin(ann, 300), []);
  await endAll(ann, bob);
});

shared('joins of one user on two instances in turn end with the last one, everywhere', async (cluster) => {
  const { ann, bob } = await pair(cluster);
  const rooms = Array.from({ length: 6 }, () => fresh('room'));
  for (const [i, room] of rooms.entries()) is((await cluster.at(i % 2).join(ann.name, room)).status, 200);
  const last = rooms.at(-1)!;
  await ann.knows(({ conversation }) => conversation === last);
  for (const instance of cluster.instances) {
    const { users } = await instance.read<{ users: { userid: string }[] }>(`/conversations/${last}`);
    equal(
      users.map(({ userid }) => userid),
      [ann.name],
    );
  }
  await endAll(ann, bob);
});

shared('joins of one user on both instances at once leave all of the user’s connections together', async (cluster) => {
  const user = fresh('user');
  const device = (clientid: string): object => ({ claim: { userid: user, clientid }, name: `${user} ${clientid}` });
  const room = fresh('room');
  const phone = await enter(host, cluster.at(0), user, room, device('phone'));
  const laptop = await enter(host, cluster.at(1), user, room, device('laptop'));
  for (let i = 0; i < 5; i++) {
    const [x, y] = [fresh('x'), fresh('y')];
    const answers = await Promise.all([cluster.at(0).join(user, x), cluster.at(1).join(user, y)]);
    equal(
      answers.map(({ status }) => status),
      [200, 200],
    );
    await phone.knows((view) => view.conversation === x || view.conversation === y);
    await until('both are in one conversation', async () => {
      const views = [await phone.look(), await laptop.look()];
      return views[0]!.conversation === views[1]!.conversation && views[0]!.conversation !== room;
    });
  }
  await endAll(phone, laptop);
});

shared('an operator of any instance mutes, unmutes and kicks, wherever the user is', async (cluster) => {
  const { room, ann, bob } = await pair(cluster);
  const order = async (what: string): Promise<number> =>
    (await cluster.at(1).operate('POST', `/conversations/${room}/users/${ann.name}/${what}`)).status;
  is(await order('mute'), 200);
  await ann.knows((view) => view.of('silenced').at(-1)?.silenced === true);
  await bob.knows((view) => view.named(ann.name)?.muted === true);
  equal(await heardWithin(bob, 300), []);
  await ann.request({ v: 1, type: 'mute', muted: false, id: 7 });
  await ann.knows((view) => view.of('error').some(({ code, id }) => code === 'silenced' && id === 7));
  is(await order('unmute'), 200);
  await ann.knows((view) => view.of('silenced').at(-1)?.silenced === false);
  equal(speakersIn(await hear(bob, [ann.name])), [ann.name]);
  is(await order('kick'), 200);
  await ann.knows((view) => view.of('left').some(({ kicked }) => kicked));
  await bob.knows(({ total }) => total === 1);
  equal(await heardWithin(bob, 300), []);
  is(await order('kick'), 404, 'she is not there any more');
  await endAll(ann, bob);
});

shared('an operator’s mute holds when the user connects on another instance', async (cluster) => {
  const { room, ann, bob } = await pair(cluster);
  is((await cluster.at(1).operate('POST', `/conversations/${room}/users/${ann.name}/mute`)).status, 200);
  await ann.knows((view) => view.of('silenced').at(-1)?.silenced === true);
  await ann.end();
  await bob.knows(({ total }) => total === 1);
  const again = await host.connect(cluster.at(1).url, ann.name);
  await again.knows((view) => view.conversation === room && view.silenced);
  await again.talk();
  await again.sends(20);
  equal(await heardWithin(bob, 300), []);
  await endAll(again, bob);
});

shared('a client’s own mute is seen and in force on the other instance', async (cluster) => {
  const { ann, bob } = await pair(cluster);
  await ann.request({ v: 1, type: 'mute', muted: true });
  await bob.knows((view) => view.named(ann.name)?.muted === true);
  equal(await heardWithin(bob, 300), []);
  await ann.request({ v: 1, type: 'mute', muted: false });
  await bob.knows((view) => view.named(ann.name)?.muted === false);
  equal(speakersIn(await hear(bob, [ann.name])), [ann.name]);
  await endAll(ann, bob);
});

shared(
  'who unmutes is heard on the other instance from the first packet on, whatever else goes on',
  async (cluster) => {
    const { room, ann, bob } = await pair(cluster);
    const [near, dan] = [
      await enter(host, cluster.at(0), fresh('near'), room, { slots: 2 }),
      await enter(host, cluster.at(0), fresh('dan'), room),
    ];
    await bob.knows(({ total }) => total === 4);
    const missed: number[] = [];
    for (let round = 0; round < 7; round++) {
      await ann.request({ v: 1, type: 'mute', muted: true });
      await bob.knows((view) => view.named(ann.name)?.muted === true);
      equal(await heardWithin(bob, 300), []);
      await near.take();
      // Just before, something else is told, and the next time is a quarter of a second later.
      await dan.request({ v: 1, type: 'mute', muted: round % 2 === 0 });
      await bob.knows((view) => view.named(dan.name)?.muted === (round % 2 === 0));
      await ann.request({ v: 1, type: 'mute', muted: false });
      const [here, there] = [await hear(near, [ann.name]), await hear(bob, [ann.name])];
      missed.push(countsOf(there, ann.name)[0]! - countsOf(here, ann.name)[0]!);
    }
    // A busy worker may hear of the unmuting before it has dropped what was sent before: that is heard there alone.
    ok(missed.sort((one, other) => one - other)[3]! <= 1, missed.join());
    await endAll(ann, bob, near, dan);
  },
);

shared('who is excluded is not heard, and their place goes to the next, wherever they are', async (cluster) => {
  const { room, ann, bob } = await pair(cluster, 1);
  const cid = await enter(host, cluster.at(0), fresh('cid'), room, { slots: 0 });
  await cid.talk();
  await bob.knows(({ userids }) => userids.length === 3);
  const number = bob.view.named(ann.name)!.number;
  await bob.request({ v: 1, type: 'exclude', numbers: [number], id: 1 });
  await bob.knows((view) => view.of('ok').some(({ id }) => id === 1));
  await hear(bob, [cid.name], 5);
  equal(speakersIn(await hear(bob, [cid.name], 50)), [cid.name]);
  await bob.request({ v: 1, type: 'exclude', numbers: [bob.view.named(cid.name)!.number] });
  await hear(bob, [ann.name], 5);
  equal(speakersIn(await hear(bob, [ann.name], 50)), [ann.name]);
  await endAll(ann, bob, cid);
});

shared('a connection of the same client on the other instance replaces the older one', async (cluster) => {
  const { room, ann, bob } = await pair(cluster);
  const again = await host.connect(cluster.at(1).url, ann.name, { slots: 2 });
  is(again.close.code, 1000);
  await ann.knows((view) => view.of('replaced').length === 1);
  await ann.ends();
  await cluster.at(0).server.logged('"reason":"replaced"', ann.name);
  await again.knows(({ conversation, total }) => conversation === room && total === 2);
  await again.talk();
  equal(speakersIn(await hear(again, [bob.name])), [bob.name]);
  await hear(bob, [ann.name]);
  await bob.knows(({ total }) => total === 2);
  const back = await host.connect(cluster.at(0).url, ann.name, { slots: 2 });
  await again.knows((view) => view.of('replaced').length === 1);
  await back.knows(({ total }) => total === 2);
  await endAll(again, back, bob);
});

shared('the limits of connections and participants count those on the other instance', async (cluster) => {
  const [user, room] = [fresh('user'), fresh('room')];
  const clients: TestClient[] = [];
  const device = (i: number): object => ({ claim: { userid: user, clientid: `device ${i}` } });
  for (let i = 0; i < 3; i++) clients.push(await enter(host, cluster.at(i % 2), user, room, device(i)));
  for (const instance of cluster.instances) {
    const refused = await instance.ask('GET', '/connect', user);
    ok(refused.status === 426 || refused.status === 429 || refused.status === 409, `${refused.status}`);
    await host.connect(instance.url, user, device(9)).then(
      ({ close }) => match(String(close.code), /^44|^45/, JSON.stringify(close)),
      (error) => match(String(error), '429'),
    );
  }
  // Three connections of one user are one user; three more users fit.
  const guests = [fresh('g'), fresh('g'), fresh('g'), fresh('g')];
  for (const [i, guest] of guests.slice(0, 3).entries()) {
    const { status, body } = await cluster.at(i % 2).join(guest, room);
    is(status, 200, body);
  }
  for (const instance of cluster.instances) {
    const { status, body } = await instance.join(guests[3]!, room);
    is(status, 409, body);
  }
  for (const guest of guests.slice(0, 3)) is((await cluster.at(0).leave(guest, room)).status, 200);
  is((await cluster.at(1).join(guests[3]!, room)).status, 200, 'there is room again');
  await endAll(...clients);
});

shared(
  'operators see all of a conversation from each instance, with the instance of each connection',
  async (cluster) => {
    const { room, ann, bob } = await pair(cluster);
    for (const instance of cluster.instances) {
      const detail = await instance.read<{
        users: { userid: string; connections: { clientid: string; instance: string }[] }[];
      }>(`/conversations/${room}`);
      const where = Object.fromEntries(
        detail.users.map(({ userid, connections }) => [userid, connections[0]?.instance]),
      );
      equal(where, { [ann.name]: 'a', [bob.name]: 'b' });
      const page = await instance.read<{ conversations: { id: string; users: number }[] }>('/conversations?limit=1000');
      is(page.conversations.find(({ id }) => id === room)?.users, 2);
    }
    await endAll(ann, bob);
  },
);

shared('a connected user who is in no conversation is found from each instance', async (cluster) => {
  const user = fresh('user');
  const client = await host.connect(cluster.at(0).url, user);
  for (const instance of cluster.instances) {
    const found = await until('the user is found', async () => {
      const { status, body } = await instance.operate('GET', `/users/${user}`);
      return status === 200 ? body : null;
    });
    match(found, '"instance":"a"');
  }
  await client.end();
});

shared.ends();
test('the clients end', () => host.kill());
test.run();
