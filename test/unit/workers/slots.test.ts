/** What a listener's slots carry: silence at the end of a voice, wishes, and clean numbers whatever happens. */
import { equal, is, ok } from 'uvu/assert';
import { OPUS_FRAME_TICKS } from '../../../src/rtp/packet.ts';
import { readReception } from '../../../src/rtp/reception.ts';
import { SLOT_WORDS, Slot } from '../../../src/rtp/rewriter.ts';
import { Conversation } from '../../../src/workers/conversation.ts';
import { Participant } from '../../../src/workers/participant.ts';
import { Count, connectionIndex, Drop, SOURCE_WORDS, SourceWord } from '../../../src/workers/protocol.ts';
import { rtp } from '../../support/packets.ts';
import { below, prng, type Random, seed } from '../../support/prng.ts';
import { scenarios } from '../../support/scenario.ts';
import { Bench, type Sent, SILENCE } from '../../support/shard.ts';

const test = scenarios('slots');
const FRAME = OPUS_FRAME_TICKS;
const MILLISECOND = FRAME / 20;

/** A microphone: `say` sends its next packet. */
class Voice {
  sequence = 100;
  readonly bench: Bench;
  readonly id: number;
  constructor(bench: Bench, id: number) {
    this.bench = bench;
    this.id = id;
  }
  say(payload = `voice ${this.id}`): Sent[] {
    this.sequence = (this.sequence + 1) & 0xffff;
    const timestamp = Math.imul(this.sequence, FRAME) >>> 0;
    return this.bench.send(
      this.id,
      rtp({ sequence: this.sequence, timestamp, ssrc: this.id, payload: Buffer.from(payload) }),
    );
  }
  /** Talks for so many frames. @returns all that left meanwhile, for anybody. */
  talk(frames: number): Sent[] {
    const all: Sent[] = [];
    for (let i = 0; i < frames; i++) {
      this.bench.clock = (this.bench.clock + FRAME) | 0;
      all.push(...this.say());
    }
    return all;
  }
}

/** A listener 1 with slots, and voices 2, 3, … */
function setUp(slots: number, voices: number) {
  const bench = new Bench();
  bench.join(1, { slots });
  const all = Array.from({ length: voices }, (_, i) => {
    bench.join(i + 2, { slots: 0 });
    return new Voice(bench, i + 2);
  });
  const speaker = (slot: number): number => bench.slots[(4 + slot) * 16 + Slot.Speaker]!;
  const listen = (wishes: { deafened?: boolean; pinned?: number[]; excluded?: number[] }): void =>
    bench.forwarder.listen({ type: 'listen', connection: 1, deafened: false, pinned: [], excluded: [], ...wishes });
  return { bench, voices: all, speaker, listen };
}

/** How often a method is called meanwhile. */
function spy<K extends string>(holder: { [key in K]: unknown }, name: K, meanwhile: () => void): number {
  const original = holder[name] as (...args: unknown[]) => unknown;
  let calls = 0;
  holder[name] = function (this: unknown, ...args: unknown[]) {
    calls++;
    return original.apply(this, args);
  };
  meanwhile();
  holder[name] = original;
  return calls;
}

const heard = (sent: readonly Sent[]): string[] => [...new Set(sent.map(({ payload }) => payload))];

test('muting ends in five frames of silence, numbered and timed on from the last packet, and then in nothing', () => {
  const { bench, voices, speaker } = setUp(1, 1);
  const before = voices[0]!.talk(10).at(-1)!;
  is(speaker(0), 2);
  bench.forwarder.mute(2, true);
  is(speaker(0), 0);
  const silence = bench.wait(50 * FRAME);
  equal(
    silence.map(({ payload, sequence, timestamp, marker, csrc }) => [payload, sequence, timestamp, marker, csrc]),
    [1, 2, 3, 4, 5].map((i) => [SILENCE, before.sequence + i, before.timestamp + i * FRAME, false, 2]),
  );
  is(bench.count(Count.Silence), 5);
});

