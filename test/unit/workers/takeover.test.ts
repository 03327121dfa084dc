/** What a listener gets when one voice follows another in a slot, and when a voice changes its stream. */
import { equal, is, ok } from 'uvu/assert';
import { isSilent, MAX_OPUS_TICKS, opusTicks } from '../../../src/rtp/opus.ts';
import { readReception } from '../../../src/rtp/reception.ts';
import { Drop, SOURCE_WORDS, SourceWord } from '../../../src/workers/protocol.ts';
import { type PacketFields, rtp } from '../../support/packets.ts';
import { below, prng, seed } from '../../support/prng.ts';
import { redPayload } from '../../support/red.ts';
import { scenarios } from '../../support/scenario.ts';
import { Bench, type MemberOptions, type Sent, SILENCE } from '../../support/shard.ts';

const test = scenarios('takeover');
const RED = 63;
const MILLISECOND = 48;
const LISTENER = 1;
const TURNS = seed('turns');

/** Fullband CELT packets by their duration, milliseconds: table of contents, count of frames for code 3, then sound. */
const PACKETS = new Map([
  [2.5, [0xe0]],
  [5, [0xe8]],
  [10, [0xf0]],
  [20, [0xf8]],
  [40, [0xf9]],
  [60, [0xfb, 3]],
  [80, [0xfb, 4]],
  [120, [0xfb, 6]],
]);

function opus(milliseconds: number): Buffer {
  return Buffer.concat([Buffer.from(PACKETS.get(milliseconds)!), Buffer.alloc(40, 0x55)]);
}

/** Somebody who sends a packet whenever asked, in even steps. */
class Voice {
  sequence: number;
  timestamp: number;
  ssrc: number;
  private readonly bench: Bench;
  private readonly id: number;
  private readonly red: boolean;

  constructor(bench: Bench, id: number, { red = false, ...options }: MemberOptions & { red?: boolean } = {}) {
    this.bench = bench;
    this.id = id;
    this.red = red;
    this.ssrc = id * 7;
    this.sequence = id * 11_000;
    this.timestamp = id * 1e6;
    bench.join(id, { slots: 0, ...options, ...(red ? { redPayloadType: RED } : {}) });
  }

  say(milliseconds: number, fields: Partial<PacketFields> = {}): Sent[] {
    const payload = this.red ? redPayload(opus(milliseconds), []) : opus(milliseconds);
    const payloadType = this.red ? RED : 111;
    const { sequence, timestamp, ssrc } = this;
    this.sequence++;
    this.timestamp += milliseconds * MILLISECOND;
    return this.bench.send(this.id, rtp({ payloadType, sequence, timestamp, ssrc, payload, ...fields }));
  }
}

/** Checks that what a slot is sent has no hole, and that nothing overlaps. */
function followsOn(sent: readonly Sent[]): void {
  let end: number | undefined;
  let last: Sent | undefined;
  for (const packet of sent) {
    if (last !== undefined && end !== undefined) {
      is((packet.sequence - last.sequence) & 0xffff, 1);
      const gap = (packet.timestamp - end) | 0;
      ok(gap >= 0, `${packet.csrc} begins ${-gap} ticks before ${last.csrc} ends`);
    }
    const bytes = Buffer.from(packet.payload, 'latin1');
    const start = packet.payloadType === RED ? 1 : 0;
    end = packet.timestamp + opusTicks(bytes, start, bytes.length - start);
    last = packet;
  }
}

/** Lets the listener hear the one of the two voices, 2 and 3, whose turn it is, and not the other. */
function hearInstead(bench: Bench, turn: number): void {
  const [pinned, excluded] = [[2 + (turn % 2)], [3 - (turn % 2)]];
  bench.forwarder.listen({ type: 'listen', connection: LISTENER, deafened: false, pinned, excluded });
}

