/** Redundant audio (RFC 2198) through a worker: what each kind of listener gets of it. */
import { equal, is, ok } from 'uvu/assert';
import { HANG_OVER } from '../../../src/rtp/loudness.ts';
import { OPUS_FRAME_TICKS } from '../../../src/rtp/packet.ts';
import { type Reception, readReception } from '../../../src/rtp/reception.ts';
import { Count, connectionIndex, Drop, RedState, SOURCE_WORDS, SourceWord } from '../../../src/workers/protocol.ts';
import { bytes, rtp } from '../../support/packets.ts';
import { below, prng, type Random, seed } from '../../support/prng.ts';
import { type Block, recordedPackets, redPayload } from '../../support/red.ts';
import { scenarios } from '../../support/scenario.ts';
import { Bench, type MemberOptions, type Sent } from '../../support/shard.ts';

const test = scenarios('forwarder and RED');

const RED = 63;
const OPUS = 111;
const SPEAKER = 1;
const KNOWS_RED: MemberOptions = { redPayloadType: RED };

/** What frame `n` of a voice sounds like. */
function frame(n: number): Buffer {
  return Buffer.from(`frame ${n}`);
}

/** Frames from before packet `n`, as Chromium repeats them: the oldest first. */
function repeated(n: number, distance: number): Block[] {
  return Array.from({ length: distance }, (_, i) => distance - i).map((back) => ({
    age: back * OPUS_FRAME_TICKS,
    payload: frame(n - back),
  }));
}

/** Packet `n` of a voice, with the frames before it repeated. */
function packet(n: number, distance = 1, redundant = repeated(n, distance)): Buffer {
  const payload = redPayload(frame(n), redundant);
  return rtp({ payloadType: RED, sequence: n, timestamp: n * OPUS_FRAME_TICKS, ssrc: 9, payload });
}

/** A room in which {@link SPEAKER} sends RED, and packet 1 has been forwarded; its numbers are the packets' own. */
function room(listeners: Readonly<Record<number, MemberOptions>>): Bench {
  const bench = new Bench();
  bench.join(SPEAKER, { ...KNOWS_RED, slots: 0 });
  for (const [id, options] of Object.entries(listeners)) bench.join(Number(id), { publishes: false, ...options });
  bench.send(SPEAKER, packet(1));
  return bench;
}

/** Number, relative to packet 1's, and content of what a listener got. */
function heard(sent: readonly Sent[], to: number): string[] {
  const own = sent.filter((one) => one.to === to);
  return own.map(({ sequence, payload }) => `${sequence - 1000 * to + 1}: ${payload}`);
}

function redText(n: number): string {
  return redPayload(frame(n), repeated(n, 1)).toString('latin1');
}

test('who knows RED gets it as it came, with their own payload type for it; who does not gets the primary block', () => {
  const bench = room({ 2: { redPayloadType: 121 }, 3: {} });
  const sent = bench.send(SPEAKER, packet(2));
  equal(
    sent.map(({ to, payloadType, sequence, timestamp, payload }) => [to, payloadType, sequence, timestamp, payload]),
    [
      [3, OPUS, 3001, 960, 'frame 2'],
      [2, 121, 2001, 960, redText(2)],
    ],
  );
  is(bench.count(Drop.BadRed), 0);
});

test('who gave Opus another payload type than the speaker gets the primary block: the blocks name the speaker’s', () => {
  const bench = room({ 2: { payloadType: 96, redPayloadType: RED }, 3: KNOWS_RED });
  const [two, three] = bench.send(SPEAKER, packet(2));
  equal([two?.to, two?.payloadType, two?.payload], [2, 96, 'frame 2']);
  equal([three?.to, three?.payloadType, three?.payload], [3, RED, redText(2)]);
});