test('nothing of a muted voice is forwarded; unmuted, it goes on without a hole and with the marker', () => {
  const { bench, voices } = setUp(1, 1);
  voices[0]!.talk(10);
  bench.forwarder.mute(2, true);
  const silence = voices[0]!.talk(20);
  equal(heard(silence), [SILENCE]);
  is(bench.count(Drop.Muted), 20);
  bench.forwarder.mute(2, false);
  const [first] = voices[0]!.talk(1);
  is(first?.payload, 'voice 2');
  is(first?.marker, true);
  is(first?.sequence, silence.at(-1)!.sequence + 1);
  is(first?.timestamp, (silence.at(-1)!.timestamp + 16 * FRAME) >>> 0, 'the clock went on meanwhile');
});

for (const milliseconds of [400, 900, 1500, 20_000]) {
  test(`a voice whose timestamps stood still in a mute of ${milliseconds} ms comes back in time`, () => {
    const { bench, voices } = setUp(1, 1);
    const [voice] = voices as [Voice];
    const before = voice.talk(10).at(-1)!;
    bench.forwarder.mute(2, true);
    bench.wait(milliseconds * MILLISECOND);
    bench.forwarder.mute(2, false);
    const after = voice.talk(10);
    equal(
      after.map(({ payload, timestamp }) => [payload, timestamp]),
      after.map((_, i) => ['voice 2', (before.timestamp + milliseconds * MILLISECOND + (i + 1) * FRAME) >>> 0]),
    );
  });
}

test('the first packet after a mute says nothing about the jitter, and the next ones do', () => {
  const { bench } = setUp(1, 1);
  let sequence = 0;
  // All packets of this test come at the same time.
  const send = (timestamp: number): number => {
    bench.send(2, rtp({ sequence: ++sequence, timestamp, ssrc: 2 }));
    return readReception(bench.sources, connectionIndex(2) * SOURCE_WORDS + SourceWord.Reception)!.jitter;
  };
  is(send(0), 0);
  is(send(0), 0);
  bench.forwarder.mute(2, true);
  bench.forwarder.mute(2, false);
  is(send(96_000), 0);
  is(send(96_000), 0);
  ok(send(2 * 96_000) > 0);
});

test('who joins muted is not heard', () => {
  const bench = new Bench();
  bench.join(1, { publishes: false });
  bench.join(2, { slots: 0, muted: true });
  equal(new Voice(bench, 2).talk(5), []);
});

test('who is pinned has the slot from the first packet, however many stand before it', () => {
  const { bench, voices, listen } = setUp(1, 6);
  const last = voices.pop()!;
  for (let frame = 0; frame < 20; frame++) {
    bench.clock = (bench.clock + FRAME) | 0;
    for (const voice of voices) voice.say();
  }
  listen({ pinned: [last.id] });
  equal(heard(last.say()), [`voice ${last.id}`]);
  bench.forwarder.mute(last.id, true);
  bench.wait(20 * FRAME);
  bench.forwarder.mute(last.id, false);
  equal(heard(last.say()), [`voice ${last.id}`], 'and after a mute again');
});

test('a listener who excluded the foremost has the slot filled by the first voice behind them', () => {
  const { voices, speaker, listen } = setUp(1, 3);
  for (const voice of voices.slice(0, 2)) voice.talk(5);
  listen({ excluded: [2, 3] });
  is(speaker(0), 0);
  voices[2]!.say();
  is(speaker(0), 4);
});

test('a voice that is pinned and foremost has one slot, and the next one the other', () => {
  const { voices, speaker, listen } = setUp(2, 2);
  voices[0]!.talk(5);
  voices[1]!.talk(5);
  listen({ pinned: [2] });
  equal([speaker(0), speaker(1)].sort(), [2, 3]);
});