for (const red of [false, true]) {
  for (const [first, second] of [...PACKETS.keys()].flatMap((a) => [a, 20, 120].map((b) => [a, b] as const))) {
    test(`packets of ${first} and ${second} ms that take turns${red ? ', as RED,' : ''} neither overlap nor leave a hole`, () => {
      const random = prng(TURNS);
      const bench = new Bench();
      bench.join(LISTENER, { publishes: false, redPayloadType: red ? RED : 0 });
      const voices = [new Voice(bench, 2, { red }), new Voice(bench, 3, { red })];
      const sent: Sent[] = [];
      for (let turn = 0; turn < 20; turn++) {
        // The other one is told to be heard instead, in the midst of the packet that was sent last.
        hearInstead(bench, turn);
        const length = [first, second][turn % 2]!;
        for (let i = 0; i < 4; i++) {
          sent.push(...voices[turn % 2]!.say(length));
          if (i < 3) bench.clock += length * MILLISECOND;
        }
        bench.clock += below(random, length * MILLISECOND);
      }
      ok(sent.length >= 70);
      followsOn(sent);
    });
  }
}

/** Two voices that send all the time; each is heard for a second in turn, beginning with a packet of its own. */
class Turns {
  readonly bench = new Bench();
  readonly sent: Sent[] = [];
  /** For each packet in {@link sent}, its time ahead of the clock, ticks. */
  readonly leads: number[] = [];
  private readonly voices: Voice[];
  private readonly length: number;
  private readonly due: number[];
  private heard = 0;

  constructor(length: number) {
    this.length = length;
    this.bench.join(LISTENER, { publishes: false });
    this.voices = [new Voice(this.bench, 2), new Voice(this.bench, 3)];
    this.due = [0, length * MILLISECOND * 0.4];
  }

  /** @param until ticks. @param hold until when nothing is delivered; then all of it at once. */
  run(until: number, hold = 0): void {
    const { bench, due, voices, length } = this;
    for (;;) {
      const i = due[0]! <= due[1]! ? 0 : 1;
      if (due[i]! >= until) return;
      bench.clock = Math.max(due[i]!, hold);
      if (Math.floor(due[i]! / 48_000) % 2 === i) this.heard = i;
      const [pinned, excluded] = [[2 + this.heard], [3 - this.heard]];
      bench.forwarder.listen({ type: 'listen', connection: LISTENER, deafened: false, pinned, excluded });
      for (const packet of voices[i]!.say(length)) {
        this.sent.push(packet);
        this.leads.push((packet.timestamp - bench.clock) | 0);
      }
      due[i]! += length * MILLISECOND;
    }
  }
}

for (const length of [20, 40, 60, 120]) {
  test(`voices that take turns for ten minutes, packets of ${length} ms, neither overlap nor leave a hole, ever`, () => {
    const turns = new Turns(length);
    turns.run(600 * 48_000);
    followsOn(turns.sent);
    is(turns.sent.filter(({ marker }) => marker).length, 600, 'each takeover has the marker, and nothing else');
    const { timestamp } = turns.sent.at(-1)!;
    is(timestamp - turns.sent[0]!.timestamp, (turns.sent.length - 1) * length * MILLISECOND);
  });

  test(`what was held up, packets of ${length} ms, and comes at once is in its place in time, also at a takeover`, () => {
    const turns = new Turns(length);
    turns.run(2.98 * 48_000);
    const before = turns.leads.at(-1)!;
    // Two takeovers within.
    turns.run(4.2 * 48_000, 3.7 * 48_000);
    turns.run(10 * 48_000);
    followsOn(turns.sent);
    const { timestamp } = turns.sent.at(-1)!;
    is(timestamp - turns.sent[0]!.timestamp, (turns.sent.length - 1) * length * MILLISECOND, 'a hole');
    const more = turns.leads.at(-1)! - before;
    ok(more < 8 * length * MILLISECOND, `${more / MILLISECOND} ms further ahead`);
  });
}

