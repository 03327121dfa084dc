/**
 * Heartbeats, goodbyes and claims of ids: what two instances hear beside each other's. Whatever it is, they end neither
 * by it nor each other, they remember a bounded number of others, and soon after it they know each other alone.
 */
import { MAX_INSTANCES } from '../../src/main/cluster/messages/heartbeats.ts';
import type { FakeBus } from '../support/fake-bus.ts';
import { FakeNet } from '../support/fake-bus.ts';
import { type FakeInstance, fakeInstance, passTogether, SUBJECTS } from '../support/fake-instances.ts';
import { below, type Random } from '../support/prng.ts';
import { hostileJson } from './json.ts';
import { type Counters, type FuzzTarget, insist, oneIn, pick } from './target.ts';

const MESSAGES_A_CASE = 600;
/** Until everybody is known again, milliseconds: invented instances are silent for 3.5 s, and a heartbeat comes each second. */
const HEALED_MS = 12_000;
const MEMBERS = ['a', 'b'];
/** What they say of those who seem to be instances. */
const SAID = /^two instances have one INSTANCE_ID|they do not see each other/;

async function run(random: Random, outcomes: Counters): Promise<number> {
  const net = new FakeNet();
  const hostile = net.join();
  const members = MEMBERS.map((id, i) => fakeInstance(net, id, String(i + 1), below(random, 1e9)));
  for (const { instances } of members) await instances.start();
  const truths = collect(net, hostile);
  for (let i = 0; i < MESSAGES_A_CASE; i++) {
    if (oneIn(random, 10)) passTogether(members, below(random, 400));
    collect(net, hostile, truths);
    attack(random, hostile, truths);
    if (i % 40 === 0) check(members);
  }
  if (oneIn(random, 4)) await claim(random, net, hostile, outcomes);
  for (const { counts } of members) {
    const { malformed, otherVersion, unknownType, tooLarge } = counts;
    outcomes.add('malformed', malformed + tooLarge);
    outcomes.add('other version', otherVersion);
    outcomes.add('unknown type', unknownType);
  }
  outcomes.add(
    'appeared',
    members.reduce((sum, { seen }) => sum + seen.filter((line) => line[0] === '+').length, 0),
  );
  await endWell(members);
  return MESSAGES_A_CASE;
}

/** Returns what honest members said, to begin lies with. The net forgets it. */
function collect(net: FakeNet, hostile: FakeBus, into: Uint8Array[] = []): Uint8Array[] {
  const heartbeats = net.sent.splice(0).filter(({ subject, from }) => subject === SUBJECTS.beat && from !== hostile);
  into.push(...heartbeats.map(({ data }) => data));
  into.splice(0, into.length - 20);
  return into;
}

function attack(random: Random, hostile: FakeBus, truths: readonly Uint8Array[]): void {
  const truth = JSON.parse(Buffer.from(pick(random, truths)).toString());
  const invented = {
    ...truth,
    id: `x${below(random, 900)}`,
    incarnation: below(random, 900).toString(16).padStart(12, 'f'),
  };
  const bye = { v: 1, type: 'bye', incarnation: pick(random, [truth, invented]).incarnation };
  const message = pick(random, [truth, invented, invented, invented, oneIn(random, 20) ? bye : invented]);
  const data = oneIn(random, 4) ? Buffer.from(JSON.stringify(message)) : hostileJson(random, message);
  const id = SUBJECTS.id(pick(random, MEMBERS));
  const how = below(random, 16);
  if (how === 0) hostile.publish(id, data);
  else if (how === 1) void hostile.request(id, data, 1).catch(() => undefined);
  else hostile.publish(SUBJECTS.beat, data);
}

function check(members: readonly FakeInstance[]): void {
  for (const { instances } of members) {
    const all = instances.all();
    insist(all.length <= MAX_INSTANCES, () => `${all.length} instances are known`);
    for (const { rttMs, silentMs, id } of all) {
      insist(rttMs === null || (rttMs >= 0 && rttMs <= 60_000), () => `a round trip of ${rttMs} ms to ${id}`);
      insist(silentMs >= 0 && silentMs <= 4500, () => `${id} has been silent for ${silentMs} ms`);
    }
  }
}

/** Starts an instance whose claim of its id is answered by a liar. */
async function claim(random: Random, net: FakeNet, hostile: FakeBus, outcomes: Counters): Promise<void> {
  const { instances, bus } = fakeInstance(net, 'c', '3');
  const subscription = hostile.subscribe(SUBJECTS.id('c'), (data, reply) => {
    if (reply !== undefined) hostile.publish(reply, hostileJson(random, JSON.parse(Buffer.from(data).toString())));
  });
  try {
    await instances.start();
    outcomes.add('claimed');
  } catch (error) {
    insist(/two instances have one INSTANCE_ID/.test(String(error)), () => String(error));
    outcomes.add('claim refused');
  }
  subscription.close();
  await instances.close();
  net.members.delete(bus);
}

/** Lets the members heal, and ends them. */
async function endWell(members: readonly FakeInstance[]): Promise<void> {
  passTogether(members, HEALED_MS);
  for (const { instances, log } of members) {
    const others = instances.all().map(({ incarnation }) => incarnation);
    const real = members
      .map((one) => one.instances.self.incarnation)
      .filter((one) => one !== instances.self.incarnation);
    insist(
      others.join() === real.join(),
      () => `${instances.self.id} knows ${others.join(', ') || 'nobody'} afterwards`,
    );
    const bad = log.lines.find(({ level, msg }) => level >= 50 && !SAID.test(msg));
    insist(instances.warnings.length === 0, () => `warned of ${instances.warnings[0]}`);
    insist(bad === undefined, () => `logged ${JSON.stringify(bad)}`);
  }
  for (const { instances, time } of members) {
    await instances.close();
    insist(time.waiting === 0, () => `${time.waiting} timers are left behind`);
  }
  for (const { bus } of members) insist(bus.subjects.length === 0, () => `left behind: ${bus.subjects.join()}`);
}

export const heartbeats: FuzzTarget = {
  name: 'heartbeats',
  unit: 'messages',
  parallel: 1,
  weight: 1,
  async start() {
    return { run, rss: process.memoryUsage.rss, end: async () => undefined };
  },
};
