import { equal, is, ok } from 'uvu/assert';
import { RtpPacket } from 'werift-rtp';
import { HANG_OVER } from '../../../src/rtp/loudness.ts';
import { MAX_PACKET_BYTES, OPUS_FRAME_TICKS } from '../../../src/rtp/packet.ts';
import { Count, Drop } from '../../../src/workers/protocol.ts';
import { anyRtp, bytes, rtp } from '../../support/packets.ts';
import { below, prng, seed } from '../../support/prng.ts';
import { scenarios } from '../../support/scenario.ts';
import { Bench, type Sent, SILENCE } from '../../support/shard.ts';

const test = scenarios('forwarder');

/** Receivers and payloads, in order. */
function summary(sent: readonly Sent[]): string[] {
  return sent.map(({ to, ssrc, payload }) => `${to}/${ssrc % 100}: ${payload}`);
}

/** A voice that sends its next packet whenever asked. */
function voice(bench: Bench, from: number, ssrc = from * 7): (payload?: string) => Sent[] {
  let sequence = from * 11;
  return (payload = `voice ${from}`) => {
    sequence++;
    return bench.send(
      from,
      rtp({ sequence, timestamp: sequence * OPUS_FRAME_TICKS, ssrc, payload: Buffer.from(payload) }),
    );
  };
}

test('a packet goes to every other member, renumbered, with the listener’s payload type and the speaker’s number', () => {
  const bench = new Bench();
  bench.join(1, { payloadType: 109 });
  bench.join(2);
  bench.join(3, { payloadType: 96, publishes: false });
  const packet = rtp({
    payloadType: 109,
    sequence: 7,
    timestamp: 50,
    ssrc: 9,
    csrc: [1, 2, 3],
    payload: Buffer.from('hello'),
  });
  const shared = { marker: true, timestamp: 0, csrc: 1, payload: 'hello' };
  equal(bench.send(1, packet), [
    { to: 2, payloadType: 111, sequence: 2000, ssrc: 200, ...shared },
    { to: 3, payloadType: 96, sequence: 3000, ssrc: 300, ...shared },
  ]);
  is(bench.count(Count.PacketsIn), 1);
  is(bench.count(Count.PacketsOut), 2);
  is(bench.count(Count.Switches), 2);
});

test('the publisher’s header extensions and padding do not go on', () => {
  const random = prng(seed('extensions'));
  const bench = new Bench();
  bench.join(1);
  bench.join(2);
  for (let i = 0; i < 500; i++) {
    const packet = anyRtp(random);
    packet[1] = 111;
    packet.writeUInt16BE(i, 2);
    packet.writeUInt32BE(77, 8);
    const [sent] = bench.send(1, packet);
    const { payloadOffset } = RtpPacket.deSerialize(packet).header;
    const padding = (packet[0]! & 0x20) === 0 ? 0 : packet[packet.length - 1]!;
    is(sent?.payload, packet.toString('latin1', payloadOffset, packet.length - padding));
  }
});

test('nobody hears another conversation', () => {
  const bench = new Bench();
  bench.join(1, { conversation: 1 });
  bench.join(2, { conversation: 1 });
  bench.join(3, { conversation: 2 });
  bench.join(4, { conversation: 2 });
  equal(summary(voice(bench, 1)()), ['2/0: voice 1']);
  equal(summary(voice(bench, 4)()), ['3/0: voice 4']);
});

test('nobody hears themselves, on any of their clients', () => {
  const bench = new Bench();
  bench.join(1, { user: 5 });
  bench.join(2, { user: 5 });
  bench.join(3, { user: 6 });
  equal(summary(voice(bench, 1)()), ['3/0: voice 1']);
  equal(summary(voice(bench, 3)()), ['1/0: voice 3', '2/0: voice 3']);
});

test('each voice has a slot of its own, and one more than there are slots is not heard', () => {
  const bench = new Bench();
  bench.join(1, { slots: 2, publishes: false });
  for (const id of [2, 3, 4]) bench.join(id, { slots: 0 });
  const [two, three, four] = [voice(bench, 2), voice(bench, 3), voice(bench, 4)];
  equal(summary(two()), ['1/0: voice 2']);
  equal(summary(three()), ['1/1: voice 3']);
  equal(summary(four()), []);
  equal(summary(two()), ['1/0: voice 2']);
  is(bench.count(Drop.Unheard), 1);
});