const RACERS: readonly (readonly [string, (i: number) => Partial<PacketFields>])[] = [
  ['whose timestamps race', (i) => ({ timestamp: i * 9600 })],
  ['whose timestamps jump by ten seconds', (i) => ({ timestamp: i * 480_000 })],
  ['whose timestamps go back', (i) => ({ timestamp: -i * 5760 })],
  ['whose timestamps stand still', () => ({ timestamp: 7 })],
  ['whose numbers jump', (i) => ({ sequence: i * 1000 })],
  ['whose numbers and timestamps jump', (i) => ({ sequence: i * 1000, timestamp: i * 480_000 })],
  ['who sends more sound than there is time for', (i) => ({ timestamp: i * 5760, payload: opus(120) })],
  ['the same with numbers that jump', (i) => ({ sequence: i * 1000, timestamp: i * 5760, payload: opus(120) })],
  [
    'who changes the SSRC all the time',
    (i) => ({ ssrc: 5 + Math.floor(i / 4), timestamp: i * 5760, payload: opus(120) }),
  ],
];
for (const [who, fields] of RACERS) {
  test(`${who} carries a slot three seconds ahead at most and an eighth of the time, and the next voice is heard at once`, () => {
    const bench = new Bench();
    bench.join(LISTENER, { publishes: false });
    const racer = new Voice(bench, 2);
    const sent: Sent[] = [];
    const begun = bench.clock;
    let first: number | undefined;
    for (let i = 0; i < 30_000; i++) {
      bench.clock += 960;
      for (const packet of racer.say(20, fields(i))) {
        first ??= (packet.timestamp - bench.clock) | 0;
        const lead = (packet.timestamp - bench.clock - first) | 0;
        ok(lead <= 3.2 * 48_000 + (bench.clock - begun) / 8, `${lead / 48_000} s ahead after ${i} packets`);
        sent.push(packet);
      }
      sent.length = Math.min(sent.length, 1);
    }
    bench.forwarder.mute(2, true);
    bench.wait(200 * MILLISECOND);
    const voice = new Voice(bench, 3);
    const heard = talk(bench, voice, 500);
    is(heard.length, 500);
    followsOn(heard);
    is(heard.at(-1)!.timestamp - heard[0]!.timestamp, 499 * 960, 'no hole');
  });
}

test('frames of silence come after the end of a long packet, and the next voice after theirs', () => {
  const bench = new Bench();
  bench.join(LISTENER, { publishes: false });
  const [ann, ben] = [new Voice(bench, 2), new Voice(bench, 3)];
  const sent = ann.say(120);
  bench.forwarder.mute(2, true);
  sent.push(...bench.wait(70 * MILLISECOND));
  ok(sent.length > 2 && sent.slice(1).every(({ payload }) => payload === SILENCE));
  for (const [i, { timestamp }] of sent.slice(1).entries()) is(timestamp - sent[0]!.timestamp, 5760 + i * 960);
  bench.forwarder.leave(2);
  sent.push(...bench.drain(), ...ben.say(60), ...ben.say(60));
  followsOn(sent);
});

test('the duration outlasts the worker that wrote it', () => {
  const bench = new Bench();
  bench.join(LISTENER, { publishes: false });
  const sent = new Voice(bench, 2).say(120);
  bench.replace();
  bench.rejoin(LISTENER, { publishes: false });
  sent.push(...bench.drain(), ...new Voice(bench, 3).say(20));
  is(sent.length >= 2, true);
  followsOn(sent);
});

test('of payloads that are encrypted by their sender the spacing counts, not what their first byte seems to say', () => {
  const random = prng(seed('encrypted'));
  const bench = new Bench();
  bench.join(LISTENER, { publishes: false });
  const voices = [new Voice(bench, 2), new Voice(bench, 3)];
  let last: Sent | undefined;
  for (let turn = 0; turn < 60; turn++) {
    hearInstead(bench, turn);
    for (let i = 0; i < 30; i++) {
      bench.clock += 960;
      const payload = Buffer.from(Array.from({ length: 50 }, () => below(random, 256)));
      const packets = voices.map((voice) => voice.say(20, { payload }));
      const [packet] = packets.flat();
      if (packet === undefined) continue;
      // The first turns of each show what it sends.
      if (last !== undefined && turn > 4) is((packet.timestamp - last.timestamp) | 0, 960, `turn ${turn}, packet ${i}`);
      last = packet;
    }
  }
});