test('the first packet in a slot goes without its redundancy, which is from before the switch', () => {
  const bench = new Bench();
  bench.join(SPEAKER, { ...KNOWS_RED, slots: 0 });
  bench.join(2, KNOWS_RED);
  const [first] = bench.send(SPEAKER, packet(1));
  equal([first?.payloadType, first?.payload, first?.marker], [OPUS, 'frame 1', true]);
  is(bench.send(SPEAKER, packet(2))[0]?.payloadType, RED);
  bench.join(3, KNOWS_RED);
  const types = bench.send(SPEAKER, packet(3)).map(({ to, payloadType }) => `${to}: ${payloadType}`);
  equal(types.sort(), [`2: ${OPUS}`, `3: ${OPUS}`], 'a newcomer costs the others one packet’s redundancy');
  is(bench.send(SPEAKER, packet(4))[0]?.payloadType, RED);
});

test('RED and plain Opus of one source go through in turns, to everybody', () => {
  const bench = room({ 2: KNOWS_RED, 3: {} });
  const plain = rtp({ sequence: 2, timestamp: 2 * OPUS_FRAME_TICKS, ssrc: 9, payload: frame(2) });
  const sent = bench.send(SPEAKER, plain);
  equal([heard(sent, 2), heard(sent, 3)], [['2: frame 2'], ['2: frame 2']]);
  for (const { payloadType } of sent) is(payloadType, OPUS);
  equal(heard(bench.send(SPEAKER, packet(3)), 2), [`3: ${redText(3)}`]);
});

test('a source whose offer had no RED may not send any', () => {
  const bench = new Bench();
  bench.join(SPEAKER);
  bench.join(2, KNOWS_RED);
  is(bench.send(SPEAKER, packet(1)).length, 0);
  is(bench.count(Drop.WrongPayloadType), 1);
  is(bench.send(SPEAKER, rtp({ payloadType: 0, sequence: 1 })).length, 0, 'nor is 0 a payload type that everybody has');
});

test('a lost packet is rebuilt for who does not know RED, in its place; who does rebuilds it for themselves', () => {
  const bench = room({ 2: KNOWS_RED, 3: {} });
  const sent = bench.send(SPEAKER, packet(3));
  equal(heard(sent, 3), ['2: frame 2', '3: frame 3']);
  equal(
    sent.filter(({ to }) => to === 3).map(({ timestamp }) => timestamp),
    [OPUS_FRAME_TICKS, 2 * OPUS_FRAME_TICKS],
  );
  equal(heard(sent, 2), [`3: ${redText(3)}`]);
  is(bench.count(Count.Rebuilt), 1);
});

test('several lost packets are rebuilt as far as the redundancy goes, in order, and the rest stays a hole', () => {
  const bench = room({ 3: {} });
  for (const n of [2, 3]) bench.send(SPEAKER, packet(n));
  equal(heard(bench.send(SPEAKER, packet(7, 2)), 3), ['5: frame 5', '6: frame 6', '7: frame 7']);
  equal(heard(bench.send(SPEAKER, packet(4, 0)), 3), ['4: frame 4'], 'late');
  equal(heard(bench.send(SPEAKER, packet(10, 2)), 3), ['8: frame 8', '9: frame 9', '10: frame 10']);
  is(bench.count(Count.Rebuilt), 4);
});

test('redundancy that skips a frame rebuilds the right one', () => {
  const bench = room({ 3: {} });
  const sent = bench.send(SPEAKER, packet(4, 0, repeated(4, 2).slice(0, 1)));
  equal(heard(sent, 3), ['2: frame 2', '4: frame 4']);
});

test('a lost packet that comes after all goes to those only who were not sent it rebuilt, and once', () => {
  const bench = room({ 2: KNOWS_RED, 3: {} });
  bench.send(SPEAKER, packet(3));
  const sent = bench.send(SPEAKER, packet(2));
  equal([heard(sent, 2), heard(sent, 3)], [[`2: ${redText(2)}`], []]);
  is(bench.send(SPEAKER, packet(2)).length, 0);
  is(bench.count(Drop.Duplicate), 1);
  const alone = room({ 3: {} });
  alone.send(SPEAKER, packet(3));
  is(alone.send(SPEAKER, packet(2)).length, 0);
  is(alone.count(Drop.Duplicate), 1);
});

