/** The order of a conversation's sources, with integers for clocks and levels made by hand. */
import { equal, is, ok } from 'uvu/assert';
import { NO_LEVEL } from '../../../src/rtp/audio-level.ts';
import { HANG_OVER, Loudness, VOLUME_UNIT } from '../../../src/rtp/loudness.ts';
import { type Candidate, Captures, Selection } from '../../../src/workers/selection.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('selection');
const FRAME = 960;
const MS = 48;
/** Levels in -dBov. */
const QUIET = 127;

class Named implements Candidate {
  rank = -1;
  speaking = false;
  readonly loudness = new Loudness();
  readonly captures = new Captures();
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

function setUp(depth = 1) {
  const selection = new Selection<Named>();
  selection.depth = depth;
  const [ann, bob, cid, dot] = ['ann', 'bob', 'cid', 'dot'].map((name) => new Named(name)) as [
    Named,
    Named,
    Named,
    Named,
  ];
  const order = (): string => selection.order.map(({ name }) => name).join(' ');
  const say = (who: Named, level: number, clock: number): boolean =>
    selection.heard(who, who.loudness.hear(level, false, clock), clock);
  /** Everybody in `levels` sends a packet every 20 ms from `from` for `ms`. @returns the clock behind it. */
  const talk = (levels: readonly (readonly [Named, number])[], from: number, ms: number): number => {
    let clock = from;
    for (; clock - from < ms * MS; clock += FRAME) {
      for (const [who, level] of levels) say(who, level, clock);
      selection.expire(clock);
    }
    return clock;
  };
  return { selection, ann, bob, cid, dot, order, say, talk };
}

test('whoever speaks first stands first', () => {
  const { ann, bob, order, say } = setUp(9);
  is(say(bob, 30, 0), true);
  is(say(ann, 30, 1), true);
  is(say(bob, 30, 2), false);
  is(order(), 'bob ann');
});

test('who speaks stands before who only sends comfort noise', () => {
  const { ann, bob, order, say } = setUp();
  say(ann, QUIET, 0);
  say(bob, 50, 1);
  is(order(), 'bob ann');
});

test('a change behind all slots is none', () => {
  const { ann, bob, cid, say } = setUp(2);
  is(say(ann, 30, 0), true);
  is(say(bob, 30, 0), true);
  is(say(cid, 30, 0), false);
});

test('a speaker is expired after the hang-over, to come in last again', () => {
  const { selection, ann, bob, order, say } = setUp(9);
  say(ann, 30, 0);
  say(bob, 30, HANG_OVER);
  is(selection.expire(HANG_OVER), false);
  is(selection.expire(HANG_OVER + 1), true);
  is(order(), 'bob ann');
  is(say(ann, QUIET, HANG_OVER + 2), false);
  say(ann, 30, HANG_OVER + 3);
  is(order(), 'bob ann');
  equal([ann.speaking, bob.speaking], [true, true]);
});

test('who fell quiet last stands first among the quiet', () => {
  const { selection, ann, bob, cid, order, say } = setUp();
  say(ann, 30, 0);
  say(bob, 30, 10);
  say(cid, 30, 20);
  selection.expire(HANG_OVER + 5);
  is(order(), 'bob cid ann');
  selection.expire(HANG_OVER + 15);
  is(order(), 'cid bob ann');
});

test('the clock may wrap', () => {
  const { selection, ann, bob, order, say, talk } = setUp();
  say(ann, 30, 0x7fff_ffff);
  is(selection.expire((0x7fff_ffff + HANG_OVER) | 0), false);
  is(selection.expire((0x7fff_ffff + HANG_OVER + 1) | 0), true);
  talk(
    [
      [ann, 50],
      [bob, 20],
    ],
    0x7fff_ffff - 100 * FRAME,
    5000,
  );
  is(order(), 'bob ann');
});

test('a source that is taken out is gone, and may come back', () => {
  const { selection, ann, bob, order, say } = setUp();
  is(selection.remove(ann), false);
  say(ann, 30, 0);
  say(bob, 30, 0);
  is(selection.remove(ann), true);
  is(order(), 'bob');
  say(ann, 127, 5);
  is(order(), 'bob ann');
});

test('the louder of two who talk passes the other within half a second, and not at the first packet', () => {
  const { ann, bob, order, talk } = setUp();
  let clock = talk([[ann, 40]], 0, 2000);
  const begun = clock;
  while (order() !== 'bob ann') {
    clock = talk(
      [
        [ann, 40],
        [bob, 20],
      ],
      clock,
      20,
    );
  }
  const ms = (clock - begun) / MS;
  is(ms > 100 && ms <= 500, true, `${ms} ms`);
});

test('one who is not clearly louder passes nobody who talks', () => {
  const { ann, bob, order, talk } = setUp();
  const clock = talk([[ann, 40]], 0, 1000);
  talk(
    [
      [ann, 40],
      [bob, 35],
    ],
    clock,
    10_000,
  );
  is(order(), 'ann bob');
});

test('a clap passes nobody who talks', () => {
  const { ann, bob, order, talk } = setUp();
  let clock = talk([[ann, 35]], 0, 1000);
  for (let i = 0; i < 10; i++) {
    clock = talk(
      [
        [ann, 35],
        [bob, 5],
      ],
      clock,
      100,
    );
    is(order(), 'ann bob');
    clock = talk(
      [
        [ann, 35],
        [bob, QUIET],
      ],
      clock,
      900,
    );
  }
});

test('in a pause somebody else is heard from the second packet on, and passed in their own pause at the first', () => {
  const { ann, bob, order, talk } = setUp();
  let clock = talk([[ann, 30]], 0, 1000);
  clock = talk([[ann, QUIET]], clock, 500);
  clock = talk(
    [
      [ann, QUIET],
      [bob, 30],
    ],
    clock,
    40,
  );
  is(order(), 'bob ann');
  clock = talk(
    [
      [ann, QUIET],
      [bob, QUIET],
    ],
    clock,
    400,
  );
  talk(
    [
      [ann, 30],
      [bob, QUIET],
    ],
    clock,
    20,
  );
  is(order(), 'ann bob');
});

/** Ann talks, pauses for 600 ms, and is passed by bob, who has talked for 160 ms when she goes on. */
function interrupted(level: number) {
  const all = setUp();
  const { ann, bob, order, talk } = all;
  let clock = talk([[ann, 30]], 0, 1000);
  clock = talk([[ann, QUIET]], clock, 440);
  const both = [
    [ann, QUIET],
    [bob, level],
  ] as const;
  clock = talk(both, clock, 160);
  is(order(), 'bob ann');
  return { ...all, clock };
}

test('who was passed in a pause passes back at the first packet, with the strength of before it', () => {
  const { ann, order, say, clock } = interrupted(35);
  ok(ann.loudness.strengthAt(clock) < ann.loudness.strength / 2, 'by the pause alone she would be too weak');
  say(ann, 30, clock);
  is(order(), 'ann bob');
});

test('who was passed in a pause by somebody stronger does not pass back', () => {
  const { ann, order, say, clock } = interrupted(0);
  say(ann, 30, clock);
  is(order(), 'bob ann');
});

test('who was muted comes back as a newcomer: nothing is left of strength and score', () => {
  const { ann, talk } = setUp();
  const clock = talk([[ann, 10]], 0, 1000);
  ok(ann.loudness.strength > 0 && ann.loudness.score > 0);
  ann.loudness.restart();
  equal([ann.loudness.strengthAt(clock), ann.loudness.score, ann.loudness.volume], [0, 0, 0]);
});

test('a volume is sound from 10 dB above the noise floor on, and the floor is never below -80 dBov', () => {
  for (const [level, sound] of [
    [70, true],
    [71, false],
  ] as const) {
    is(new Loudness().hear(level, false, 0), sound, `-${level}`);
  }
});

test('strength goes by the softest of three packets in a row', () => {
  const [steady, spiky] = [new Loudness(), new Loudness()];
  for (let i = 0; i < 100; i++) {
    steady.hear(60, false, i * FRAME);
    spiky.hear(i % 3 === 0 ? 60 : 10, false, i * FRAME);
  }
  is(spiky.strength, steady.strength);
});

test('a right to take slots is whole again after eight seconds, and a whole one need not be kept', () => {
  const captures = new Captures();
  is(captures.full(0), true);
  while (captures.take(0));
  is(captures.full(0), false);
  is(captures.full(48_000 * 8 - 1), false);
  is(captures.full(48_000 * 8), true);
});

test('one right is enough to pass all who talk, until somebody passes back', () => {
  const { ann, bob, cid, dot, order, talk } = setUp(3);
  let clock = talk(
    [ann, bob, cid].map((one) => [one, 45] as const),
    0,
    1000,
  );
  while (dot.captures.take(clock));
  clock = talk(
    [ann, bob, cid, dot].map((one) => [one, one === dot ? 10 : 45] as const),
    clock,
    900,
  );
  is(order(), 'ann bob cid dot', 'without a right nobody is passed');
  clock = talk(
    [ann, bob, cid, dot].map((one) => [one, one === dot ? 10 : 45] as const),
    clock,
    200,
  );
  is(order(), 'dot ann bob cid', 'one right was earned');
});

test('who was passed needs another right to pass back', () => {
  const { ann, bob, order, talk } = setUp();
  const both = (annLevel: number) =>
    [
      [ann, annLevel],
      [bob, 30],
    ] as const;
  let clock = talk(both(60), 0, 1000);
  is(order(), 'bob ann');
  clock = talk(both(5), clock, 600);
  is(order(), 'ann bob');
  while (bob.captures.take(clock));
  clock = talk(both(60), clock, 900);
  is(order(), 'ann bob', 'the right that was spent before is spent');
  talk(both(60), clock, 200);
  is(order(), 'bob ann');
});

test('between words nobody passes', () => {
  const { ann, bob, order, talk } = setUp();
  let clock = talk([[ann, 30]], 0, 1000);
  clock = talk([[ann, QUIET]], clock, 200);
  talk(
    [
      [ann, QUIET],
      [bob, 30],
    ],
    clock,
    80,
  );
  is(order(), 'ann bob');
});

test('a user takes the slot of people who talk eight times in a row, then once a second', () => {
  const captures = new Captures();
  const taken = (clock: number): number => {
    let count = 0;
    while (captures.take(clock)) count++;
    return count;
  };
  is(taken(0), 8);
  is(taken(47_999), 0);
  is(taken(48_000), 1);
  is(taken(48_000 * 3), 2);
  is(taken(48_000 * 100), 8);
});

test('whose right to take slots is used up waits for it, however loud, but not where somebody pauses', () => {
  const { ann, bob, order, talk } = setUp();
  let clock = talk([[ann, 40]], 0, 2000);
  while (bob.captures.take(clock));
  const both = [
    [ann, 40],
    [bob, 10],
  ] as const;
  clock = talk(both, clock, 900);
  is(order(), 'ann bob');
  clock = talk(both, clock, 200);
  is(order(), 'bob ann');
  while (ann.captures.take(clock));
  clock = talk([[bob, QUIET]], clock, 400);
  talk([[ann, 40]], clock, 60);
  is(order(), 'ann bob');
});

test('a level that never changes is noise after 15 s, whatever it claims; a voice with pauses is not', () => {
  const loudness = new Loudness();
  const voice = new Loudness();
  const heard: boolean[] = [];
  for (let clock = 0; clock < 20_000 * MS; clock += FRAME) {
    heard.push(loudness.hear(0, false, clock));
    const word = Math.floor(clock / (400 * MS)) % 2 === 0;
    is(voice.hear(word ? 30 : 75, false, clock), word, `the voice at ${clock / MS} ms`);
  }
  is(heard[0], true, 'who comes talking is heard');
  is(heard.at(-1), false);
  is(heard.lastIndexOf(true) * 20 <= 15_020, true, `${heard.lastIndexOf(true) * 20} ms`);
});

test('half a day without a level, and noise becomes noise in 15 s as ever; nothing is left of the strength before', () => {
  const half = 13 * 3600 * 1000 * MS;
  const loudness = new Loudness();
  let clock = 0;
  for (; clock < 1000 * MS; clock += FRAME) loudness.hear(30, false, clock);
  const { strength } = loudness;
  clock = (clock + half) | 0;
  is(loudness.strengthAt(clock), 0);
  let sounds = 0;
  for (let i = 0; i < 50 * 30; i++) if (loudness.hear(40, false, (clock + i * FRAME) | 0)) sounds++;
  ok(strength > 0);
  ok(sounds <= 50 * 16, `${sounds} of 1500 packets of an even noise counted as sound`);
});

test('more packets make nobody stronger', () => {
  const [usual, rapid] = [new Loudness(), new Loudness()];
  for (let clock = 0; clock < 100 * MS; clock += FRAME) {
    usual.hear(20, false, clock);
    for (let i = 0; i < 20; i++) rapid.hear(20, false, clock + i * MS);
  }
  is(rapid.strength < 1.7 * usual.strength, true, `${rapid.strength} against ${usual.strength}`);
});

test('the noise floor falls with the first quieter packet', () => {
  const loudness = new Loudness();
  let clock = 0;
  for (; clock < 16_000 * MS; clock += FRAME) loudness.hear(30, false, clock);
  is(loudness.hear(30, false, clock), false);
  loudness.hear(60, false, clock + FRAME);
  is(loudness.hear(30, false, clock + 2 * FRAME), true);
});

test('the strength from before an interruption counts for one packet', () => {
  const { ann, say, clock } = interrupted(35);
  say(ann, 30, clock);
  is(ann.loudness.interrupted, false);
  is(ann.loudness.strengthAt(clock + HANG_OVER), 0);
});

test('a packet without a level is softer than a voice that says how loud it is', () => {
  const [unknown, soft] = [new Loudness(), new Loudness()];
  ok(unknown.hear(NO_LEVEL, false, 0) && soft.hear(60, false, 0));
  ok(unknown.volume < soft.volume);
});

test('a sound among silent packets costs little strength, and a softer voice costs it fast', () => {
  const strengthAfter = (level: number, packets: number): number => {
    const loudness = new Loudness();
    let clock = 0;
    for (; clock < 1000 * MS; clock += FRAME) loudness.hear(10, false, clock);
    const full = loudness.strength;
    for (let i = 0; i < packets; i++, clock += FRAME) loudness.hear(i % 2 === 0 ? QUIET : level, false, clock);
    return loudness.strength / full;
  };
  ok(strengthAfter(10, 4) > 0.94, `${strengthAfter(10, 4)}`);
  const loudness = new Loudness();
  let clock = 0;
  for (; clock < 1000 * MS; clock += FRAME) loudness.hear(10, false, clock);
  const full = loudness.strength;
  for (let i = 0; i < 15; i++, clock += FRAME) loudness.hear(60, false, clock);
  ok(loudness.strength < 0.8 * full, `${loudness.strength / full}`);
});

test('a packet after a gap counts for no more than 60 ms', () => {
  const loudness = new Loudness();
  for (const at of [0, 20, 40]) loudness.hear(10, false, at * MS);
  const gained = loudness.strength;
  loudness.hear(10, false, 140 * MS);
  ok(loudness.strength > gained && loudness.strength < 0.75 * 117 * VOLUME_UNIT, `${loudness.strength}`);
});

test('passing somebody whom no slot carries costs no right and changes nothing', () => {
  const { ann, bob, cid, order, say, talk } = setUp(1);
  const clock = talk(
    [
      [ann, 10],
      [bob, 60],
    ],
    0,
    1000,
  );
  while (cid.captures.take(clock));
  let changes = 0;
  for (let i = 0; i < 50; i++) {
    for (const [who, level] of [
      [ann, 10],
      [bob, 60],
      [cid, 10],
    ] as const) {
      if (say(who, level, clock + i * FRAME)) changes++;
    }
  }
  is(order(), 'ann cid bob');
  is(changes, 0);
});

test('the strength from before an interruption is lost when the hang-over has passed', () => {
  const { ann, bob, order, say, talk } = setUp();
  let clock = talk([[ann, 30]], 0, 1000);
  clock = talk([[ann, QUIET]], clock, 440);
  const both = [
    [ann, QUIET],
    [bob, 60],
  ] as const;
  clock = talk(both, clock, 1500);
  is(order(), 'bob ann');
  say(ann, 30, clock);
  is(order(), 'bob ann');
});

test('a right to take slots is whole again after half a day, when the clock has wrapped', () => {
  const captures = new Captures();
  while (captures.take(0));
  is(captures.full((2 ** 31 + 5) | 0), true);
  is(captures.take((2 ** 31 + 5) | 0), true);
});

test('a speaker who falls quiet behind all slots changes nothing', () => {
  const { selection, ann, bob, say } = setUp(1);
  say(bob, 30, 0);
  say(ann, 30, 0);
  say(bob, 30, HANG_OVER);
  is(selection.expire(HANG_OVER + 1), false);
  is(ann.speaking, false);
});

test('a newcomer passes a speaker who has paused for nearly a second with the first packet', () => {
  const { ann, bob, order, say, talk } = setUp();
  let clock = talk([[ann, 30]], 0, 1000);
  clock = talk([[ann, QUIET]], clock, 900);
  say(bob, 30, clock);
  is(order(), 'bob ann');
});

test.run();