for (const [bytes, ticks, what] of [
  [[0x00], 480, 'SILK of 10 ms'],
  [[0x18, 1], 2880, 'SILK of 60 ms'],
  [[0x19, 1], 5760, 'two of 60 ms'],
  [[0x1b, 3], 0, 'three of 60 ms, which is more than 120'],
  [[0x1b, 0x82], 5760, 'two of 60 ms, counted, of different lengths'],
  [[0x60], 480, 'hybrid of 10 ms'],
  [[0x7a, 1], 1920, 'two hybrid ones of 20 ms'],
  [[0x80], 120, 'CELT of 2.5 ms'],
  [[0x83, 48], MAX_OPUS_TICKS, '48 of 2.5 ms'],
  [[0x83, 49], 0, '49 of 2.5 ms'],
  [[0xfb], 0, 'a count of frames that is missing'],
  [[0xfb, 0], 0, 'no frames'],
  [[0xf8, 0xff, 0xfe], 960, 'the frame of silence'],
] as const) {
  test(`the table of contents tells: ${what}`, () => {
    is(opusTicks(Uint8Array.from([7, ...bytes, 0x21]), 1, bytes.length), ticks);
  });
}

for (const [bytes, silent] of [
  [[0xf8], true],
  [[0x78, 0x01], true],
  [[0xf8, 0xff, 0xfe], true],
  [[0xfc, 0xff, 0xfe], true],
  [[0xf8, 0xfe, 0xfe], false],
  [[0xf8, 0xff, 0xff], false],
  [[0xf8, 0xff, 0xfe, 0], false],
] as const) {
  test(`${bytes.map((byte) => byte.toString(16)).join(' ')} can${silent ? 'not' : ''} hold sound`, () => {
    is(isSilent(Uint8Array.from([7, ...bytes, 0xff, 0xfe]), 1, bytes.length), silent);
  });
}

/** A publisher and a listener. */
function pair(options: MemberOptions = {}): { bench: Bench; voice: Voice } {
  const bench = new Bench();
  bench.join(LISTENER, { publishes: false });
  return { bench, voice: new Voice(bench, 2, options) };
}

/** Sends so many packets of 20 ms. @returns what arrived of each. */
function talk(bench: Bench, voice: Voice, count: number): Sent[] {
  return Array.from({ length: count }, () => {
    bench.clock += 960;
    return voice.say(20);
  }).flat();
}

/** What the publisher would be told: SSRC, expected, received. */
function account(bench: Bench): [ssrc: number, expected: number, received: number] {
  const { ssrc, highest, base, received } = readReception(bench.sources, 2 * SOURCE_WORDS + SourceWord.Reception)!;
  return [ssrc, highest - base + 1, received];
}

for (const ssrcs of [[], [1000]]) {
  const declared = ssrcs.length > 0 ? 'another one was declared' : 'none was declared';
  test(`an SSRC is heard from its first packet on, where ${declared}`, () => {
    const { bench, voice } = pair({ ssrcs });
    voice.ssrc = 2000;
    is(talk(bench, voice, 200).length, 200);
    equal(account(bench), [2000, 200, 200]);
  });

  test(`one that takes the place of another loses two packets, and the numbering goes on, where ${declared}`, () => {
    const { bench, voice } = pair({ ssrcs });
    voice.ssrc = 1000;
    const before = talk(bench, voice, 150);
    Object.assign(voice, { ssrc: 2000, sequence: 50_000, timestamp: 77 });
    const after = talk(bench, voice, 150);
    equal([before.length, after.length], [150, 148]);
    followsOn([...before, ...after]);
    equal(account(bench), [2000, 148, 148]);
    // And back.
    voice.ssrc = 1000;
    is(talk(bench, voice, 150).length, 148);
  });

  test(`after a pause it loses none, where ${declared}`, () => {
    const { bench, voice } = pair({ ssrcs });
    voice.ssrc = 1000;
    talk(bench, voice, 50);
    bench.clock += 300 * MILLISECOND;
    voice.ssrc = 2000;
    is(talk(bench, voice, 50).length, 50);
  });
}

