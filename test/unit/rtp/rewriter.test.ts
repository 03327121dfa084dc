import { equal, is, ok } from 'uvu/assert';
import { OPUS_FRAME_TICKS } from '../../../src/rtp/packet.ts';
import { clearSlot, insert, openSlot, Renumbered, renumber, SLOT_WORDS, Slot } from '../../../src/rtp/rewriter.ts';
import { Arrival, SourceSequence } from '../../../src/rtp/sequence.ts';
import { slotPacket } from '../../support/packets.ts';
import { below, prng, type Random, seed } from '../../support/prng.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('rewriter');
const { Continue, Switch, BeforeSwitch } = Renumbered;
const FRAME = OPUS_FRAME_TICKS;

interface Start {
  readonly sequence?: number;
  readonly timestamp?: number;
  readonly clock?: number;
}

/** A slot between two others, and a shorthand that says what comes out. */
function slot({ sequence = 100, timestamp = 5000, clock = 0 }: Start = {}) {
  const words = new Int32Array(SLOT_WORDS * 3).fill(7);
  const row = SLOT_WORDS;
  openSlot(words, row, 0xabcd, 111, 42, sequence, timestamp | 0);
  /** @param at the clock, in ticks after `clock`. @param duration of the packet's sound, ticks. */
  const send = (
    source: number,
    index: number,
    time: number,
    at: number,
    duration = FRAME,
  ): [number, number, number] | 'drop' => {
    const packet = slotPacket({
      source,
      publisher: source,
      index,
      timestamp: time | 0,
      octets: 100,
      duration,
      clock: (clock + at) | 0,
    });
    const verdict = renumber(words, row, packet);
    if (verdict === BeforeSwitch) return 'drop';
    return [verdict, packet.outSequence, packet.outTimestamp >>> 0];
  };
  const untouched = (): boolean =>
    words.subarray(0, row).every((word) => word === 7) && words.subarray(row + SLOT_WORDS).every((word) => word === 7);
  return { words, row, send, untouched };
}

/** `[source, index, timestamp, clock, duration] → [verdict, sequence, timestamp] | drop`; 20 ms where none is given. */
type Step = readonly [readonly [number, number, number, number, number?], readonly [number, number, number] | 'drop'];

