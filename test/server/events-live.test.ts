import { equal, is, ok } from 'uvu/assert';
import { ClientHost, type ReceivedPacket, type TestClient } from '../support/client.ts';
import { scenarios } from '../support/scenario.ts';
import { claimHeader, type RunningServer, startServer } from '../support/server.ts';

/** Events of a real server at real clients. */
const test = scenarios('live events');

let running: Promise<RunningServer> | undefined;
const server = (): Promise<RunningServer> => {
  running ??= startServer({ WORKERS: '2', EVENTS_INTERVAL_MS: '50' });
  return running;
};
const host = new ClientHost();

/** Returns a name that no other scenario uses, because the scenarios share a server. */
let names = 0;
const fresh = (name: string): string => `${name}${++names}`;

async function connect(name: string, options: Parameters<ClientHost['connect']>[2] = {}): Promise<TestClient> {
  const client = await host.connect((await server()).url, fresh(name), { slots: 2, ...options });
  is(client.close.code, 1000);
  return client;
}

async function membership(method: 'POST' | 'DELETE', client: TestClient, room: string): Promise<void> {
  const headers = claimHeader(client.name);
  is((await fetch(`${(await server()).url}/join/${room}`, { method, headers })).status, 200);
}
const join = (client: TestClient, room: string): Promise<void> => membership('POST', client, room);

/** Connects clients, lets them join a conversation, and waits until all know each other. */
async function connectAll(...people: string[]): Promise<TestClient[]> {
  const room = fresh('room');
  const clients = await Promise.all(people.map((name) => connect(name)));
  for (const client of clients) await join(client, room);
  const all = clients.map(({ name }) => name).sort();
  for (const client of clients) await client.knows(({ userids }) => userids.join() === all.join());
  return clients;
}

async function end(clients: readonly TestClient[]): Promise<void> {
  for (const client of clients) await client.end();
}

/** Waits for at least this many packets of a speaker at a client. @returns these packets. */
async function hear(client: TestClient, from: TestClient, count: number): Promise<ReceivedPacket[]> {
  await client.take();
  return client.receives((packets) => packets.filter((packet) => packet.from === from.name).length >= count);
}

test('a snapshot comes with the connection, then whoever joins, moves and leaves', async () => {
  const room = fresh('room');
  const [ann, bob] = [await connect('ann'), await connect('bob')];
  await ann.knows(({ all }) => all.length > 0);
  is(ann.view.conversation, null);
  await join(ann, room);
  await ann.knows(({ conversation }) => conversation === room);
  equal(ann.view.of('moved'), [{ v: 1, type: 'moved', conversation: room }]);
  await join(bob, room);
  await bob.knows(({ userids }) => userids.length === 2);
  await ann.knows(({ userids }) => userids.join() === [ann.name, bob.name].join());
  is(ann.view.named(bob.name)?.number, bob.view.number);
  ok(ann.view.complete);
  const other = fresh('room');
  await join(bob, other);
  await ann.knows(({ userids }) => userids.join() === ann.name);
  await bob.knows(({ conversation }) => conversation === other);
  equal(bob.view.userids, [bob.name]);
  await membership('DELETE', bob, other);
  await bob.knows(({ conversation, all }) => conversation === null && all.at(-1)?.type === 'snapshot');
  equal(bob.view.of('left'), [{ v: 1, type: 'left', conversation: other, kicked: false }]);
  await end([ann, bob]);
});

test('the slots told by mid are the ones that carry the speakers’ packets', async () => {
  const [ann, bob, cid, listener] = await connectAll('ann', 'bob', 'cid', 'listener');
  for (const client of [ann!, bob!, cid!]) await client.talk();
  const view = await listener!.knows(({ slots }) => slots.size === 2);
  // One message describes one moment: once the change has arrived, all slots up to that moment have arrived too.
  let muted = false;
  const upToDate = async (): Promise<number> => {
    muted = !muted;
    await listener!.request({ v: 1, type: 'mute', muted });
    await listener!.knows(({ participants }) => participants.get(view.number)?.muted === muted);
    return view.of('slots').length;
  };
  let packets: ReceivedPacket[] = [];
  let before: number;
  do {
    before = await upToDate();
    await listener!.take();
    packets = await listener!.receives(({ length }) => length >= 50);
  } while ((await upToDate()) !== before);
  for (const { mid, csrc, from } of packets) {
    is(view.participants.get(csrc!)?.userid, from);
    is(csrc, view.slots.get(mid), `who is in slot ${mid}`);
  }
  equal(view.unmapped, []);
  await end([ann!, bob!, cid!, listener!]);
});

