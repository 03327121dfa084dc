/** Two relays of media and a real NATS between them: what arrives, and what a NATS that stands still costs. */
import { equal, is, ok } from 'uvu/assert';
import type { Publisher } from '../../src/main/media/ingress.ts';
import { NatsServer, withEachNats, withNats } from '../support/nats.ts';
import { RelaySide } from '../support/relay-side.ts';
import { scenarios } from '../support/scenario.ts';
import { pause, until } from '../support/waiting.ts';

const test = scenarios('relay');
const [HERE, THERE] = ['0123456789ab', 'ba9876543210'];
const ROOM = 7;

async function pair(nats: NatsServer, wants: number, maxDelay = 1000) {
  const here = await RelaySide.open(nats.url, { incarnation: HERE, maxDelay });
  const there = await RelaySide.open(nats.url, { incarnation: THERE, maxDelay });
  const rooms = [here.conversation(ROOM, wants), there.conversation(ROOM, wants)] as const;
  await Promise.all([here.relay.open(rooms[0]), there.relay.open(rooms[1])]);
  return { here, there, rooms };
}

/** Lets clients talk in real time, each `perSecond` packets a second, until a condition holds. */
async function talk(
  side: RelaySide,
  clients: readonly Publisher[],
  perSecond: number,
  condition: () => boolean,
): Promise<void> {
  const begin = performance.now();
  for (let sent = 0; !condition(); ) {
    for (; sent < ((performance.now() - begin) * perSecond) / 1000; sent++) {
      for (const client of clients) side.say(client);
    }
    await pause(4);
  }
}

function after(ms: number): () => boolean {
  const end = performance.now() + ms;
  return () => performance.now() >= end;
}

withEachNats(
  test,
  'of 20 sources that send 200 packets a second nothing is lost, and all is in order',
  async (program) => {
    const nats = await NatsServer.start({ program });
    // So long that no packet is late, however busy the machine is.
    const { here, there, rooms } = await pair(nats, 20, 60_000);
    const clients = Array.from({ length: 20 }, (_, id) => here.publisher(id, ROOM));
    await talk(here, clients, 200, after(3000));
    const all = (): number => [...there.arrived.values()].reduce((sum, { length }) => sum + length, 0);
    const said = clients.reduce((sum, client) => sum + here.said(client), 0);
    ok(said >= 11_000, `${said}`);
    await until('all packets are there', () => all() === said);
    for (const client of clients) {
      const numbers = there.arrived.get(`${HERE} ${client.id}`)!.map(({ sequence }) => sequence);
      equal(numbers, [...Array(here.said(client)).keys()]);
    }
    equal(Object.values(here.relay.counts.drops), [0, 0, 0, 0, 0, 0]);
    equal(Object.values(there.relay.counts.drops), [0, 0, 0, 0, 0, 0]);
    is(rooms[1].missed, 0, 'no packet came before its announcement');
    equal([here.relay.counts.out.packets, there.relay.counts.in.packets], [said, said]);
    ok(here.relay.counts.messagesOut < said / 5, 'many packets share a message');
    equal([here.arrived.size, there.relay.counts.out.packets], [0, 0], 'nothing comes back');
    await Promise.all([here.close(), there.close()]);
    await nats.stop();
  },
);

withEachNats(
  test,
  'a NATS that stands still for three seconds costs that time, and no old sound comes',
  async (program) => {
    const nats = await NatsServer.start({ program });
    const { here, there } = await pair(nats, 20, 500);
    const clients = Array.from({ length: 20 }, (_, id) => here.publisher(id, ROOM));
    const heap = (): number => process.memoryUsage().arrayBuffers;
    await talk(here, clients, 50, after(1000));
    const before = heap();
    let most = 0;
    const { drops } = here.relay.counts;
    nats.pause();
    const paused = performance.now();
    await talk(here, clients, 50, () => {
      most = Math.max(most, heap() - before);
      return performance.now() - paused >= 3000;
    });
    nats.resume();
    const resumed = performance.now();
    const first = there.arrived.get(`${HERE} 0`)!;
    const old = first.length;
    await talk(here, clients, 50, () => first.some(({ age }, i) => i >= old && age < 50));
    const silence = performance.now() - resumed;
    ok(drops.late + drops.disconnected > 20 * 50 * 1.5, JSON.stringify(drops));
    ok(most < 16 * 1024 * 1024, `${most} bytes more`);
    ok(silence < 2500, `fresh sound after ${silence} ms`);
    const ages = [...there.arrived.values()].flatMap((all) => all.map(({ age }) => age));
    ok(Math.max(...ages) < 600, `a packet was ${Math.max(...ages)} ms old`);
    const bursts = first.slice(old);
    ok(bursts.filter(({ age }) => age > 100).length <= 25, 'at most MAX_DELAY_MS of old sound');
    await Promise.all([here.close(), there.close()]);
    await nats.stop();
  },
);

withNats(test, 'what is not wanted does not cross, and loss does', async () => {
  const nats = await NatsServer.start();
  const { here, there, rooms } = await pair(nats, 1);
  const clients = Array.from({ length: 6 }, (_, id) => here.publisher(id, ROOM));
  await talk(here, clients, 50, after(500));
  await until('the foremost are heard', () => (there.arrived.get(`${HERE} 0`)?.length ?? 0) >= 20);
  ok(there.arrived.size <= 3 && there.arrived.has(`${HERE} 2`), `${[...there.arrived.keys()]}`);
  there.losses.set(`${HERE} 2`, 33);
  await talk(here, clients, 50, () => here.noted.length > 0);
  equal(here.noted[0], [2, 33]);
  rooms[1].listening = false;
  there.relay.changed(rooms[1]);
  await there.link.flush(1000);
  const heard = there.relay.counts.in.packets;
  await talk(here, clients, 50, after(200));
  await there.link.flush(1000);
  is(there.relay.counts.in.packets, heard);
  await Promise.all([here.close(), there.close()]);
  await nats.stop();
});

test.run();