const tables: readonly (readonly [string, Start, readonly Step[]])[] = [
  [
    'the first packet takes the seed and the marker, the next ones follow',
    { sequence: 100, timestamp: 5000 },
    [
      [
        [1, 9000, 70_000, 0],
        [Switch, 100, 5000],
      ],
      [
        [1, 9001, 70_960, FRAME],
        [Continue, 101, 5960],
      ],
      [
        [1, 9002, 71_920, 2 * FRAME],
        [Continue, 102, 6920],
      ],
    ],
  ],
  [
    "holes of the publisher's network stay visible, and a late packet fills its own",
    {},
    [
      [
        [1, 10, 0, 0],
        [Switch, 100, 5000],
      ],
      [
        [1, 13, 3 * FRAME, 3 * FRAME],
        [Continue, 103, 5000 + 3 * FRAME],
      ],
      [
        [1, 12, 2 * FRAME, 3 * FRAME],
        [Continue, 102, 5000 + 2 * FRAME],
      ],
      [
        [1, 14, 4 * FRAME, 4 * FRAME],
        [Continue, 104, 5000 + 4 * FRAME],
      ],
    ],
  ],
  [
    'another source goes on at the next number, where the wall clock is',
    {},
    [
      [
        [1, 10, 0, 0],
        [Switch, 100, 5000],
      ],
      [
        [1, 11, FRAME, FRAME],
        [Continue, 101, 5960],
      ],
      [
        [2, 777, 123_456, 10 * FRAME],
        [Switch, 102, 5000 + 10 * FRAME],
      ],
      [
        [2, 778, 124_416, 11 * FRAME],
        [Continue, 103, 5000 + 11 * FRAME],
      ],
    ],
  ],
  ...[0, 2 ** 32 - 1000].flatMap((timestamp): [string, Start, Step[]][] => [
    [
      `sources that take turns at once follow each other without an overlap, from ${timestamp}`,
      { timestamp },
      [
        [
          [1, 10, 0, 0],
          [Switch, 100, timestamp],
        ],
        [
          [2, 50, 0, 5],
          [Switch, 101, (timestamp + FRAME) % 2 ** 32],
        ],
        [
          [3, 50, 0, 10],
          [Switch, 102, (timestamp + 2 * FRAME) % 2 ** 32],
        ],
      ],
    ],
    ...[120, 240, 480, 960, 1920, 2880, 5760].map((duration): [string, Start, Step[]] => [
      `a source begins where a packet of ${duration / 48} ms before it ends, from ${timestamp}`,
      { timestamp, sequence: 65_534 },
      [
        [
          [1, 10, 0, 0, duration],
          [Switch, 65_534, timestamp],
        ],
        [
          [1, 11, duration, duration, duration],
          [Continue, 65_535, (timestamp + duration) % 2 ** 32],
        ],
        [
          [2, 50, 7, duration + 5, 960],
          [Switch, 0, (timestamp + 2 * duration) % 2 ** 32],
        ],
        [
          [2, 51, 967, duration + 965, 960],
          [Continue, 1, (timestamp + 2 * duration + 960) % 2 ** 32],
        ],
        [
          [1, 12, 2 * duration, duration + 970, duration],
          [Switch, 2, (timestamp + 2 * duration + 1920) % 2 ** 32],
        ],
      ],
    ]),
  ]),
  [
    'a late packet does not move the place where the newest one ends',
    {},
    [
      [
        [1, 10, 0, 0],
        [Switch, 100, 5000],
      ],
      [
        [1, 12, 2880, 2880, 2880],
        [Continue, 102, 7880],
      ],
      [
        [1, 11, 960, 2900, 960],
        [Continue, 101, 5960],
      ],
      [
        [2, 3, 0, 2910],
        [Switch, 103, 5000 + 2 * 2880],
      ],
    ],
  ],
  [
    'a gap of less than 20 ms between two sources is closed, a longer one stays',
    {},
    [
      [
        [1, 10, 0, 0],
        [Switch, 100, 5000],
      ],
      [
        [2, 50, 0, 2 * FRAME - 1],
        [Switch, 101, 5000 + FRAME],
      ],
      [
        [3, 50, 0, 4 * FRAME],
        [Switch, 102, 5000 + 4 * FRAME],
      ],
    ],
  ],
  [
    'who is ahead of the clock gives back no more than 20 ms in a pause, and then the anchor has followed',
    {},
    [
      [
        [1, 10, 0, 0, 5760],
        [Switch, 100, 5000],
      ],
      [
        [2, 50, 0, 0, 5760],
        [Switch, 101, 5000 + 5760],
      ],
      [
        [3, 50, 0, 48_000],
        [Switch, 102, 5000 + 5760 + 48_000 - FRAME],
      ],
      [
        [1, 99, 0, 96_000],
        [Switch, 103, 5000 + 5760 + 96_000 - FRAME],
      ],
    ],
  ],
  [
    'a packet from before the switch is dropped, also one of the same source',
    {},
    [
      [
        [1, 10, 0, 0],
        [Switch, 100, 5000],
      ],
      [
        [2, 50, 5 * FRAME, FRAME],
        [Switch, 101, 5960],
      ],
      [[2, 49, 4 * FRAME, FRAME], 'drop'],
      [
        [2, 51, 6 * FRAME, 2 * FRAME],
        [Continue, 102, 6920],
      ],
    ],
  ],
  [
    'sequence numbers wrap at 2^16',
    { sequence: 65_534 },
    [
      [
        [1, 0, 0, 0],
        [Switch, 65_534, 5000],
      ],
      [
        [1, 1, FRAME, FRAME],
        [Continue, 65_535, 5960],
      ],
      [
        [1, 2, 2 * FRAME, 2 * FRAME],
        [Continue, 0, 6920],
      ],
      [
        [2, 9, 0, 3 * FRAME],
        [Switch, 1, 7880],
      ],
    ],
  ],
  [
    "a publisher's own numbers may wrap at any time",
    {},
    [
      [
        [1, 65_535, 2 ** 32 - FRAME, 0],
        [Switch, 100, 5000],
      ],
      [
        [1, 65_536, 0, FRAME],
        [Continue, 101, 5960],
      ],
    ],
  ],
  [
    'timestamps wrap at 2^32, within a source and at a switch',
    { timestamp: 2 ** 32 - FRAME },
    [
      [
        [1, 0, 50, 0],
        [Switch, 100, 2 ** 32 - FRAME],
      ],
      [
        [1, 1, 50 + FRAME, FRAME],
        [Continue, 101, 0],
      ],
      [
        [2, 0, 9, 2 * FRAME],
        [Switch, 102, FRAME],
      ],
    ],
  ],
  [
    'the clock wraps at 2^32',
    { clock: -FRAME },
    [
      [
        [1, 0, 0, 0],
        [Switch, 100, 5000],
      ],
      [
        [2, 0, 0, 3 * FRAME],
        [Switch, 101, 5000 + 3 * FRAME],
      ],
    ],
  ],
  [
    'after silence the same source goes on by its own clock',
    {},
    [
      [
        [1, 0, 0, 0],
        [Switch, 100, 5000],
      ],
      [
        [1, 1, 500 * FRAME, 500 * FRAME],
        [Continue, 101, 5000 + 500 * FRAME],
      ],
    ],
  ],
  [
    'a source whose timestamps go back is anchored again',
    {},
    [
      [
        [1, 0, 100_000, 0],
        [Switch, 100, 5000],
      ],
      [
        [1, 1, 50_000, FRAME],
        [Switch, 101, 5960],
      ],
      [
        [1, 2, 50_000 + FRAME, 2 * FRAME],
        [Continue, 102, 6920],
      ],
    ],
  ],
  [
    'a source whose timestamps race is anchored again at two seconds ahead',
    {},
    [
      [
        [1, 0, 0, 0],
        [Switch, 100, 5000],
      ],
      [
        [1, 1, 96_000, 0],
        [Continue, 101, 101_000],
      ],
      [
        [1, 2, 96_001, 0],
        [Switch, 102, 101_000 + FRAME],
      ],
    ],
  ],
  [
    'a source that sends more sound than there is time for does not get further ahead; who comes after it overlaps nothing',
    {},
    [
      [
        [1, 0, 0, 0],
        [Switch, 100, 5000],
      ],
      [
        [1, 1, 96_000, 0, 5760],
        [Continue, 101, 101_000],
      ],
      [
        [1, 2, 96_000 + 5760, 0, 5760],
        [Switch, 102, 101_000 + 5760],
      ],
      [
        [1, 3, 96_000 + 2 * 5760, 0, 5760],
        [Switch, 103, 101_000 + 5760 + 1],
      ],
      [
        [1, 4, 96_000 + 3 * 5760, 0, 5760],
        [Switch, 104, 101_000 + 5760 + 2],
      ],
      [
        [2, 3, 50, 0, 960],
        [Switch, 105, 101_000 + 2 * 5760 + 2],
      ],
    ],
  ],
  [
    'a source after one that raced is heard at once, and loses nothing to it',
    {},
    [
      [
        [1, 0, 0, 0],
        [Switch, 100, 5000],
      ],
      [
        [1, 1, 96_000, 0],
        [Continue, 101, 101_000],
      ],
      [
        [2, 7, 50, 10],
        [Switch, 102, 101_000 + FRAME],
      ],
      [
        [2, 8, 50 + FRAME, 10 + FRAME],
        [Switch, 103, 101_000 + 2 * FRAME],
      ],
    ],
  ],
];

