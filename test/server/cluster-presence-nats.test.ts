/** Presence of two instances on a real NATS: what one tells reaches the other, also after NATS was away. */
import { equal, is, ok } from 'uvu/assert';
import { makeIdentity } from '../../src/main/cluster/identity.ts';
import { Instances } from '../../src/main/cluster/instances.ts';
import type { Link } from '../../src/main/cluster/link.ts';
import { noReadCounts } from '../../src/main/cluster/messages/read.ts';
import { createLog } from '../../src/main/log/log.ts';
import { timers } from '../../src/main/timers.ts';
import { NatsServer, withEachNats } from '../support/nats.ts';
import { openLink } from '../support/nats-link.ts';
import { House, SUBJECTS } from '../support/presence-fixture.ts';
import { scenarios } from '../support/scenario.ts';
import { until } from '../support/waiting.ts';

const test = scenarios('cluster presence on NATS');

const FIGURES = { draining: false, connections: 0, conversations: 0, relayedIn: 0, relayedOut: 0, dropped: 0 };

/** An instance without connections and workers: its link, its heartbeats, its presence. */
class Member {
  readonly house: House;
  readonly link: Link;
  readonly instances: Instances;

  static async start(nats: NatsServer, id: string): Promise<Member> {
    const link = await openLink(nats.url);
    const self = makeIdentity(id);
    const rest = { figures: () => FIGURES, counts: noReadCounts(), timers, log: createLog('silent') };
    const instances = new Instances({ bus: link, subjects: SUBJECTS, self, ...rest });
    await instances.start();
    return new Member(link, instances);
  }

  private constructor(link: Link, instances: Instances) {
    this.link = link;
    this.instances = instances;
    this.house = new House(instances.self.incarnation, link, timers, 1000, instances);
  }

  /** Names of those on other instances. */
  remote(room: string): string[] {
    return this.house.remote(room).map((line) => line.split(' ')[2]!);
  }

  async end(): Promise<void> {
    this.house.presence.close();
    await this.instances.close();
    await this.link.close();
  }
}

/** Waits until two know each other's participants of a room as they are; who is not in it knows of nobody. */
async function agree(one: Member, other: Member, room: string): Promise<void> {
  const knows = (house: House, of: House): boolean => {
    const truth = house.own(room).length === 0 ? [] : of.own(room);
    return `${house.remote(room)}` === `${truth}`;
  };
  const what = `each knows the other's participants in the ${room}`;
  await until(what, () => knows(one.house, other.house) && knows(other.house, one.house));
}

withEachNats(test, 'who comes, mutes, speaks and leaves is known on the other instance', async (program) => {
  const nats = await NatsServer.start({ program });
  const [a, b] = [await Member.start(nats, 'a'), await Member.start(nats, 'b')];
  const ann = a.house.enter('ann', 'kitchen');
  const bob = b.house.enter('bob', 'kitchen');
  await agree(a, b, 'kitchen');
  equal([a.remote('kitchen'), b.remote('kitchen')], [['bob'], ['ann']]);
  for (const change of [() => ann.mute(true), () => bob.speak(true), () => b.house.enter('cid', 'kitchen')]) {
    change();
    await agree(a, b, 'kitchen');
  }
  for (let i = 0; i < 500; i++) a.house.enter(`user ${i}`, 'kitchen');
  await agree(a, b, 'kitchen');
  is(b.remote('kitchen').length, 501);
  for (const { house } of [a, b]) for (const guest of [...house.guests]) guest.end();
  equal([a.house.held['users'], b.house.held['users']], [0, 0]);
  await Promise.all([a.end(), b.end()]);
  await nats.stop();
});

withEachNats(
  test,
  'while NATS stands still the others leave, and come back with it, changed as they are',
  async (program) => {
    const nats = await NatsServer.start({ program });
    const [a, b] = [await Member.start(nats, 'a'), await Member.start(nats, 'b')];
    a.house.enter('ann', 'kitchen');
    const bob = b.house.enter('bob', 'kitchen');
    await agree(a, b, 'kitchen');
    nats.pause();
    await until('nobody is listed', () => a.remote('kitchen').length + b.remote('kitchen').length === 0);
    bob.mute(true);
    b.house.enter('cid', 'kitchen');
    nats.resume();
    await agree(a, b, 'kitchen');
    equal(a.remote('kitchen'), ['bob', 'cid']);
    await Promise.all([a.end(), b.end()]);
    await nats.stop();
  },
);

withEachNats(
  test,
  'after a short restart of NATS everything is as it was, and what happened meanwhile is known',
  async (program) => {
    const nats = await NatsServer.start({ program });
    const [a, b] = [await Member.start(nats, 'a'), await Member.start(nats, 'b')];
    const ann = a.house.enter('ann', 'kitchen');
    const [bob, cid] = ['bob', 'cid'].map((name) => b.house.enter(name, 'kitchen'));
    b.house.enter('bob', 'garden');
    a.house.enter('ann', 'garden');
    await agree(a, b, 'kitchen');
    const number = a.house.numberOf('kitchen', cid!);
    await nats.kill();
    await until('the loss is noticed', () => !a.link.connected && !b.link.connected);
    bob!.place(null);
    ann.place(null);
    await nats.restart();
    await agree(a, b, 'kitchen');
    await agree(a, b, 'garden');
    ann.place('kitchen');
    await agree(a, b, 'kitchen');
    ok(a.house.numberOf('kitchen', cid!) > number, 'the conversation began anew');
    await Promise.all([a.end(), b.end()]);
    await nats.stop();
  },
);

withEachNats(
  test,
  'an instance that dies without a word takes its participants along within four seconds',
  async (program) => {
    const nats = await NatsServer.start({ program });
    const [a, b] = [await Member.start(nats, 'a'), await Member.start(nats, 'b')];
    a.house.enter('ann', 'kitchen');
    b.house.enter('bob', 'kitchen');
    await agree(a, b, 'kitchen');
    const begin = performance.now();
    // Its goodbyes do not get out.
    await b.link.close();
    await until('bob is off the list', () => a.remote('kitchen').length === 0);
    ok(performance.now() - begin < 4500, `${performance.now() - begin} ms`);
    await Promise.all([a.end(), b.end()]);
    await nats.stop();
  },
);

test.run();