test('a slot whose voice leaves goes to the next, without a hole in its numbers', () => {
  const bench = new Bench();
  bench.join(1, { slots: 1, publishes: false });
  bench.join(2);
  bench.join(3);
  const [two, three] = [voice(bench, 2), voice(bench, 3)];
  const to1 = (sent: Sent[]): Sent | undefined => sent.find(({ to }) => to === 1);
  is(to1(two())?.sequence, 1000);
  is(to1(three()), undefined);
  bench.forwarder.leave(2);
  bench.drain();
  bench.clock = 100 * OPUS_FRAME_TICKS;
  const next = to1(three());
  equal([next?.sequence, next?.marker, next?.timestamp, next?.csrc], [1001, true, 100 * OPUS_FRAME_TICKS, 3]);
  equal(
    two().filter(({ payload }) => payload !== SILENCE),
    [],
    'who left is not heard any more',
  );
  is(bench.count(Drop.NotJoined), 1);
});

test('a voice that falls quiet makes room after the hang-over, but only if somebody waits', () => {
  const bench = new Bench();
  bench.join(1, { slots: 1, publishes: false });
  bench.join(2, { slots: 0 });
  bench.join(3, { slots: 0 });
  const [two, three] = [voice(bench, 2), voice(bench, 3)];
  two();
  bench.clock = 10 * HANG_OVER;
  equal(summary(two('-')), ['1/0: -'], 'comfort noise of the only voice goes on');
  equal(summary(three()), ['1/0: voice 3'], 'a real voice takes its slot');
  equal(summary(two('-')), []);
  equal(summary(two()), [], 'and has to wait like everybody else');
});

test('a microphone that says it is silent makes room as one that sends comfort noise does', () => {
  const bench = new Bench();
  bench.join(1, { slots: 1, publishes: false });
  bench.join(2, { slots: 0, levelExtension: 3 });
  bench.join(3, { slots: 0, levelExtension: 3 });
  const send = (from: number, sequence: number, level: number): Sent[] =>
    bench.send(from, rtp({ sequence, timestamp: sequence * 960, ssrc: from, level: { id: 3, level } }));
  is(send(2, 1, 20).length, 1);
  bench.clock = 2 * HANG_OVER;
  is(send(2, 2, 127).length, 1, 'the only one keeps the slot');
  is(send(3, 1, 60).length, 1, 'somebody speaks');
  is(send(2, 3, 127).length, 0);
});

test('who leaves and comes back goes on with the same numbers', () => {
  const bench = new Bench();
  bench.join(1);
  bench.join(2);
  const two = voice(bench, 2);
  is(two()[0]?.sequence, 1000);
  bench.forwarder.leave(1);
  equal(summary(bench.drain()), [`1/0: ${SILENCE}`], 'silence ends what was heard');
  is(two().length, 0);
  bench.rejoin(1, { conversation: 9 });
  bench.join(3, { conversation: 9 });
  bench.clock = 50 * OPUS_FRAME_TICKS;
  const [sent] = voice(bench, 3)();
  equal([sent?.to, sent?.sequence, sent?.timestamp], [1, 1002, 50 * OPUS_FRAME_TICKS]);
});

test('a connection that took over an index does not get the packets of the one before', () => {
  const bench = new Bench();
  bench.join(1);
  bench.join(2);
  const later = 2 | (1 << 16);
  bench.forwarder.leave(2);
  bench.join(later);
  is(voice(bench, 2)().length, 0);
  is(bench.count(Drop.NotJoined), 1);
  equal(
    voice(bench, later)().map(({ to }) => to),
    [1],
  );
});

for (const [name, reason, packets] of [
  ['another payload type', Drop.WrongPayloadType, [rtp({ payloadType: 0, sequence: 2 })]],
  ['an SSRC that was not declared', Drop.UnknownSsrc, [rtp({ sequence: 2, ssrc: 4711 })]],
  ['a duplicate', Drop.Duplicate, [rtp({ sequence: 1 })]],
  ['a packet far too old', Drop.TooOld, [rtp({ sequence: 1 - 600 })]],
  ['a truncated packet', Drop.Malformed, [rtp({ sequence: 2 }).subarray(0, 11)]],
  ['an empty payload', Drop.Malformed, [rtp({ sequence: 2, payload: Buffer.alloc(0) })]],
] as const) {
  test(`${name} is dropped and counted`, () => {
    const bench = new Bench();
    bench.join(1, { ssrcs: [1000] });
    bench.join(2);
    is(bench.send(1, rtp({ sequence: 1 })).length, 1);
    for (const packet of packets) is(bench.send(1, packet).length, 0);
    is(bench.count(reason), packets.length);
    is(bench.send(1, rtp({ sequence: 3 })).length, 1, 'and the next good one goes on');
  });
}

