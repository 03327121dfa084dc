/** Taps and recordings over several instances, on a real NATS. */
import { is, ok } from 'uvu/assert';
import { ClientHost } from '../support/client.ts';
import { enter, inCluster } from '../support/cluster.ts';
import { scenarios } from '../support/scenario.ts';
import { TapReader } from '../support/tap-reader.ts';
import { pause, until } from '../support/waiting.ts';

const test = scenarios('cluster taps');
const host = new ClientHost();

inCluster(
  test,
  'a tap on any instance has everybody, and all are told of the recording, whichever instance they are on',
  { instances: 3 },
  async (cluster) => {
    const [one, two, three] = cluster.instances;
    // Nobody is on the third one, and the others need each other's two foremost at most.
    const reader = await new TapReader(three!.server.adminUrl, 'room').opened();
    const names = Array.from({ length: 8 }, (_, i) => `user ${i}`);
    const clients = await Promise.all(
      names.map((name, i) =>
        enter(host, i % 2 === 0 ? one! : two!, name, 'room', { slots: 1, levelId: 1, keeps: false }),
      ),
    );
    for (const client of clients) await client.knows((view) => view.recording);
    for (const client of clients) await client.talk();
    for (const name of names) await until(`${name} is heard`, () => reader.of(name).length > 100);
    for (const name of names) {
      const numbers = reader.of(name).map(({ bytes }) => Buffer.from(bytes).readUInt16BE(2));
      const missing = numbers.slice(1).filter((number, i) => ((number - numbers[i]!) & 0xffff) !== 1);
      is(missing.length, 0, `${name} has gaps`);
    }
    await until('the list has all', () => reader.view.userids.length === 8);
    await clients[0]!.request({ v: 1, type: 'mute', muted: true });
    await until('a mute is known', () => reader.view.named(names[0]!)?.muted === true);
    const heard = reader.of(names[0]!).length;
    await clients[0]!.sends(25);
    is(reader.of(names[0]!).length, heard);
    reader.socket.close();
    for (const client of clients) await client.knows((view) => !view.recording);
    for (const client of clients) await client.end();
  },
  60,
);

inCluster(
  test,
  'a tap brings nobody into a slot, and what is relayed for it ends with it',
  { instances: 2 },
  async (cluster) => {
    const [one, two] = cluster.instances;
    const speakers = await Promise.all(
      [0, 1, 2, 3, 4, 5].map((i) => enter(host, one!, `user ${i}`, 'room', { slots: 1, levelId: 1, keeps: false })),
    );
    const ann = await enter(host, two!, 'ann', 'room', { slots: 1, publishes: false });
    for (const [i, speaker] of speakers.entries()) {
      await speaker.speakAt(i === 0 ? 10 : 45);
      await speaker.talk();
    }
    const hears = async (): Promise<string[]> => {
      await pause(1000);
      await ann.take();
      await pause(1000);
      return [...new Set((await ann.take()).map(({ from }) => from))];
    };
    await until('ann hears the loudest alone', async () => (await hears()).join() === 'user 0');
    const reader = await new TapReader(two!.server.adminUrl, 'room').opened();
    await until('the tap has all', () => new Set(reader.packets.map(({ speaker }) => speaker)).size === 6);
    is((await hears()).join(), 'user 0');
    const relayed = async (): Promise<number> => {
      const text = (await two!.operate('GET', '/metrics')).body;
      return Number(/^sfu_relay_packets_total\{direction="in"\} (\d+)$/m.exec(text)?.[1]);
    };
    const rate = async (): Promise<number> => {
      const before = await relayed();
      await pause(1000);
      return (await relayed()) - before;
    };
    ok((await rate()) > 220, 'six sources are relayed');
    reader.socket.close();
    await until('three are', async () => (await rate()) < 200);
    for (const client of [...speakers, ann]) await client.end();
  },
  60,
);

inCluster(
  test,
  'a tap goes on when NATS was away, and when an instance has died',
  { instances: 2 },
  async (cluster) => {
    const [one, two] = cluster.instances;
    const reader = await new TapReader(two!.server.adminUrl, 'room').opened();
    const ann = await enter(host, one!, 'ann', 'room', { slots: 1, keeps: false });
    await ann.talk();
    await until('ann is heard', () => reader.of('ann').length > 50);
    await cluster.nats.kill();
    await pause(4000);
    await cluster.nats.restart();
    const heard = reader.of('ann').length;
    await until('ann is heard again', () => reader.of('ann').length > heard + 50);
    await ann.knows((view) => view.recording);
    await two!.kill();
    await ann.knows((view) => !view.recording);
    await ann.end();
  },
  60,
);

test.run();