for (const [name, start, steps] of tables) {
  test(name, () => {
    const { send, untouched } = slot(start);
    for (const [given, expected] of steps) equal(send(...given), expected, given.join(' '));
    ok(untouched(), 'the rows beside it are left alone');
  });
}

test('a frame of silence does not carry a slot on that its source has carried as far as it may', () => {
  const { words, row, send } = slot();
  send(1, 0, 0, 0);
  send(1, 1, 96_000, 0, 5760);
  equal(send(1, 2, 96_000 + 5760, 0, 5760), [Switch, 102, 101_000 + 5760]);
  const packet = slotPacket({ duration: FRAME, octets: 3 });
  insert(words, row, packet);
  equal([packet.outSequence, packet.outTimestamp], [103, 101_000 + 5760 + 1]);
});

for (const [what, at, gap] of [
  ['at once after a sound whose packets came in time', 3 * FRAME, 0],
  ['at once after a sound whose packets were slow, so that the receiver makes up nothing', 3 * FRAME + 3 * 960, 0],
  ['in time after a pause', 3 * FRAME + 5 * 960, 5 * 960],
] as const) {
  test(`silence follows ${what}`, () => {
    const { words, row, send } = slot();
    for (let i = 0; i < 3; i++) send(1, i, i * FRAME, i * FRAME);
    const frame = slotPacket({ duration: FRAME, octets: 3, clock: at });
    insert(words, row, frame);
    equal([frame.outSequence, frame.outTimestamp], [103, 5000 + 3 * FRAME + gap]);
    insert(words, row, Object.assign(frame, { clock: at + FRAME }));
    equal([frame.outSequence, frame.outTimestamp], [104, 5000 + 4 * FRAME + gap], 'and further silence follows it');
    const time = at + 20 * FRAME;
    equal(send(2, 9, 77, time), [Switch, 105, 5000 + time], 'the next voice is in time');
  });
}