test('without a declared SSRC the first one counts, and another only after a second of silence', () => {
  const bench = new Bench();
  bench.join(1);
  bench.join(2);
  is(bench.send(1, rtp({ sequence: 1, ssrc: 0 })).length, 1, 'zero is an SSRC like any other');
  is(bench.send(1, rtp({ sequence: 500, ssrc: 8 })).length, 0);
  bench.clock = 50_000;
  const [sent] = bench.send(1, rtp({ sequence: 30_000, ssrc: 8 }));
  equal([sent?.sequence, sent?.marker], [2001, true]);
  bench.clock = (bench.clock + 13 * 3600 * 48_000) | 0;
  is(bench.send(1, rtp({ sequence: 1, ssrc: 9 })).length, 1, 'also after thirteen hours, when the clock wrapped');
});

test('a full egress ring drops the newest, counts it, and recovers without a torn number', () => {
  const bench = new Bench(4096, 256);
  bench.join(1);
  for (let id = 2; id < 202; id++) bench.join(id, { publishes: false });
  const one = voice(bench, 1);
  const payload = 'x'.repeat(300);
  const first = one(payload);
  ok(first.length > 5 && first.length < 200);
  is(bench.count(Drop.EgressFull), 200 - first.length);
  const second = one(payload);
  const before = new Map(first.map(({ to, sequence }) => [to, sequence]));
  for (const { to, sequence } of second) is(sequence, (before.get(to) ?? 1000 * to - 1) + 1);
});

test('the longest payload that fits goes on, one byte more is dropped', () => {
  const bench = new Bench();
  bench.join(1);
  bench.join(2);
  is(bench.send(1, rtp({ sequence: 1, payload: Buffer.alloc(MAX_PACKET_BYTES - 16, 97) })).length, 1);
  is(bench.send(1, rtp({ sequence: 2, payload: Buffer.alloc(MAX_PACKET_BYTES - 15, 97) })).length, 0);
  is(bench.count(Drop.Malformed), 1);
});

test('random bytes and random membership never throw, and every packet is accounted for', () => {
  const random = prng(seed('forwarder fuzz'));
  const bench = new Bench();
  const joined = new Set<number>();
  let drained = 0;
  let silence = 0;
  for (let i = 0; i < 50_000; i++) {
    bench.clock = (bench.clock + below(random, 3000)) | 0;
    const id = 1 + below(random, 30);
    const dice = random() % 40;
    if (dice === 0) {
      bench.join(id, { conversation: below(random, 3), slots: below(random, 5), user: 1 + below(random, 20) });
      joined.add(id);
    } else if (dice === 1) {
      bench.forwarder.leave(id);
      joined.delete(id);
      silence += bench.drain().length;
    } else {
      const packet =
        random() % 3 === 0 ? bytes(random, 1 + below(random, 80)) : rtp({ sequence: i, ssrc: id, timestamp: random() });
      for (const { to, payload } of bench.send(id, packet)) {
        if (payload === SILENCE) silence++;
        else drained++;
        ok(joined.has(to) && (payload === SILENCE || to !== id));
      }
    }
  }
  // Who joins last may have left silence where they were.
  silence += bench.drain().length;
  is(bench.count(Count.PacketsOut), drained);
  is(bench.count(Count.Silence), silence);
  ok(drained > 10_000);
  for (const id of joined) bench.forwarder.leave(id);
  is(bench.forwarder.conversationCount, 0, 'nothing is left behind');
});

/** Sends a packet of an SSRC, `at` milliseconds. @returns whether it was forwarded. */
function sendAs(bench: Bench, ssrc: number, sequence: number, at: number): boolean {
  bench.clock = at * 48;
  return bench.send(1, rtp({ sequence, timestamp: sequence * 960, ssrc })).length === 1;
}

test('another SSRC is taken with its first packet 200 ms after the last packet of the one in use', () => {
  for (const [at, taken] of [
    [199, false],
    [200, true],
  ] as const) {
    const bench = new Bench();
    bench.join(1);
    bench.join(2);
    ok(sendAs(bench, 7, 1, 0));
    is(sendAs(bench, 8, 1, at), taken, `${at} ms`);
  }
});

test('packets of several other SSRCs by turns take nobody’s place', () => {
  const bench = new Bench();
  bench.join(1);
  bench.join(2);
  ok(sendAs(bench, 7, 1, 0));
  for (let i = 0; i < 5; i++) is(sendAs(bench, 8 + (i % 2), i, 60 + 20 * i), false);
  ok(sendAs(bench, 7, 2, 180));
});

test.run();
