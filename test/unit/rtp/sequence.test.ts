import { equal, is, ok } from 'uvu/assert';
import { Arrival, SourceSequence, sequenceDistance } from '../../../src/rtp/sequence.ts';
import { below, prng, seed } from '../../support/prng.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('sequence');
const { Advance, Late, Restart, Duplicate, TooOld, Rebuilt } = Arrival;

for (const [name, steps] of [
  ['the first packet begins the numbering', [[7, Restart]]],
  [
    'packets in order advance',
    [
      [7, Restart],
      [8, Advance],
      [9, Advance],
    ],
  ],
  [
    'a gap advances and what fills it is late',
    [
      [7, Restart],
      [9, Advance],
      [8, Late],
      [10, Advance],
    ],
  ],
  [
    'the same number twice is a duplicate',
    [
      [7, Restart],
      [7, Duplicate],
      [8, Advance],
      [8, Duplicate],
      [7, Duplicate],
    ],
  ],
  [
    'a late packet twice is a duplicate',
    [
      [7, Restart],
      [9, Advance],
      [8, Late],
      [8, Duplicate],
    ],
  ],
  [
    'numbers wrap at 2^16',
    [
      [65_534, Restart],
      [65_535, Advance],
      [0, Advance],
      [1, Advance],
      [65_535, Duplicate],
    ],
  ],
  [
    'a gap and a late packet across the wrap',
    [
      [65_535, Restart],
      [1, Advance],
      [0, Late],
      [0, Duplicate],
    ],
  ],
  [
    'a jump of 256 is loss',
    [
      [0, Restart],
      [256, Advance],
    ],
  ],
  [
    'a jump of 257 is a new beginning',
    [
      [0, Restart],
      [257, Restart],
      [258, Advance],
    ],
  ],
  [
    '511 behind is late',
    [
      [600, Restart],
      [89, Late],
    ],
  ],
  [
    '512 behind is too old',
    [
      [600, Restart],
      [88, TooOld],
      [601, Advance],
    ],
  ],
  [
    'two in a row far behind are a sender that started over',
    [
      [20_000, Restart],
      [10, TooOld],
      [11, Restart],
      [12, Advance],
    ],
  ],
  [
    'stragglers far behind do not disturb',
    [
      [20_000, Restart],
      [10, TooOld],
      [20_001, Advance],
      [11, TooOld],
      [20_002, Advance],
    ],
  ],
  [
    'a packet from before the first is late',
    [
      [7, Restart],
      [6, Late],
      [6, Duplicate],
    ],
  ],
] as const) {
  test(name, () => {
    const sequence = new SourceSequence();
    for (const [number, verdict] of steps) is(sequence.take(number), verdict, `number ${number}`);
  });
}

test('a reset makes the next packet a beginning', () => {
  const sequence = new SourceSequence();
  sequence.take(5);
  sequence.reset();
  is(sequence.take(5), Restart);
  is(sequence.take(6), Advance);
});

test('the steps to a packet count what is missing before it, and only a newer one has any', () => {
  const sequence = new SourceSequence();
  for (const [number, steps] of [
    [65_534, 0],
    [65_535, 1],
    [3, 4],
    [1, 0],
    [1, 0],
    [4, 1],
    [5000, 0],
    [5001, 1],
  ] as const) {
    sequence.take(number);
    is(sequence.steps, steps, `number ${number}`);
  }
});

test('a packet that comes after it was rebuilt is told from one that was only late, once', () => {
  const sequence = new SourceSequence();
  sequence.take(65_534);
  is(sequence.take(2), Advance);
  const { index } = sequence;
  sequence.rebuild(index - 1);
  is(sequence.take(0), Late);
  is(sequence.take(1), Rebuilt);
  is(sequence.index, index - 1);
  is(sequence.take(1), Duplicate);
  is(sequence.take(65_535), Late);
});

test('what was rebuilt is forgotten when its number comes round again, or the numbering begins anew', () => {
  const sequence = new SourceSequence();
  sequence.take(0);
  sequence.take(2);
  sequence.rebuild(sequence.index - 1);
  for (let number = 3; number < 600; number++) if (number !== 513) sequence.take(number);
  is(sequence.take(513), Late, '513 shares its bit with 1');
  sequence.rebuild(590);
  sequence.reset();
  sequence.take(600);
  is(sequence.take(590), Late);
});

test('distances are signed and wrap', () => {
  for (const [a, b, distance] of [
    [1, 0, 1],
    [0, 1, -1],
    [0, 65_535, 1],
    [65_535, 0, -1],
    [32_768, 0, -32_768],
    [32_767, 0, 32_767],
  ] as const) {
    is(sequenceDistance(a, b), distance);
  }
});

test('unwrapped numbers differ as the real ones do, whatever the network does', () => {
  const random = prng(seed('sequence model'));
  const sequence = new SourceSequence();
  const start = below(random, 65_536);
  sequence.take(start);
  const base = sequence.index;
  const taken = new Set([0]);
  let newest = 0;
  for (let i = 0; i < 200_000; i++) {
    const sent = Math.max(0, newest + 2 - below(random, random() % 8 === 0 ? 300 : 6));
    const verdict = sequence.take((start + sent) & 0xffff);
    if (taken.has(sent)) is(verdict, Duplicate);
    else is(verdict, sent > newest ? Advance : Late);
    if (verdict !== Duplicate) is(sequence.index - base, sent);
    taken.add(sent);
    newest = Math.max(newest, sent);
  }
  ok(newest > 65_536, 'it wrapped');
});

test('a packet that is not passed on takes no place: later packets move up, and late ones from before it do not', () => {
  const sequence = new SourceSequence();
  const places = [
    [100, true],
    [101, false],
    [104, true],
    [103, true],
    [102, false],
    [105, true],
  ] as const;
  const indexes = places.map(([number, passes]) => {
    sequence.take(number, passes);
    return passes ? sequence.index - 100 : null;
  });
  equal(indexes, [0, null, 3, 2, null, 4]);
});

test('a late packet behind one that is not passed on is the newest, and nothing is missing after it', () => {
  const sequence = new SourceSequence();
  sequence.take(100);
  sequence.take(102, false);
  is(sequence.take(101), Late);
  sequence.take(103);
  is(sequence.steps, 1);
});

test('skipped numbers are forgotten when they come round again, or the numbering begins anew', () => {
  for (const restart of [false, true]) {
    const sequence = new SourceSequence();
    sequence.take(100);
    // It shares its bit with 613.
    sequence.take(101, false);
    if (restart) sequence.take(614);
    else for (let number = 102; number <= 614; number++) if (number !== 612) sequence.take(number);
    const { index } = sequence;
    sequence.take(615, false);
    is(sequence.take(612), Late);
    is(sequence.index, index - 2, restart ? 'anew' : 'come round');
  }
});

test('numbers are within reach unless they begin anew or are too old, and none is before the first packet', () => {
  const sequence = new SourceSequence();
  is(sequence.isWithinReach(5), false);
  sequence.take(1000);
  equal(
    [488, 489, 1000, 1256, 1257].map((number) => sequence.isWithinReach(number)),
    [false, true, true, true, false],
  );
  sequence.reset();
  is(sequence.isWithinReach(1000), false);
});

test.run();