test('who speaks is told, who is dominant, and who is silent again', async () => {
  const [ann, bob] = await connectAll('ann', 'bob');
  await ann!.talk();
  await bob!.knows(({ speaking, dominant }) => speaking.join() === ann!.name && dominant === ann!.view.number);
  await ann!.knows(({ speaking }) => speaking.join() === ann!.name);
  await ann!.hush();
  await bob!.knows(({ speaking }) => speaking.length === 0);
  await end([ann!, bob!]);
});

test('a client that mutes itself is not forwarded, not in the next conversation either, until it unmutes', async () => {
  const [ann, bob] = await connectAll('ann', 'bob');
  await ann!.talk();
  await hear(bob!, ann!, 10);
  await ann!.request({ v: 1, type: 'mute', muted: true, id: 1 });
  await ann!.knows((view) => view.of('ok').some(({ id }) => id === 1));
  await bob!.knows((view) => view.named(ann!.name)?.muted === true && !view.speaking.includes(ann!.name));
  await bob!.take();
  await ann!.sends(25);
  equal(
    (await bob!.take()).filter(({ from }) => from === ann!.name),
    [],
  );
  const other = fresh('room');
  for (const client of [ann!, bob!]) await join(client, other);
  await bob!.knows((view) => view.conversation === other && view.named(ann!.name)?.muted === true);
  await ann!.request({ v: 1, type: 'mute', muted: false });
  await bob!.knows((view) => view.named(ann!.name)?.muted === false);
  await hear(bob!, ann!, 10);
  await end([ann!, bob!]);
});

test('excluded speakers are not heard, pinned ones are, and deafened clients hear nothing', async () => {
  const [ann, bob, cid, listener] = await connectAll('ann', 'bob', 'cid', 'listener');
  for (const client of [ann!, bob!, cid!]) await client.talk();
  const [one, two] = [ann!.view.number, bob!.view.number];
  const heard = ({ slots }: { slots: ReadonlyMap<string, number> }): string => [...slots.values()].sort().join();
  await listener!.request({ v: 1, type: 'exclude', numbers: [one] });
  await listener!.knows((view) => heard(view) === [two, cid!.view.number].sort().join());
  await listener!.request({ v: 1, type: 'exclude', numbers: [two] });
  await listener!.request({ v: 1, type: 'pin', numbers: [one], id: 3 });
  await listener!.knows((view) => heard(view) === [one, cid!.view.number].sort().join());
  await hear(listener!, ann!, 5);
  await listener!.request({ v: 1, type: 'deafen', deafened: true });
  await listener!.knows(({ slots }) => slots.size === 0);
  await listener!.request({ v: 1, type: 'deafen', deafened: false });
  await hear(listener!, ann!, 5);
  await listener!.request({ v: 1, type: 'participants', after: one, limit: 1, id: 5 });
  const { of } = await listener!.knows((view) => view.of('page').length > 0);
  const [page] = of.call(listener!.view, 'page') as { participants: { number: number }[]; next: number | null }[];
  equal(
    page?.participants.map(({ number }) => number),
    [[two, cid!.view.number, listener!.view.number].filter((number) => number > one).sort((a, b) => a - b)[0]],
  );
  await end([ann!, bob!, cid!, listener!]);
});

test('a replaced client is told before its connection ends', async () => {
  const old = await connect('ann');
  await old.knows(({ all }) => all.length > 0);
  const again = await host.connect((await server()).url, old.name);
  await old.knows((view) => view.of('replaced').length === 1);
  await old.ends();
  equal((await again.look()).of('replaced'), []);
  await end([old, again]);
});

test('a client that is replaced in a conversation is told as well', async () => {
  const [old] = await connectAll('ann', 'bob');
  const again = await host.connect((await server()).url, old!.name);
  await old!.knows((view) => view.of('replaced').length === 1);
  await again.knows(({ userids, complete }) => complete && userids.length === 2);
  await end([old!, again]);
});

test('when the server shuts down, every client is told before the connection ends', async () => {
  const clients = await connectAll('ann', 'bob', 'cid');
  is(await (await server()).stop(), 0);
  for (const client of clients) await client.knows((view) => view.of('draining').length === 1);
  host.kill();
});

test.run();