test('what came late, overtaken by a packet without sound, is not missing: it is not rebuilt', () => {
  const bench = room({ 3: {} });
  bench.send(SPEAKER, rtp({ payloadType: 101, sequence: 3, timestamp: 0, ssrc: 9 }));
  equal(heard(bench.send(SPEAKER, packet(2)), 3), ['2: frame 2']);
  const payload = redPayload(frame(3), [{ age: OPUS_FRAME_TICKS, payload: frame(2) }]);
  const after = rtp({ payloadType: RED, sequence: 4, timestamp: 3 * OPUS_FRAME_TICKS, ssrc: 9, payload });
  equal(heard(bench.send(SPEAKER, after), 3), ['3: frame 3']);
  is(bench.count(Count.Rebuilt), 0);
});

test('no slot begins with a packet that comes after it was rebuilt', () => {
  const bench = room({ 2: KNOWS_RED, 3: {} });
  equal(heard(bench.send(SPEAKER, packet(3)), 3), ['2: frame 2', '3: frame 3']);
  const wish = { type: 'listen', connection: 2, deafened: false, pinned: [] } as const;
  bench.forwarder.listen({ ...wish, excluded: [SPEAKER] });
  bench.forwarder.listen({ ...wish, excluded: [] });
  const before = bench.count(Drop.BeforeSwitch);
  equal(heard(bench.send(SPEAKER, packet(2)), 2), []);
  is(bench.count(Drop.BeforeSwitch) - before, 1);
  is(heard(bench.send(SPEAKER, packet(4)), 2).length, 1);
});

test('where everybody knows RED nothing is rebuilt, and a late packet is late', () => {
  const bench = room({ 2: KNOWS_RED });
  bench.send(SPEAKER, packet(3));
  equal(heard(bench.send(SPEAKER, packet(2)), 2), [`2: ${redText(2)}`]);
  is(bench.count(Count.Rebuilt), 0);
});

test('a pause of discontinuous transmission is no loss, and a packet lost after one is rebuilt', () => {
  const bench = room({ 3: {} });
  const later = (sequence: number, frames: number, redundant: Block[]): Buffer =>
    rtp({
      payloadType: RED,
      sequence,
      timestamp: (1 + frames) * OPUS_FRAME_TICKS,
      ssrc: 9,
      payload: redPayload(frame(sequence), redundant),
    });
  const before = { age: OPUS_FRAME_TICKS, payload: frame(99) };
  equal(heard(bench.send(SPEAKER, later(2, 20, [before])), 3), ['2: frame 2'], 'nothing is missing');
  equal(heard(bench.send(SPEAKER, later(4, 41, [before])), 3), ['3: frame 99', '4: frame 4']);
  equal(
    heard(bench.send(SPEAKER, later(7, 70, [before])), 3),
    ['7: frame 7'],
    'two missing, and no telling which it is',
  );
});

for (const [name, redundant] of [
  ['older than the packet before the hole', [{ age: 2 * OPUS_FRAME_TICKS, payload: frame(1) }]],
  ['empty', [{ age: OPUS_FRAME_TICKS, payload: Buffer.alloc(0) }]],
  ['of no age', [{ age: 0, payload: frame(3) }]],
] as const) {
  test(`a redundant block that is ${name} rebuilds nothing`, () => {
    const bench = room({ 3: {} });
    equal(heard(bench.send(SPEAKER, packet(3, 0, [...redundant])), 3), ['3: frame 3']);
    is(bench.count(Count.Rebuilt), 0);
    equal(heard(bench.send(SPEAKER, packet(2)), 3), ['2: frame 2'], 'and the lost one may still come');
  });
}

test('blocks in the wrong order never turn numbers round', () => {
  const bench = room({ 3: {} });
  const sent = bench.send(SPEAKER, packet(4, 0, repeated(4, 2).reverse()));
  equal(heard(sent, 3), ['3: frame 3', '4: frame 4']);
});

