/** Webhooks of a cluster: whichever instance a request goes to, its event comes once, in the order of the memberships. */
import { equal, is, ok } from 'uvu/assert';
import type { WebhookEvent } from '../../src/main/hooks/schema.ts';
import { freeTcpPort } from '../support/child.ts';
import { type Cluster, type ClusterInstance, inCluster } from '../support/cluster.ts';
import { scrape } from '../support/metrics.ts';
import { below, prng, seed } from '../support/prng.ts';
import { scenarios } from '../support/scenario.ts';
import { pause, until } from '../support/waiting.ts';
import { accept, once, SECRET, startWebhookReceiver, told, type WebhookReceiver } from '../support/webhook-receiver.ts';

const test = scenarios('cluster webhooks');
const SECONDS = 90;
const port = await freeTcpPort();
const env = { WEBHOOK_URL: `http://127.0.0.1:${port}/hooks?from=sfu`, WEBHOOK_SECRET: SECRET };

function withWebhooks(name: string, body: (cluster: Cluster, receiver: WebhookReceiver) => Promise<void>): void {
  inCluster(
    test,
    name,
    { instances: 3, env: { ...env, MAX_JOINS_PER_SECOND: '100' } },
    async (cluster) => {
      const receiver = await startWebhookReceiver(accept, port);
      try {
        await pause(SETTLED_MS);
        await body(cluster, receiver);
        equal(receiver.wrong, []);
      } finally {
        await receiver.close();
      }
    },
    SECONDS,
  );
}

/** Returns how many events each instance has sent. */
async function sent(instances: readonly ClusterInstance[]): Promise<number[]> {
  const count = async ({ server }: ClusterInstance): Promise<number> =>
    (await scrape(server.adminUrl)).value('sfu_webhook_events_total', { outcome: 'sent' }) ?? Number.NaN;
  return Promise.all(instances.map(count));
}

/** How long after its start the last instance knows all others, and one of them sends from then on, milliseconds. */
const SETTLED_MS = 5000;

/** Returns the instance that sends. */
async function speaker(
  cluster: Cluster,
  receiver: WebhookReceiver,
  among = cluster.instances,
): Promise<ClusterInstance> {
  const before = receiver.accepted.length;
  const counts = await sent(among);
  is((await among[0]!.join('probe', `probe${before}`)).status, 200);
  await receiver.until('the probe', (accepted) =>
    accepted.slice(before).some(({ conversation }) => conversation === `probe${before}`),
  );
  return until('one has sent it', async () => {
    const now = await sent(among);
    return among.find((_, i) => now[i]! > counts[i]!) ?? null;
  });
}

/** Follows events as a receiver does, and returns who is where. @throws Error for one that cannot follow the last. */
function follow(events: readonly WebhookEvent[]): Map<string, string> {
  const where = new Map<string, string>();
  const going = new Set<string>();
  const expect = (holds: boolean, event: WebhookEvent): void => {
    if (!holds) throw new Error(`${told(event)}, after ${events.map(told).join(', ')}`);
  };
  for (const event of events) {
    const { conversation } = event;
    switch (event.type) {
      case 'conversation.began':
        expect(!going.has(conversation), event);
        going.add(conversation);
        break;
      case 'conversation.ended':
        expect(going.delete(conversation) && ![...where.values()].includes(conversation), event);
        break;
      case 'user.joined':
        expect(going.has(conversation) && !where.has(event.userid), event);
        where.set(event.userid, conversation);
        break;
      case 'user.moved':
        expect(going.has(conversation) && where.get(event.userid) === event.from, event);
        where.set(event.userid, conversation);
        break;
      case 'user.left':
        expect(where.get(event.userid) === conversation, event);
        where.delete(event.userid);
        break;
      case 'user.silenced':
        expect(where.get(event.userid) === conversation, event);
        break;
      case 'recording.began':
      case 'recording.ended':
        break;
      default:
        event satisfies never;
    }
  }
  return where;
}