test('silence in a slot that had no sound yet has the first numbers', () => {
  const { words, row } = slot({ timestamp: 30_000 });
  const frame = slotPacket({ duration: FRAME, octets: 3, clock: 0 });
  insert(words, row, frame);
  equal([frame.outSequence, frame.outTimestamp], [100, 30_000]);
});

test('silence follows a sound at once even if the timestamps of the sound lag far behind the clock', () => {
  const { words, row, send } = slot();
  send(1, 0, 0, 0);
  send(1, 1, FRAME, 100 * FRAME);
  const frame = slotPacket({ duration: FRAME, octets: 3, clock: 101 * FRAME });
  insert(words, row, frame);
  is(frame.outTimestamp, 5000 + 2 * FRAME);
});

test('a cleared slot takes even the same source as a new one', () => {
  const { words, row, send } = slot();
  send(1, 0, 0, 0);
  clearSlot(words, row);
  equal(send(1, 30, 30 * FRAME, 30 * FRAME), [Switch, 101, 5000 + 30 * FRAME], 'what was not sent leaves no hole');
});

for (const hours of [12, 12.5, 13, 20, 24.8, 25]) {
  test(`after ${hours} hours in which nobody was heard a new source goes on as any other`, () => {
    const { send } = slot();
    send(1, 0, 0, 0);
    const later = hours * 3600 * 48_000;
    const first = send(2, 50, 0, later);
    is(first[0], Switch);
    for (let i = 1; i < 5; i++) {
      const next = send(2, 50 + i, i * FRAME, later + i * FRAME);
      equal([next[0], next[1]], [Continue, 101 + i]);
      is(Number(next[2]) - Number(first[2]), i * FRAME);
    }
  });
}

test('opening a slot forgets all of the one before', () => {
  const { words, row, send } = slot();
  send(1, 0, 0, 0);
  openSlot(words, row, 1, 2, 3, 9, 10);
  is(words[row + Slot.Packets], 0);
  equal(send(1, 1, 0, 77), [Switch, 9, 10]);
});

/** Two seconds and the longest packet. */
const MOST_AHEAD = 96_000 + 5760;

for (const [jitterTicks, lateFrames] of [
  [1, 0],
  [FRAME, 4],
] as const) {
  for (const duration of [120, 480, 960, 1920, 2880, 5760]) {
    test(`over any traffic (packets of ${duration / 48} ms, jitter of ${jitterTicks} ticks, ${lateFrames} packets late) numbers never repeat, go back in time or overlap at a switch, and hold to the wall clock`, () => {
      const random = prng(seed('rewriter traffic'));
      for (let run = 0; run < 3; run++) traffic(random, duration, jitterTicks, lateFrames);
    });
  }
}

function traffic(random: Random, duration: number, jitterTicks: number, lateFrames: number): void {
  const { words, row, send } = slot({ sequence: below(random, 65_536), timestamp: random(), clock: random() | 0 });
  const sources = Array.from({ length: 4 }, () => ({
    sequence: new SourceSequence(),
    number: below(random, 65_536),
    time: random(),
    key: 0,
  }));
  let clock = 0;
  let keys = 0;
  let current = sources[0]!;
  let first: { timestamp: number; clock: number } | undefined;
  let anchor = 0;
  let newest: { sequence: number; timestamp: number } | undefined;
  const sent = new Map<number, number>();
  let count = 0;
  for (let i = 0; i < 20_000; i++) {
    clock += duration;
    if (random() % 50 === 0) {
      current = sources[below(random, 4)]!;
      clearSlot(words, row);
    }
    // Every microphone's clock runs; its packets are lost, doubled and held back.
    for (const source of sources) {
      source.number = (source.number + 1) & 0xffff;
      source.time = (source.time + duration) % 2 ** 32;
    }
    if (random() % 10 === 0) continue;
    const behind = random() % 20 === 0 ? below(random, lateFrames + 1) : 0;
    const arrival = current.sequence.take((current.number - behind) & 0xffff);
    if (arrival === Arrival.Duplicate || arrival === Arrival.TooOld) continue;
    if (arrival === Arrival.Restart) current.key = ++keys;
    const jitter = below(random, jitterTicks);
    const result = send(
      current.key,
      current.sequence.index,
      current.time - behind * duration,
      clock + jitter,
      duration,
    );
    if (result === 'drop') continue;
    const [verdict, sequence, timestamp] = result;
    ok(count - (sent.get(sequence) ?? -65_536) > 30_000, `sequence number ${sequence} came twice`);
    sent.set(sequence, count++);
    if (first === undefined) anchor = words[row + Slot.Anchor]!;
    first ??= { timestamp, clock: clock + jitter };
    const ahead = newest === undefined ? 1 : ((sequence - newest.sequence) << 16) >> 16;
    if (verdict === Switch && newest !== undefined) {
      is(ahead, 1, 'a switch leaves no hole');
      ok(((timestamp - newest.timestamp) | 0) >= duration, 'a switch overlaps the packet before');
      const elapsed = clock + jitter - first.clock;
      const drift = (timestamp - first.timestamp - elapsed) | 0;
      const moved = (words[row + Slot.Anchor]! - anchor) | 0;
      ok(
        moved >= 0 && moved <= (elapsed + count * jitterTicks) / 8,
        `the anchor moved by ${moved} ticks in ${elapsed}`,
      );
      ok(drift > -FRAME && drift - moved <= MOST_AHEAD, `${drift} ticks off the wall clock at a switch`);
    }
    if (ahead <= 0) continue;
    if (newest !== undefined) ok(((timestamp - newest.timestamp) | 0) > 0, 'time went back');
    newest = { sequence, timestamp };
  }
  ok(count > 10_000);
}

