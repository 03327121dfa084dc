/** Instances that know each other over a real NATS. */
import { equal, is, match, ok } from 'uvu/assert';
import { makeIdentity } from '../../src/main/cluster/identity.ts';
import { type Instance, Instances } from '../../src/main/cluster/instances.ts';
import type { Link } from '../../src/main/cluster/link.ts';
import { noReadCounts } from '../../src/main/cluster/messages/read.ts';
import { Subjects } from '../../src/main/cluster/subjects.ts';
import { type Timers, timers } from '../../src/main/timers.ts';
import { recordLog } from '../support/log-record.ts';
import { NatsServer, withEachNats } from '../support/nats.ts';
import { openLink } from '../support/nats-link.ts';
import { scenarios } from '../support/scenario.ts';
import { pause, until } from '../support/waiting.ts';

const test = scenarios('instances over NATS');

interface Member {
  readonly link: Link;
  readonly instances: Instances;
  /** When each other instance was gone, and why. */
  readonly gone: { readonly at: number; readonly id: string; readonly why: string }[];
}

/** Opens a link and makes an instance of it, which is not started. @param clock added to its clock, milliseconds. */
async function member(nats: NatsServer, id: string, clock = 0): Promise<Member> {
  const link = await openLink(nats.url);
  const figures = { draining: false, connections: 0, conversations: 0, relayedIn: 0, relayedOut: 0, dropped: 0 };
  const time: Timers = { ...timers, now: () => timers.now() + clock };
  const parts = { subjects: new Subjects('sfu'), self: makeIdentity(id), counts: noReadCounts(), timers: time };
  const instances = new Instances({ bus: link, ...parts, figures: () => figures, log: recordLog().log });
  const gone: Member['gone'] = [];
  instances.watch({ gone: ({ id }: Instance, why) => void gone.push({ at: performance.now(), id, why }) });
  return { link, instances, gone };
}

async function started(nats: NatsServer, ids: readonly string[], clock = 0): Promise<Member[]> {
  const all = await Promise.all(ids.map((id, i) => member(nats, id, i * clock)));
  await Promise.all(all.map(({ instances }) => instances.start()));
  return all;
}

async function end(all: readonly Member[]): Promise<void> {
  for (const { link, instances } of all) {
    await instances.close();
    await link.close();
  }
}

const ids = ({ instances }: Member): string =>
  instances
    .all()
    .map(({ id }) => id)
    .join('');

withEachNats(test, 'instances meet, measure their round trips although clocks differ, and part', async (program) => {
  const nats = await NatsServer.start({ program });
  const all = await started(nats, ['a', 'b', 'c'], 120_000);
  const [a, b, c] = all as [Member, Member, Member];
  const begin = performance.now();
  await until('all know all', () => ids(a) === 'bc' && ids(b) === 'ac' && ids(c) === 'ab');
  ok(performance.now() - begin < 1000);
  await until('round trips are known', () =>
    all.every((one) => one.instances.all().every(({ rttMs }) => rttMs !== null)),
  );
  for (const { rttMs } of all.flatMap((one) => one.instances.all())) ok(rttMs! < 500, `${rttMs} ms`);
  await end([c]);
  await until('c is gone', () => ids(a) === 'b' && ids(b) === 'a');
  equal(
    a.gone.map(({ id, why }) => [id, why]),
    [['c', 'bye']],
  );
  await end([a, b]);
  await nats.stop();
});

withEachNats(test, 'an instance that vanishes is dead after 3.5 to 4 s', async (program) => {
  const nats = await NatsServer.start({ program });
  const [a, b] = (await started(nats, ['a', 'b'])) as [Member, Member];
  await until('both know both', () => ids(a) === 'b' && ids(b) === 'a');
  const begin = performance.now();
  await b.link.close();
  await until('it is gone', () => a.gone.length > 0);
  const { at, why } = a.gone[0]!;
  is(why, 'silent');
  // Its last heartbeat is up to a second old when it vanishes.
  ok(at - begin > 2400 && at - begin < 4100, `${at - begin} ms`);
  await end([a]);
  await b.instances.close();
  await nats.stop();
});

withEachNats(
  test,
  'an id that is in use is refused, and free again as soon as its instance is gone',
  async (program) => {
    const nats = await NatsServer.start({ program });
    const [a] = (await started(nats, ['a'])) as [Member];
    const second = await member(nats, 'a');
    const message = await second.instances.start().then(
      () => 'started',
      (error: Error) => error.message,
    );
    match(message, /^two instances have one INSTANCE_ID: a \(/);
    for (const { instances } of [a, second]) match(message, instances.self.incarnation);
    await end([second]);
    is(a.instances.duplicate, null);
    // As `kill -9` does.
    await a.link.close();
    const third = await member(nats, 'a');
    const begin = performance.now();
    await third.instances.start();
    ok(performance.now() - begin < 900);
    await end([third]);
    await a.instances.close();
    await nats.stop();
  },
);

withEachNats(test, 'two with one id that meet when NATS is back both say so', async (program) => {
  const [one, other] = [await NatsServer.start({ program }), await NatsServer.start({ program })];
  // Each is in a NATS of its own when it starts; then the second NATS is gone.
  const first = await member(one, 'a');
  const second = await member(other, 'a');
  await Promise.all([first.instances.start(), second.instances.start()]);
  second.link.connection.setServers([`127.0.0.1:${one.port}`]);
  await other.stop();
  await until('both know', () => first.instances.duplicate !== null && second.instances.duplicate !== null);
  await end([second]);
  await until('one is left', () => first.instances.duplicate === null);
  await end([first]);
  await one.stop();
});

withEachNats(
  test,
  'instances that lost NATS find each other again when it is back, without a restart of theirs',
  async (program) => {
    const nats = await NatsServer.start({ program });
    const all = await started(nats, ['a', 'b']);
    const [a, b] = all as [Member, Member];
    await until('both know both', () => ids(a) === 'b' && ids(b) === 'a');
    await nats.kill();
    await until('both are alone', () => ids(a) === '' && ids(b) === '');
    ok(!a.instances.settled);
    ok(a.instances.isAlive(b.instances.self.incarnation));
    await pause(500);
    await nats.restart({ store: false });
    await until('both know both', () => ids(a) === 'b' && ids(b) === 'a', { timeout: 5000 });
    await until('they are sure', () => a.instances.settled && b.instances.settled);
    equal(all.filter(({ instances }) => instances.leads).length, 1);
    await end(all);
    await nats.stop();
  },
  40,
);

test.run();