test('payloads of two bytes are comfort noise (RFC 6716, section 2.1.9), those of three may be sound', () => {
  for (const [length, sound] of [
    [2, 0],
    [3, 1],
  ] as const) {
    const { bench, voices } = setUp(1, 1);
    for (let i = 0; i < 30; i++) {
      bench.clock = (bench.clock + FRAME) | 0;
      voices[0]!.say('x'.repeat(length));
    }
    is(bench.sources[2 * SOURCE_WORDS + SourceWord.Speaking], sound, `${length} bytes`);
  }
});

test('who joins where another worker left its row says nothing yet', () => {
  const { bench } = setUp(1, 1);
  bench.sources[2 * SOURCE_WORDS + SourceWord.Speaking] = 1;
  bench.rejoin(2, { slots: 0 });
  is(bench.sources[2 * SOURCE_WORDS + SourceWord.Speaking], 0);
});

test('a slot that goes from one voice to the next gets no silence in between', () => {
  const { bench, voices } = setUp(1, 2);
  voices[0]!.talk(5);
  voices[1]!.say();
  bench.forwarder.mute(2, true);
  equal(heard(voices[1]!.talk(20)), ['voice 3']);
});

test('a voice is ended by silence also where the slot goes to somebody who is quiet', () => {
  const { bench, voices, speaker } = setUp(1, 2);
  voices[1]!.say('\0');
  const before = voices[0]!.talk(5).at(-1)!;
  bench.forwarder.mute(2, true);
  is(speaker(0), 3);
  const silence = bench.wait(50 * FRAME);
  equal(
    silence.map(({ payload, sequence, timestamp, csrc }) => [payload, sequence, timestamp, csrc]),
    [1, 2, 3, 4, 5].map((i) => [SILENCE, before.sequence + i, before.timestamp + i * FRAME, 2]),
  );
});

test('the silence for one who went ends as soon as the quiet successor sends something', () => {
  const { bench, voices } = setUp(1, 2);
  voices[1]!.say('\0');
  voices[0]!.talk(5);
  bench.forwarder.mute(2, true);
  is(bench.wait(2 * FRAME).length, 2);
  equal(heard(voices[1]!.talk(1)).at(-1), 'voice 3');
  equal(bench.wait(20 * FRAME), []);
});

test('silence stops when the slot has a voice again', () => {
  const { bench, voices } = setUp(1, 2);
  voices[0]!.talk(5);
  bench.forwarder.mute(2, true);
  bench.wait(2 * FRAME);
  const sent = voices[1]!.talk(20);
  equal(heard(sent), [SILENCE, 'voice 3'], 'one more was due before the voice came');
  is(bench.count(Count.Silence), 3);
});

test('a pause without packets is no end: no silence, and the slot is kept', () => {
  const { bench, voices, speaker } = setUp(1, 1);
  voices[0]!.talk(5);
  equal(bench.wait(500 * FRAME), []);
  is(speaker(0), 2);
  is(voices[0]!.say()[0]?.payload, 'voice 2');
});

test('a deafened listener is sent nothing but the end, and hears again at once', () => {
  const { bench, voices, listen } = setUp(2, 2);
  for (const voice of voices) voice.talk(5);
  listen({ deafened: true });
  equal(heard(bench.wait(10 * FRAME)), [SILENCE]);
  equal(voices[0]!.talk(5), []);
  listen({});
  equal(heard(voices[0]!.talk(1)), ['voice 2']);
});

test('an excluded voice leaves its slot to others, and comes back when it is allowed again', () => {
  const { voices, listen } = setUp(1, 2);
  voices[0]!.talk(5);
  equal(voices[1]!.talk(1), []);
  listen({ excluded: [2] });
  equal(heard(voices[1]!.talk(5)), ['voice 3']);
  equal(voices[0]!.talk(1), []);
  listen({});
  equal(heard(voices[0]!.talk(5)), ['voice 2']);
});

