/** Machines whose clocks differ, an instance that is slow, a relay with a fault, and a listener with loss, far away. */
import { equal, is, match, ok } from 'uvu/assert';
import { RtcpPacketConverter, RtcpReceiverInfo, RtcpRrPacket } from 'werift-rtp';
import { ClientHost, type TestClient } from '../support/client.ts';
import { type Cluster, type ClusterInstance, enter, inCluster, seen } from '../support/cluster.ts';
import { hear, heardWithin, isContinuous, speakersIn } from '../support/hearing.ts';
import { Listening } from '../support/listening.ts';
import { scrape } from '../support/metrics.ts';
import { scenarios } from '../support/scenario.ts';
import { pause, shortestOf, until } from '../support/waiting.ts';

const test = scenarios('cluster trouble');
const CLOCK = new URL('../support/other-clock.js', import.meta.url);
const CHANGED = new URL('../support/changed-build.js', import.meta.url);
const TEN_MINUTES_MS = 600_000;
/** Longest time that people of a dead instance may stay on the list, milliseconds. */
const DEAD_MS = 4000;

/** Adds a scenario with an instance as it is, and another one with variables of its own. */
function besideAnother(
  name: string,
  env: Readonly<Record<string, string>>,
  common: Readonly<Record<string, string>>,
  body: (cluster: Cluster, a: ClusterInstance, other: ClusterInstance, host: ClientHost) => Promise<void>,
  seconds = 60,
): void {
  const run = async (cluster: Cluster): Promise<void> => {
    const other = await cluster.prepare('other', { ...common, ...env });
    const host = new ClientHost();
    try {
      await other.start();
      await cluster.whole([cluster.at(0), other]);
      await body(cluster, cluster.at(0), other, host);
    } catch (error) {
      console.log(['--- other', ...other.logs.slice(-80)].join('\n'));
      throw error;
    } finally {
      host.kill();
      await other.stop();
    }
  };
  inCluster(test, name, { instances: 1, env: common }, run, seconds);
}

/** Waits until somebody hears somebody else without a hole for two seconds. */
async function hearsWell(client: TestClient, from: TestClient): Promise<void> {
  await hear(client, [from.name]);
  await client.take();
  const packets = await hear(client, [from.name], 100);
  isContinuous(packets.filter((packet) => packet.from === from.name));
}

for (const [how, offset] of [
  ['ahead', TEN_MINUTES_MS],
  ['behind', -TEN_MINUTES_MS],
] as const) {
  besideAnother(
    `an instance whose clock is ten minutes ${how} shares conversations, memberships and the news of its death`,
    { NODE_OPTIONS: `--import=${CLOCK.href}`, CLOCK_OFFSET_MS: String(offset) },
    { MEMBERSHIP_TIMEOUT_MS: '60000' },
    async (cluster, a, other, host) => {
      const far = JSON.parse(other.logs.find((line) => line.includes('"time":'))!) as { time: string | number };
      ok(Math.abs(new Date(far.time).getTime() - Date.now() - offset) < 60_000, `its clock says ${far.time}`);
      const ann = await enter(host, a, 'ann', 'room', { slots: 2 });
      const bob = await enter(host, other, 'bob', 'room', { slots: 2 });
      for (const client of [ann, bob]) await client.talk();
      await hearsWell(bob, ann);
      await hearsWell(ann, bob);
      // A membership that the other one wrote, of somebody who connects only now.
      is((await other.join('cid', 'room')).status, 200);
      await pause(3000);
      const cid = await host.connect(a.url, 'cid', { slots: 2, publishes: false });
      await cid.knows(({ conversation, total }) => conversation === 'room' && total === 3);
      // Who moves last is there, whoever writes it.
      is((await other.join('cid', 'elsewhere')).status, 200);
      is((await a.join('cid', 'room')).status, 200);
      is((await other.join('cid', 'third')).status, 200);
      await cid.knows(({ conversation }) => conversation === 'third');
      is((await a.operate('POST', '/conversations/room/users/bob/mute')).status, 200);
      await until('bob is muted', async () => (await heardWithin(ann, 500)).length === 0);
      is((await other.operate('POST', '/conversations/room/users/bob/unmute')).status, 200);
      await hearsWell(ann, bob);
      for (const instance of [a, other]) {
        const metrics = await scrape(instance.server.adminUrl);
        is(metrics.value('sfu_relay_dropped_total', { direction: 'in', reason: 'too-old' }), 0);
        const { instances } = await instance.read<{ instances: { silentMs: number }[] }>('/cluster');
        for (const { silentMs } of instances) ok(silentMs >= 0 && silentMs < 3000, `${silentMs}`);
      }
      const took = await shortestOf(
        DEAD_MS,
        async () => {
          const killed = await other.kill();
          await ann.knows(({ userids }) => userids.join() === 'ann');
          const gone = performance.now() - killed;
          await other.start();
          await cluster.whole([a, other]);
          await (await enter(host, other, 'bob', 'room', { slots: 2 })).talk();
          await ann.knows(({ userids }) => userids.join() === 'ann,bob');
          return gone;
        },
        3,
      );
      ok(took < DEAD_MS, `${took.toFixed()} ms`);
    },
    90,
  );
}