for (const length of [20, 60, 120]) {
  test(`of two SSRCs at the same time, packets of ${length} ms, one is heard, whatever their phase`, () => {
    for (let phase = 0; phase < length; phase += 5) {
      const { bench, voice } = pair({ ssrcs: [1000, 2000] });
      const heard: number[] = [];
      for (let i = 0; i < 100; i++) {
        const fields = { timestamp: i * length * MILLISECOND };
        heard.push(voice.say(length, { ...fields, ssrc: 1000, sequence: i }).length);
        bench.clock += phase * MILLISECOND;
        is(voice.say(length, { ...fields, ssrc: 2000, sequence: 9000 + i }).length, 0, `phase ${phase}`);
        bench.clock += (length - phase) * MILLISECOND;
      }
      ok(heard.every((count) => count === 1));
    }
  });
}

test('a burst of another SSRC between two packets of the one in use takes nothing', () => {
  const { bench, voice } = pair();
  talk(bench, voice, 10);
  for (let i = 0; i < 100; i++) is(voice.say(20, { ssrc: 5 }).length, 0);
  is(talk(bench, voice, 1).length, 1);
});

test('only packets in a row count for another SSRC', () => {
  const { bench, voice } = pair();
  talk(bench, voice, 10);
  for (let i = 0; i < 2; i++) voice.say(20, { ssrc: 5, sequence: i });
  is(talk(bench, voice, 1).length, 1);
  bench.clock += 45 * MILLISECOND;
  is(voice.say(20, { ssrc: 5, sequence: 2 }).length, 0);
  is(voice.say(20).length, 1);
});

test('an SSRC changes under RED and while muted as at other times', () => {
  for (const muted of [false, true]) {
    const bench = new Bench();
    bench.join(LISTENER, { publishes: false, redPayloadType: RED });
    const voice = new Voice(bench, 2, { red: true });
    talk(bench, voice, 20);
    bench.forwarder.mute(2, muted);
    Object.assign(voice, { ssrc: 99, sequence: 7 });
    const sent = talk(bench, voice, 20);
    equal(account(bench), [99, 18, 18]);
    bench.forwarder.mute(2, false);
    is(sent.filter(({ payload }) => payload !== SILENCE).length, muted ? 0 : 18);
    is(talk(bench, voice, 5).length, 5);
  }
});

test('what holds no sound, as retransmission or padding, never begins a source', () => {
  const { bench, voice } = pair({ ssrcs: [1000, 1001] });
  for (let i = 0; i < 20; i++) {
    bench.clock += 960;
    bench.send(2, rtp({ payloadType: 97, ssrc: 1001, sequence: i }));
    bench.send(2, rtp({ ssrc: 1001, sequence: 500 + i, payload: Buffer.alloc(0) }));
    voice.ssrc = 1000;
    is(voice.say(20).length, 1);
  }
  equal(account(bench), [1000, 20, 20]);
});

test('any number of SSRCs leave the one in use alone', () => {
  const random = prng(seed('many SSRCs'));
  const { bench, voice } = pair();
  talk(bench, voice, 1);
  for (let i = 0; i < 1000; i++) {
    bench.clock += 960;
    for (let j = 0; j < 5; j++) bench.send(2, rtp({ ssrc: random(), sequence: random() & 0xffff }));
    is(voice.say(20).length, 1);
  }
});