test('a pinned voice has a slot, whoever else speaks, for the listener who pinned it', () => {
  const { bench, voices, listen } = setUp(1, 3);
  bench.join(9, { slots: 1, publishes: false });
  for (const voice of voices) voice.talk(2);
  listen({ pinned: [4] });
  const sent = voices.flatMap((voice) => voice.talk(1));
  equal(
    sent.map(({ to, payload }) => [to, payload]),
    [
      [9, 'voice 2'],
      [1, 'voice 4'],
    ],
  );
  listen({ pinned: [77] });
  equal(heard(voices[0]!.talk(1).filter(({ to }) => to === 1)), ['voice 2'], 'who is not there cannot be carried');
});

test('who was pinned in silence has the slot from the first packet, however many others speak, and again after a mute', () => {
  const { bench, voices, listen } = setUp(1, 5);
  const pinned = voices.pop()!;
  listen({ pinned: [pinned.id] });
  for (const voice of voices) voice.talk(2);
  is(pinned.say()[0]?.payload, `voice ${pinned.id}`);
  bench.forwarder.mute(pinned.id, true);
  bench.forwarder.mute(pinned.id, false);
  for (const voice of voices) voice.talk(2);
  is(pinned.say('\0')[0]?.payload, '\0', 'comfort noise is a packet, too');
});

test('wishes, comings and goings in a full room do not cost a whole room each', () => {
  const size = 1000;
  const bench = new Bench(1 << 24, size + 1);
  for (let id = 1; id <= size; id++) bench.join(id, { slots: 4 });
  for (let id = 1; id <= size; id++) bench.send(id, rtp({ sequence: 1, timestamp: 0, ssrc: id }));
  const excluded = Array.from({ length: 100 }, (_, i) => i + 1);
  const wishes = { type: 'listen', deafened: false, pinned: [], excluded } as const;
  for (let id = 1; id <= size; id++) bench.forwarder.listen({ ...wishes, connection: id });
  const looks = spy(Participant.prototype, 'choose', () => {
    bench.forwarder.listen({ ...wishes, connection: 500 });
    bench.forwarder.mute(900, true);
    bench.forwarder.leave(901);
    bench.rejoin(901, { slots: 4 });
  });
  ok(looks <= 8, `${looks} listeners were looked after`);
});

test('who is pinned and excluded is not heard', () => {
  const { voices, listen } = setUp(1, 1);
  voices[0]!.talk(1);
  listen({ pinned: [2], excluded: [2] });
  equal(
    voices[0]!.talk(1).filter(({ payload }) => payload !== SILENCE),
    [],
  );
});

/** The table of contents of 20 ms of narrow-band SILK. */
const DTX_20_MS = 0x08;

/** What every receiver relies on, for each SSRC, whatever the server did in between. */
class Verifier {
  packets = 0;
  private readonly streams = new Map<
    number,
    { sequence: number; timestamp: number; clock: number; seen: Set<number> }
  >();

  /** @param faithful whether the publishers' own network makes no holes. */
  take({ ssrc, sequence, timestamp, marker }: Sent, clock: number, faithful: boolean): void {
    this.packets++;
    const stream = this.streams.get(ssrc);
    if (stream === undefined) {
      this.streams.set(ssrc, { sequence, timestamp, clock, seen: new Set([sequence]) });
      return;
    }
    ok(!stream.seen.has(sequence), `${ssrc} sent number ${sequence} twice`);
    stream.seen.add(sequence);
    if (stream.seen.size > 30_000) stream.seen.clear();
    const ahead = ((sequence - stream.sequence) << 16) >> 16;
    if (faithful) is(ahead, 1, `a hole or a step back in ${ssrc}`);
    if (ahead <= 0) return;
    const step = (timestamp - stream.timestamp) | 0;
    ok(step > 0, `time went back in ${ssrc}`);
    ok(!marker || step >= FRAME, `${ssrc}: a voice begins ${step} ticks after the last packet, which is not over yet`);
    // Turns without a pause put one packet behind the other, faster than the clock runs; a pause gives back some of that.
    const passed = (clock - stream.clock) | 0;
    const network = faithful ? 0 : 8 * FRAME;
    ok(
      step >= passed - 2 * FRAME - MILLISECOND - network && step <= passed + 2 * FRAME + MILLISECOND + network,
      `${ssrc} went on by ${step} ticks while ${passed} passed`,
    );
    stream.sequence = sequence;
    stream.timestamp = timestamp;
    stream.clock = clock;
  }
}