inCluster(
  test,
  'an instance that hardly gets to run delays nobody on the others',
  { instances: 3 },
  async (cluster) => {
    const [a, b, slow] = cluster.instances as [ClusterInstance, ClusterInstance, ClusterInstance];
    const host = new ClientHost();
    const far = new ClientHost();
    let slowed = true;
    const slowing = async (): Promise<void> => {
      for (; slowed; await pause(20)) {
        slow.freeze();
        await pause(230);
        slow.thaw();
      }
    };
    let over: Promise<void> | undefined;
    try {
      const [ann, bob] = [
        await enter(host, a, 'ann', 'room', { slots: 3 }),
        await enter(host, b, 'bob', 'room', { slots: 3 }),
      ];
      const cid = await enter(far, slow, 'cid', 'room', { slots: 3 });
      for (const client of [ann, bob, cid]) await client.talk();
      for (const client of [ann, bob, cid]) await client.knows(({ total }) => total === 3);
      over = slowing();
      let joins = 0;
      const measure = async (): Promise<number> => {
        const { longestGap, lost } = await new Listening([ann, bob]).during(async () => {
          for (let i = 0; i < 20; i++) {
            const begun = performance.now();
            is((await (i % 2 === 0 ? a : b).join(`user${i}`, 'room')).status, 200);
            joins = Math.max(joins, performance.now() - begun);
            await pause(250);
          }
        });
        is(lost, 0);
        return longestGap;
      };
      const gap = await shortestOf(300, measure, 4);
      console.log(`longest gap on the others ${gap.toFixed()} ms, slowest join ${joins.toFixed()} ms`);
      ok(gap < 300, `${gap} ms`);
      for (const instance of [a, b]) equal((await seen(instance)).sort(), ['a', 'b', 'c']);
      // Whoever is there hears the others all the same, and is heard.
      ok(speakersIn(await hear(cid, ['ann', 'bob'], 50)).includes('ann'));
      await hear(ann, ['cid'], 50);
    } finally {
      slowed = false;
      await over;
      host.kill();
      far.kill();
    }
    await cluster.whole();
  },
  60,
);

besideAnother(
  'a relay that fails says so, and its people go on hearing each other',
  { NODE_OPTIONS: `--import=${CHANGED.href}`, CHANGED_BUILD: 'relay-fault' },
  {},
  async (_cluster, a, faulty, host) => {
    const ann = await enter(host, faulty, 'ann', 'room', { slots: 2 });
    const bob = await enter(host, faulty, 'bob', 'room', { slots: 2 });
    const cid = await enter(host, a, 'cid', 'room', { slots: 2, publishes: false });
    for (const client of [ann, bob]) await client.talk();
    await faulty.server.logged('a packet tap failed and was detached', 'a fault');
    for (const client of [ann, bob]) await client.knows((view) => view.of('cluster').at(-1)?.whole === false);
    const { status, body } = await faulty.operate('GET', '/readyz');
    is(status, 503, 'the proxy sends newcomers to the others');
    match(body, '"degraded"');
    match(body, 'relay');
    await hearsWell(ann, bob);
    await hearsWell(bob, ann);
    await until('nobody elsewhere hears them', async () => (await heardWithin(cid, 500)).length === 0);
    // Started again, it is whole.
    await faulty.kill();
    await faulty.start({ CHANGED_BUILD: '' });
    const again = await enter(host, faulty, 'ann', 'room', { slots: 2 });
    await again.talk();
    await hearsWell(cid, again);
  },
);

besideAnother(
  'a publisher learns of the loss of a listener on another instance, and of its end',
  {},
  {},
  async (_cluster, a, other, host) => {
    const ann = await enter(host, a, 'ann', 'room', { slots: 0 });
    const bob = await enter(host, other, 'bob', 'room', { slots: 1, publishes: false });
    await ann.talk();
    const loses = async (fractionLost: number): Promise<void> => {
      const { ssrc, sequence } = (await hear(bob, ['ann'], 20)).at(-1)!;
      const block = { ssrc, fractionLost, packetsLost: 0, highestSequence: sequence, jitter: 0, lsr: 0, dlsr: 0 };
      ok(await bob.send(new RtcpRrPacket({ ssrc: 1, reports: [new RtcpReceiverInfo(block)] }).serialize()));
    };
    const learns = (fraction: number): Promise<unknown> =>
      until(`ann learns of ${fraction}/256`, async () => {
        const reports = (await ann.takeRtcp()).flatMap(({ bytes }) =>
          RtcpPacketConverter.deSerialize(Buffer.from(bytes, 'base64')),
        );
        return reports.some((report) => report.type === 201 && report.reports[0]?.fractionLost === fraction);
      });
    await learns(0);
    await loses(51);
    await learns(51);
    await loses(0);
    await learns(0);
    await loses(51);
    await learns(51);
    await bob.end();
    await learns(0);
  },
);

test.run();