withWebhooks('each event comes once, in order, from one instance, wherever people ask', async (cluster, receiver) => {
  const random = prng(seed('cluster webhooks'));
  await speaker(cluster, receiver);
  const where = new Map<string, string>();
  const act = async (user: string): Promise<void> => {
    for (let i = 0; i < 30; i++) {
      const at = cluster.at(below(random, 3));
      const room = `room${below(random, 3)}`;
      const current = where.get(user);
      if (current !== undefined && below(random, 3) === 0) {
        is((await at.leave(user, current)).status, 200);
        where.delete(user);
      } else {
        is((await at.join(user, room)).status, 200);
        where.set(user, room);
      }
    }
  };
  await Promise.all(['ann', 'bob', 'cid', 'dan'].map(act));
  is((await cluster.at(1).join('ann', 'last')).status, 200);
  is((await cluster.at(2).operate('POST', '/conversations/last/users/ann/mute')).status, 200);
  is((await cluster.at(0).operate('POST', '/conversations/last/users/ann/kick')).status, 200);
  is((await cluster.at(2).join('end', 'end')).status, 200);
  await receiver.until('the last one', (accepted) => accepted.some(({ conversation }) => conversation === 'end'));
  await until('nothing waits', async () => {
    const queued = async ({ server }: ClusterInstance): Promise<number> =>
      (await scrape(server.adminUrl)).value('sfu_webhook_events_queued') ?? Number.NaN;
    return (await Promise.all(cluster.instances.map(queued))).every((count) => count === 0);
  });
  where.delete('ann');
  const events = once(receiver.accepted);
  for (const room of ['room0', 'room1', 'room2', 'last']) {
    // In the order of each conversation: a move is in the order of both.
    const own = events.filter((event) => event.conversation === room || ('from' in event && event.from === room));
    ok(own.length > 0, room);
  }
  const last = follow(events.filter(({ conversation }) => /^(?:room|last)/.test(conversation)));
  equal([...last].sort(), [...where].sort());
  equal(
    events
      .filter(({ conversation }) => conversation === 'last')
      .map(told)
      .slice(-3),
    ['ann in last silenced', 'ann left last: kicked', 'last ended: empty'],
  );
  is((await sent(cluster.instances)).filter((count) => count > 0).length, 1, 'one instance sends');
  is(events.length, receiver.accepted.length, 'and nothing twice');
});

withWebhooks(
  'if the instance that sends dies, another one goes on, and repeats with the same ids',
  async (cluster, receiver) => {
    const dying = await speaker(cluster, receiver);
    const others = cluster.instances.filter((one) => one !== dying);
    receiver.reply = () => undefined;
    for (let i = 0; i < 10; i++) is((await others[i % 2]!.join(`user${i}`, 'attic')).status, 200);
    await dying.kill();
    for (let i = 10; i < 20; i++) is((await others[i % 2]!.join(`user${i}`, 'attic')).status, 200);
    receiver.reply = accept;
    await receiver.until(
      'all',
      (accepted) =>
        once(accepted).filter(({ type, conversation }) => type === 'user.joined' && conversation === 'attic').length ===
        20,
    );
    const names = once(receiver.accepted)
      .filter(({ conversation }) => conversation === 'attic')
      .map(told);
    equal(names, ['attic began', ...Array.from({ length: 20 }, (_, i) => `user${i} joined attic`)]);
    // What was accepted from the dead one comes again under the same id.
    const repeats = receiver.accepted.length - once(receiver.accepted).length;
    ok(repeats >= 1, 'the probe was repeated');
  },
);

withWebhooks('if the instance that sends drains, nothing is lost, and it sends no more', async (cluster, receiver) => {
  const draining = await speaker(cluster, receiver);
  const others = cluster.instances.filter((one) => one !== draining);
  let asked = 0;
  let stop = false;
  const asking = (async () => {
    for (; !stop; asked++) {
      is((await others[asked % 2]!.join(`user${asked}`, 'attic')).status, 200);
      await pause(5);
    }
  })();
  await pause(300);
  draining.drain();
  await draining.server.exited;
  await pause(1000);
  stop = true;
  await asking;
  await receiver.until(
    'all',
    (accepted) =>
      once(accepted).filter(({ type, conversation }) => type === 'user.joined' && conversation === 'attic').length ===
      asked,
  );
  const joined = once(receiver.accepted).filter(
    ({ type, conversation }) => type === 'user.joined' && conversation === 'attic',
  );
  is(new Set(joined.map(told)).size, asked);
  ok(others.includes(await speaker(cluster, receiver, others)));
});

withWebhooks(
  'an instance that loses NATS leaves it to another one, and takes it back with nothing lost',
  async (cluster, receiver) => {
    const cut = await speaker(cluster, receiver);
    const others = cluster.instances.filter((one) => one !== cut);
    const joined = (): string[] =>
      once(receiver.accepted)
        .filter(({ type, conversation }) => type === 'user.joined' && conversation === 'attic')
        .map(told);
    const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `user${i} joined attic`);
    cut.link.cut();
    for (let i = 0; i < 10; i++) is((await others[i % 2]!.join(`user${i}`, 'attic')).status, 200);
    await receiver.until('the first ten', () => joined().length === 10);
    equal(joined(), names(10));
    cut.link.mend();
    await cluster.whole();
    await pause(SETTLED_MS);
    for (let i = 10; i < 20; i++) is((await cluster.at(i % 3).join(`user${i}`, 'attic')).status, 200);
    await receiver.until('the rest', () => joined().length === 20);
    equal(joined(), names(20));
  },
);

test.run();