for (const [name, faithful] of [
  ['a network without faults', true],
  ['loss, reorder and duplicates', false],
] as const) {
  test(`through mutes, moves, wishes and switch storms numbers have no hole of ours, no repeat, no step back, and follow the clock: ${name}`, () => {
    const random = prng(seed('switch storm'));
    const bench = new Bench(1 << 20, 64);
    bench.clock = random() | 0;
    const verifier = new Verifier();
    const people = Array.from({ length: 8 }, (_, i) => i + 1);
    const voices = new Map(people.map((id) => [id, { sequence: below(random, 65_536), time: random() }]));
    const slots = new Map(people.map((id) => [id, 1 + below(random, 3)]));
    for (const id of people) bench.join(id, { slots: slots.get(id)!, conversation: 1 });
    for (let i = 0; i < 12_000; i++) {
      bench.clock = (bench.clock + FRAME) | 0;
      for (const id of people) {
        const voice = voices.get(id)!;
        voice.sequence = (voice.sequence + 1) & 0xffff;
        voice.time = (voice.time + FRAME) >>> 0;
        if (!faithful && random() % 10 === 0) continue;
        const behind = !faithful && random() % 15 === 0 ? below(random, 4) : 0;
        const packet = rtp({
          sequence: voice.sequence - behind,
          timestamp: voice.time - behind * FRAME,
          ssrc: id,
          payload: random() % 20 === 0 ? Buffer.of(DTX_20_MS) : Buffer.from('sound'),
        });
        for (const sent of bench.send(id, packet)) verifier.take(sent, bench.clock, faithful);
      }
      disturb(random, bench, below(random, 8) + 1, slots);
      for (const sent of bench.drain()) verifier.take(sent, bench.clock, faithful);
    }
    ok(verifier.packets > 20_000, `${verifier.packets} packets`);
    ok(bench.count(Count.Switches) > 1000, `${bench.count(Count.Switches)} switches`);
    ok(bench.count(Count.Silence) > 500, `${bench.count(Count.Silence)} frames of silence`);
  });
}

/** One of all the things that change who is in a slot. */
function disturb(random: Random, bench: Bench, id: number, slots: Map<number, number>): void {
  const { forwarder } = bench;
  const some = (): number[] => Array.from({ length: below(random, 3) }, () => 1 + below(random, 8));
  switch (random() % 24) {
    case 0:
    case 1:
      return forwarder.mute(id, random() % 2 === 0);
    case 2:
      return forwarder.listen({
        type: 'listen',
        connection: id,
        deafened: random() % 6 === 0,
        pinned: some(),
        excluded: some(),
      });
    case 3:
      forwarder.leave(id);
      return bench.rejoin(id, { conversation: 1 + below(random, 2), slots: slots.get(id)! });
    default:
      return;
  }
}

test('whoever’s other device speaks first still hears who speaks next', () => {
  const bench = new Bench();
  bench.join(1, { user: 5, publishes: false });
  bench.join(2, { user: 5, slots: 0 });
  bench.join(3, { slots: 0 });
  const [own, other] = [new Voice(bench, 2), new Voice(bench, 3)];
  equal(own.talk(5), []);
  is(other.talk(5).length, 5);
});