test('nothing from before a switch is rebuilt into a slot', () => {
  const bench = room({ 3: {} });
  bench.join(4, { publishes: false });
  const sent = bench.send(SPEAKER, packet(3));
  equal([heard(sent, 3), heard(sent, 4)], [['3: frame 3'], ['1: frame 3']]);
});

test('what is no RED, or RED of another codec, is dropped and counted', () => {
  const bench = room({ 2: KNOWS_RED, 3: {} });
  const whole = packet(2);
  for (const payload of [
    redPayload(frame(2), [{ age: 960, payload: frame(1), payloadType: 0 }]),
    redPayload(frame(2), [], 0),
    redPayload(frame(2), repeated(2, 10)),
    redPayload(Buffer.alloc(0), repeated(2, 1)),
    whole.subarray(12, 15),
  ]) {
    is(bench.send(SPEAKER, rtp({ payloadType: RED, sequence: 2, timestamp: 1920, ssrc: 9, payload })).length, 0);
  }
  is(bench.count(Drop.BadRed), 5);
  is(bench.send(SPEAKER, whole).length, 2, 'the next good one goes on, with the same number');
});

test('bad RED is no loss to its sender, and a hole to whoever listens', () => {
  const bench = room({ 3: {} });
  const account = (): Reception =>
    readReception(bench.sources, connectionIndex(SPEAKER) * SOURCE_WORDS + SourceWord.Reception)!;
  const numbers: number[] = [];
  for (let n = 2; n <= 100; n++) {
    const bad = rtp({
      payloadType: RED,
      sequence: n,
      timestamp: n * 960,
      ssrc: 9,
      payload: redPayload(frame(n), [], 0),
    });
    const sent = bench.send(SPEAKER, n % 5 === 0 ? bad : packet(n, 0));
    numbers.push(...sent.map(({ sequence }) => sequence - 3000 + 1));
  }
  equal([account().base, account().highest, account().received], [1, 100, 100]);
  equal(
    numbers,
    Array.from({ length: 99 }, (_, i) => i + 2).filter((n) => n % 5 !== 0),
  );
  const far = rtp({ payloadType: RED, sequence: 30_000, timestamp: 0, ssrc: 9, payload: redPayload(frame(2), [], 0) });
  bench.send(SPEAKER, far);
  equal(
    [account().highest, account().received],
    [100, 100],
    'what may be a new beginning waits for one that can be read',
  );
});

test('payloads that are encrypted whole are told of, and nothing of them is heard, not even what looks like RED', () => {
  const bench = room({ 2: {}, 3: { redPayloadType: RED } });
  const state = (): number => bench.sources[connectionIndex(SPEAKER) * SOURCE_WORDS + SourceWord.Red]!;
  is(state(), RedState.Readable);
  const random = prng(seed('encrypted'));
  const sendFrom = (first: number, count: number): number => {
    let left = 0;
    for (let n = first; n < first + count; n++) {
      const payload = bytes(random, 80);
      left += bench.send(SPEAKER, rtp({ payloadType: RED, sequence: n, timestamp: n * 960, ssrc: 9, payload })).length;
    }
    return left;
  };
  sendFrom(2, 100);
  is(state(), RedState.Unreadable);
  is(sendFrom(102, 5000), 0);
  is(state(), RedState.Unreadable);
  let heardAgain = 0;
  for (let n = 5102; n < 5122; n++) heardAgain += +(bench.send(SPEAKER, packet(n)).length === 2);
  ok(heardAgain >= 10, `${heardAgain} of 20`);
  is(state(), RedState.Readable);
});

test('comfort noise within RED is no speech', () => {
  const bench = new Bench();
  bench.join(2, { ...KNOWS_RED, slots: 0 });
  bench.join(4, { slots: 0 });
  bench.join(3, { publishes: false });
  bench.send(2, packet(1));
  bench.clock = 2 * HANG_OVER;
  const noise = (n: number): Buffer => {
    const payload = redPayload(Buffer.from('-'), repeated(n, 1));
    return rtp({ payloadType: RED, sequence: n, timestamp: n * 960, ssrc: 9, payload });
  };
  is(bench.send(2, noise(2)).length, 1);
  is(bench.send(4, rtp({ sequence: 1, ssrc: 8 })).length, 1, 'somebody who speaks takes the slot');
  is(bench.send(2, noise(3)).length, 0);
});