const SILENT_KINDS: readonly (readonly [string, Partial<PacketFields>, boolean, number])[] = [
  ['a telephone event', { payloadType: 101 }, false, Drop.WrongPayloadType],
  ['comfort noise', { payloadType: 13, payload: Buffer.of(70) }, false, Drop.WrongPayloadType],
  ['nothing but padding', { payload: Buffer.of(0, 0, 3) }, true, Drop.Malformed],
  ['no payload', { payload: Buffer.alloc(0) }, false, Drop.Malformed],
  ['more than fits', { payload: Buffer.alloc(1486, 0xf8) }, false, Drop.Malformed],
];

for (const [what, fields, padded, reason] of SILENT_KINDS) {
  /** One packet that is not forwarded. */
  const silent = (voice: Voice, sequence: number): Buffer => {
    const packet = rtp({ sequence, timestamp: voice.timestamp, ssrc: voice.ssrc, ...fields });
    if (padded) packet[0]! |= 0x20;
    return packet;
  };

  test(`${what} in every fifth packet is received, and no hole for anybody`, () => {
    const { bench, voice } = pair();
    const sent: Sent[] = [];
    for (let i = 0; i < 200; i++) {
      bench.clock += 960;
      if (i % 5 === 4) bench.send(2, silent(voice, voice.sequence++));
      else sent.push(...voice.say(20));
    }
    is(sent.length, 160);
    is(bench.count(reason), 40);
    followsOn(sent);
    equal(account(bench), [voice.ssrc, 200, 200]);
  });

  test(`around ${what} what was lost stays a hole, and what comes late fits into its own`, () => {
    const { bench, voice } = pair();
    voice.sequence = 65_530;
    const [first] = talk(bench, voice, 1);
    // One that sounds, one that does not, by turns: 65531, 65533 … sound.
    const late = new Map<number, Buffer>();
    const numbers = new Map<number, number>();
    for (let n = 65_531; n < 65_551; n++) {
      bench.clock += 960;
      if (n % 2 === 0) {
        bench.send(2, silent(voice, n));
        continue;
      }
      const packet = rtp({ sequence: n, timestamp: voice.timestamp, ssrc: voice.ssrc, payload: opus(20) });
      voice.timestamp += 960;
      if (n === 65_533 || n === 65_539 || n === 65_541) late.set(n, packet);
      else numbers.set(n, bench.send(2, packet)[0]!.sequence);
    }
    for (const n of [65_541, 65_533]) numbers.set(n, bench.send(2, late.get(n)!)[0]!.sequence);
    const places = [...numbers].map(([n, sequence]) => [(n - 65_531) / 2, (sequence - first!.sequence - 1) & 0xffff]);
    for (const [place, sequence] of places) is(sequence, place);
    is(numbers.size, 9, 'one is lost for good');
  });
}

test('a silent packet that comes late leaves the hole that it had, and is received', () => {
  const { bench, voice } = pair();
  const sent = talk(bench, voice, 3);
  const missing = voice.sequence++;
  sent.push(...talk(bench, voice, 3));
  bench.send(2, rtp({ payloadType: 101, sequence: missing, ssrc: voice.ssrc }));
  sent.push(...talk(bench, voice, 3));
  equal(
    sent.map(({ sequence }) => sequence - sent[0]!.sequence),
    [0, 1, 2, 4, 5, 6, 7, 8, 9],
  );
  equal(account(bench), [voice.ssrc, 10, 10]);
});

test('telephone events, which repeat one timestamp, are no jitter', () => {
  const { bench, voice } = pair();
  for (let i = 0; i < 300; i++) {
    bench.clock += 960;
    if (i % 3 === 2)
      bench.send(2, rtp({ payloadType: 101, sequence: voice.sequence++, timestamp: 5, ssrc: voice.ssrc }));
    else voice.say(20);
  }
  const { jitter } = readReception(bench.sources, 2 * SOURCE_WORDS + SourceWord.Reception)!;
  ok(jitter < 960 * 2, `${jitter}`);
});

test.run();
