/**
 * What instances ask each other for operators, what they answer, and what they say of lost packets. Each question has
 * its answer or none, an answer is what was asked for or missing, and loss stays loss.
 */
import { Inquiry, type SeenConnection } from '../../src/main/cluster/inquiry.ts';
import { noReadCounts } from '../../src/main/cluster/messages/read.ts';
import { Feedback } from '../../src/main/cluster/relay/feedback.ts';
import { WorstListener } from '../../src/main/rtcp/loss.ts';
import { type FakeBus, FakeNet } from '../support/fake-bus.ts';
import { SUBJECTS } from '../support/fake-instances.ts';
import { below, type Random } from '../support/prng.ts';
import { hostileJson } from './json.ts';
import { type Counters, type FuzzTarget, insist, oneIn, pick } from './target.ts';

const MESSAGES_A_CASE = 200;
const SELF = '100000000001';
const OTHER = '200000000002';
/** The largest message of NATS, bytes. */
const MAX_BYTES = 1_048_576;

function seenConnection(random: Random, more: object = {}): SeenConnection {
  const flags = { publishes: true, muted: false, deafened: false, speaking: false, hand: false };
  const quality = oneIn(random, 2)
    ? { uplink: { loss: 0.1, jitterMs: 3 }, downlink: { loss: 0, jitterMs: 0 }, rttMs: 7 }
    : {};
  const who = {
    userid: `user ${below(random, 9)}`,
    connection: below(random, 9),
    clientid: 'x'.repeat(below(random, 256)),
  };
  return { ...who, state: 'established', seconds: 3, number: 4, slots: 2, ...flags, ...quality, ...more };
}

/** Somebody asks this instance. */
function asked(random: Random, net: FakeNet, hostile: FakeBus, counts: { malformed: number }): number {
  const question = { v: 1, type: pick(random, ['conversation', 'user']), id: 'room', from: below(random, 3000) };
  let answers = 0;
  const inbox = hostile.subscribe('inbox.h', (data) => {
    answers++;
    const { connections, next } = JSON.parse(Buffer.from(data).toString()) as {
      connections: unknown[];
      next: number | null;
    };
    insist(data.length <= MAX_BYTES, () => `an answer of ${data.length} bytes`);
    insist(Array.isArray(connections) && (next === null || next > 0), () => 'no answer');
  });
  const before = counts.malformed;
  const reply = oneIn(random, 4) ? undefined : 'inbox.h';
  net.deliver(hostile, SUBJECTS.instance(SELF), hostileJson(random, question), reply);
  inbox.close();
  insist(answers <= 1, () => `${answers} answers`);
  insist(answers === 0 || counts.malformed === before, () => 'answered what is malformed');
  return answers;
}

/** This instance asks, and somebody answers. */
async function answered(random: Random, hostile: FakeBus, inquiry: Inquiry): Promise<number> {
  const connections = Array.from({ length: below(random, 4) }, () => seenConnection(random));
  const others = hostile.subscribe(SUBJECTS.instance(OTHER), (_, reply) => {
    const next = oneIn(random, 3) ? pick(random, [0, 1, 2, 1000]) : null;
    if (reply !== undefined) hostile.publish(reply, hostileJson(random, { v: 1, connections, next }));
  });
  const found = await inquiry.ask('user', 'ann');
  others.close();
  insist(found.missing.length <= 1, () => found.missing.join());
  for (const { instance, userid, clientid, state } of found.connections) {
    insist(
      instance === 'b' && userid.length <= 256 && clientid.length <= 256 && state.length <= 32,
      () => 'a bad connection',
    );
  }
  return found.connections.length;
}

/** Somebody says what it loses of this instance's packets. */
function loses(random: Random, feedback: Feedback, worst: WorstListener, now: number): void {
  const loss = Array.from({ length: below(random, 5) }, () => [below(random, 3), below(random, 256)]);
  feedback.take(hostileJson(random, { v: 1, from: OTHER, loss }), now);
  const fraction = worst.fraction(now);
  insist(fraction >= 0 && fraction <= 255, () => `a loss of ${fraction}`);
}

async function run(random: Random, outcomes: Counters): Promise<number> {
  const net = new FakeNet();
  const [bus, hostile] = [net.join(), net.join()];
  const [counts, read, worst] = [noReadCounts(), noReadCounts(), new WorstListener()];
  const all = Array.from({ length: below(random, 2500) }, () => seenConnection(random));
  const witness = { conversation: () => all, user: () => all.slice(0, 3) };
  const instances = { self: { incarnation: SELF }, all: () => [{ id: 'b', incarnation: OTHER }] };
  const inquiry = new Inquiry({ bus, subjects: SUBJECTS, instances, witness, counts });
  let noted = 0;
  const feedback = new Feedback({
    ...{ bus, read, incarnation: SELF, subject: (incarnation) => SUBJECTS.loss(incarnation) },
    rtcp: {
      lossOf: () => 0,
      noteElsewhere(id, instance, fraction, now) {
        noted++;
        insist(Number.isInteger(id) && id >= 0 && fraction >= 0 && fraction <= 255, () => `loss of ${id}: ${fraction}`);
        worst.noteElsewhere(instance, fraction, now);
      },
    },
  });
  for (let i = 0; i < MESSAGES_A_CASE; i++) {
    net.sent.length = 0;
    const what = below(random, 4);
    if (what < 2) loses(random, feedback, worst, i * 100);
    else if (what === 2) outcomes.add('answers', asked(random, net, hostile, counts));
    else outcomes.add('connections', await answered(random, hostile, inquiry));
  }
  inquiry.close();
  insist(bus.subjects.length === 0, () => `left behind: ${bus.subjects.join()}`);
  outcomes.add('losses', noted);
  outcomes.add('malformed', counts.malformed + read.malformed);
  return MESSAGES_A_CASE;
}

export const asks: FuzzTarget = {
  name: 'asks',
  unit: 'messages',
  parallel: 1,
  weight: 1,
  async start() {
    return { run, rss: process.memoryUsage.rss, end: async () => undefined };
  },
};