test('what Chromium sent comes out whole, with packets lost, for both kinds of listeners', () => {
  const recorded = recordedPackets();
  const ssrc = recorded[0]!.readUInt32BE(8);
  const bench = new Bench();
  bench.join(SPEAKER, { ...KNOWS_RED, slots: 0, ssrcs: [ssrc | 0] });
  bench.join(2, { ...KNOWS_RED, publishes: false });
  bench.join(3, { publishes: false });
  const arriving = recorded.slice(0, 7);
  const lost = new Set([2, 4]);
  const numbers: Record<number, number[]> = { 2: [], 3: [] };
  arriving.forEach((one, i) => {
    if (lost.has(i)) return;
    for (const { to, sequence } of bench.send(SPEAKER, one)) numbers[to]!.push(sequence - 1000 * to);
  });
  equal(numbers[2], [0, 1, 3, 5, 6]);
  equal(numbers[3], [0, 1, 2, 3, 4, 5, 6]);
  is(bench.count(Count.Rebuilt), 2);
});

test('whatever is sent as RED never throws, and each listener’s numbers grow and never come twice', () => {
  const random = prng(seed('forwarder red fuzz'));
  const bench = room({ 2: KNOWS_RED, 3: {}, 4: { payloadType: 96, redPayloadType: 97 } });
  const seen = new Map<number, Set<string>>([2, 3, 4].map((id) => [id, new Set<string>()]));
  let newest = 1;
  let out = bench.count(Count.PacketsOut);
  for (let i = 0; i < 50_000; i++) {
    newest += below(random, 4);
    const n = Math.max(0, newest - below(random, 6));
    const sent = bench.send(SPEAKER, anyPacket(random, n));
    out += sent.length;
    for (const { to, ssrc, sequence, timestamp, payload } of sent) {
      ok(payload.length > 0);
      // Over 65,536 packets a number may come again, with another timestamp.
      const name = `${ssrc} ${sequence} ${timestamp}`;
      ok(!seen.get(to)!.has(name), name);
      seen.get(to)!.add(name);
    }
    bench.clock = (bench.clock + OPUS_FRAME_TICKS) | 0;
  }
  is(bench.count(Count.PacketsOut), out);
  ok(bench.count(Count.Rebuilt) > 1000 && bench.count(Drop.BadRed) > 1000);
});

/** A packet with any redundancy, a broken one, or plain Opus. */
function anyPacket(random: Random, n: number): Buffer {
  const fields = { sequence: n, timestamp: n * OPUS_FRAME_TICKS, ssrc: 9 };
  const redundant = Array.from({ length: below(random, 5) }, () => ({
    age: random() % 4 === 0 ? below(random, 16_384) : below(random, 5) * OPUS_FRAME_TICKS,
    payload: bytes(random, below(random, 9)),
  }));
  switch (random() % 8) {
    case 0:
      return rtp({ ...fields, payloadType: RED, payload: bytes(random, 1 + below(random, 30)) });
    case 1:
      return rtp({ ...fields, payload: frame(n) });
    case 2:
    case 3:
      return rtp({ ...fields, payloadType: RED, payload: redPayload(frame(n), redundant) });
    default:
      return packet(n, below(random, 4));
  }
}

test('no slot begins with a packet that comes after it was rebuilt', () => {
  const bench = room({ 3: {} });
  bench.send(SPEAKER, packet(3));
  bench.join(2, KNOWS_RED);
  equal(heard(bench.send(SPEAKER, packet(2)), 2), []);
  is(bench.count(Drop.BeforeSwitch), 1);
  const [first] = bench.send(SPEAKER, packet(4)).filter(({ to }) => to === 2);
  equal([first?.payload, first?.marker], ['frame 4', true]);
});

test.run();