test('a new worker goes on with the numbers of the one that ended, and with the voices where they were', () => {
  const { bench, voices, speaker } = setUp(3, 3);
  const say = (frames: number, who = voices): Sent[] => {
    const all: Sent[] = [];
    for (let i = 0; i < frames; i++) {
      bench.clock = (bench.clock + FRAME) | 0;
      for (const voice of who) all.push(...voice.say());
    }
    return all;
  };
  const before = say(10);
  const seats = [0, 1, 2].map(speaker);
  bench.replace();
  bench.rejoin(1, { slots: 3, publishes: false });
  for (const { id } of voices) bench.rejoin(id, { slots: 0 });
  // Whoever comes first after it does not take another one's slot.
  const after = say(10, [...voices].reverse());
  equal([0, 1, 2].map(speaker), seats);
  for (const ssrc of [100, 101, 102]) {
    const [old, fresh] = [before, after].map((sent) => sent.filter((packet) => packet.ssrc === ssrc)) as [
      Sent[],
      Sent[],
    ];
    const last = old.at(-1)!;
    equal(
      fresh.map(({ sequence }) => sequence - last.sequence),
      fresh.map((_, i) => i + 1),
    );
    is(new Set([...old, ...fresh].map(({ csrc }) => csrc)).size, 1);
    // A frame of silence may come before the first voice.
    const voice = fresh.filter(({ payload }) => payload !== SILENCE);
    equal([voice.length, fresh.length <= 11, voice[0]!.marker], [10, true, true]);
    const times = [last, ...fresh].map(({ timestamp }) => timestamp);
    ok(
      times.every((time, i) => i === 0 || time > times[i - 1]!),
      `${times}`,
    );
  }
});

test('somebody who falls silent as their worker ends is ended with silence by the new one', () => {
  const { bench, voices, speaker } = setUp(1, 1);
  const [voice] = voices as [Voice];
  const last = voice.talk(10).at(-1)!;
  bench.replace();
  bench.rejoin(1, { publishes: false });
  bench.rejoin(2, { slots: 0 });
  const sent = bench.wait(FRAME * 20);
  equal(
    sent.map(({ payload, sequence, csrc }) => [payload, sequence - last.sequence, csrc]),
    Array.from({ length: 5 }, (_, i) => [SILENCE, i + 1, 2]),
  );
  is(speaker(0), 0);
});

test('of more pinned voices than slots the first ones are heard, in the order of the latest pins', () => {
  const { voices, speaker, listen } = setUp(1, 2);
  for (const voice of voices) voice.talk(2);
  listen({ pinned: [2, 3] });
  is(speaker(0), 2);
  listen({ pinned: [3, 2] });
  is(speaker(0), 3);
});

test('conversations are looked after although the clock has wrapped since the last time', () => {
  const { bench } = setUp(1, 1);
  bench.forwarder.tick(bench.clock, 0);
  const looks = spy(Conversation.prototype, 'tick', () => bench.forwarder.tick((bench.clock + 2 ** 31 + 5) | 0, 0));
  is(looks, 1);
});

test('the rows of slots count the payload bytes that were sent', () => {
  const { bench, voices } = setUp(1, 1);
  for (const payload of ['three', 'longer than that']) voices[0]!.say(payload);
  is(bench.slots[4 * SLOT_WORDS + Slot.Octets], 'three'.length + 'longer than that'.length);
});

test('a hole before a packet without a duration of its own does not lengthen it', () => {
  const { bench } = setUp(1, 1);
  // A count of no frames: such a packet says nothing of its duration.
  const payload = Buffer.of(0x03, 0x00, 1, 2);
  for (const number of [1, 2, 4]) {
    bench.clock = number * FRAME;
    is(bench.send(2, rtp({ sequence: number, timestamp: number * FRAME, ssrc: 2, payload })).length, 1);
  }
  const word = (at: number): number => bench.slots[4 * SLOT_WORDS + at]!;
  is(word(Slot.End) - word(Slot.LastTimestamp), FRAME);
});

test.run();