test('wherever a worker ends in the midst of a packet, numbers and times only go forward from there', () => {
  const first = (): ReturnType<typeof slot> => slot({ sequence: 65_535, timestamp: -500 });
  const running = (): ReturnType<typeof slot> => {
    const made = first();
    for (let i = 0; i < 5; i++) made.send(1, 200 + i, 9000 + i * FRAME, i * FRAME);
    return made;
  };
  const packet = (source: number, index: number, timestamp: number, clock: number) =>
    slotPacket({ source, index, timestamp, octets: 100, clock });
  const lastWords: readonly (readonly [
    string,
    () => ReturnType<typeof slot>,
    (words: Int32Array, row: number) => void,
  ])[] = [
    ['first packet', first, (words, row) => renumber(words, row, packet(1, 200, 9000, 0))],
    ['next packet', running, (words, row) => renumber(words, row, packet(1, 205, 9000 + 5 * FRAME, 5 * FRAME))],
    ['late packet', running, (words, row) => renumber(words, row, packet(1, 203, 9000 + 3 * FRAME, 5 * FRAME))],
    ['switch', running, (words, row) => renumber(words, row, packet(2, 7, 123_456, 5 * FRAME))],
    ['silence', running, (words, row) => insert(words, row, packet(0, 0, 0, 5 * FRAME))],
  ];
  for (const [name, start, write] of lastWords) {
    const writes: [number, number][] = [];
    const { words, row } = start();
    const { [row + Slot.LastSequence]: sequence, [row + Slot.LastTimestamp]: timestamp } = words;
    const packets = words[row + Slot.Packets]!;
    const recorder = new Proxy(words, {
      get: (target, key) => Reflect.get(target, key),
      set: (target, key, value: number) => {
        writes.push([Number(key), value]);
        return Reflect.set(target, key, value);
      },
    });
    write(recorder, row);
    ok(writes.length >= 2, name);
    for (let done = 0; done <= writes.length; done++) {
      const torn = start();
      for (const [word, value] of writes.slice(0, done)) torn.words[word] = value;
      const published = done === writes.length;
      const last = published ? torn.words[row + Slot.LastSequence]! : sequence!;
      clearSlot(torn.words, row);
      const [verdict, outSequence, outTimestamp] = torn.send(1, 400, 77_777, 7 * FRAME) as [number, number, number];
      const step = (outSequence - last) & 0xffff;
      is(verdict, Switch);
      ok(step >= 1 && step <= 2, `${name}, ${done} words written: ${last} -> ${outSequence}`);
      const ticks = (outTimestamp - timestamp!) | 0;
      ok(packets === 0 ? ticks >= 0 : ticks > 0, `${name}, ${done} words written: ${timestamp} -> ${outTimestamp}`);
      ok(ticks <= 8 * FRAME, `${name}, ${done} words written: ${timestamp} -> ${outTimestamp}`);
    }
  }
});

test('a slot that one publisher carried far ahead gives a frame back in the next pause', () => {
  const { send } = slot();
  send(1, 0, 0, 0);
  send(1, 1, 96_000, 0, 5760);
  send(1, 2, 96_000 + 5760, 0, 5760);
  const ahead = 101_000 + 2 * 5760;
  equal(send(2, 0, 0, 0), [Switch, 103, ahead]);
  equal(send(3, 0, 0, 480_000), [Switch, 104, ahead + 480_000 - FRAME]);
});

test.run();
