/** Levels that say nothing: whoever sends them beside real sound is heard, and said to speak, where nobody else talks. */
import { is, ok } from 'uvu/assert';
import { connectionIndex, SOURCE_WORDS, SourceWord } from '../../../src/workers/protocol.ts';
import { rtp } from '../../support/packets.ts';
import { prng, seed } from '../../support/prng.ts';
import { scenarios } from '../../support/scenario.ts';
import { Bench, SILENCE } from '../../support/shard.ts';
import { speech } from '../../support/talk.ts';

const test = scenarios('levels');
const LEVEL_ID = 3;
const LISTENER = 9;
const MUTE = 1;

/** What the level extension says, frame by frame; null for a packet without one. */
type Levels = (frame: number) => number | null;

/** Four publishers, two slots: three talk for eight seconds and fall silent, and one sends all the time. */
function room(levels: Levels, { id = LEVEL_ID, bytes = 60 } = {}) {
  const random = prng(seed('levels'));
  const bench = new Bench();
  bench.join(LISTENER, { slots: 2, levelExtension: LEVEL_ID });
  const voices = [30, 33, 36].map((level) => speech(random, level));
  for (let one = 1; one <= 4; one++) bench.join(one, { slots: 0, levelExtension: LEVEL_ID });
  const send = (from: number, frame: number, level: number | null, length: number, levelId = LEVEL_ID): boolean =>
    bench
      .send(
        from,
        rtp({
          sequence: frame,
          timestamp: frame * 960,
          ssrc: from,
          payload: length === 3 ? Buffer.from(SILENCE, 'latin1') : Buffer.alloc(length, 0x55),
          ...(level === null ? {} : { level: { id: levelId, level } }),
        }),
      )
      .some(({ to, csrc, payload }) => to === LISTENER && csrc === from && payload !== SILENCE);
  let frame = 0;
  /** Runs for so many seconds. @returns how many packets of the one were heard, and of the talkers. */
  const run = (seconds: number, talk: boolean): { one: number; talkers: number } => {
    const heard = { one: 0, talkers: 0 };
    for (const end = frame + seconds * 50; frame < end; frame++) {
      bench.clock = (bench.clock + 960) | 0;
      voices.forEach((voice, i) => {
        if (talk) heard.talkers += +send(i + 2, frame, voice(frame), 60);
        else if (frame % 20 === 0) send(i + 2, frame, 127, 1);
      });
      heard.one += +send(MUTE, frame, levels(frame), bytes, id);
    }
    return heard;
  };
  const speaks = (): boolean => bench.sources[connectionIndex(MUTE) * SOURCE_WORDS + SourceWord.Speaking] === 1;
  return { run, speaks };
}

const SAYING_NOTHING: readonly (readonly [string, Levels, number?])[] = [
  ['always 127', () => 127],
  ['127 and no level by turns', (frame) => (frame % 2 === 0 ? 127 : null)],
  ['126 and 127 by turns', (frame) => 126 + (frame % 2)],
  ['no level at all', () => null],
  ['a level under another id', () => 30, 4],
  ['127 but for a slip at the start', (frame) => (frame === 3 ? 20 : 127)],
];
for (const [name, levels, id] of SAYING_NOTHING) {
  test(`${name}, beside sound: heard and said to speak once the others are silent, and never in their place`, () => {
    const { run, speaks } = room(levels, id === undefined ? {} : { id });
    const beside = run(8, true);
    ok(beside.talkers > 0.85 * (2 * 8 * 50) * 0.8, `talkers heard ${beside.talkers}`);
    run(2, false);
    const { one } = run(4, false);
    is(one, 200);
    is(speaks(), true);
  });
}

test('a level on every fourth packet alone stands for all of them: louder voices do not lose their places', () => {
  const random = prng(seed('sparse'));
  const voice = speech(random, 20);
  const { run, speaks } = room((frame) => (frame % 4 === 0 ? voice(frame) : null));
  const beside = run(8, true);
  ok(beside.one > 250, `the loudest is heard ${beside.one} of 400`);
  is(speaks(), true);
});

for (const constant of [0, 1, 30, 50, 100, 126]) {
  test(`always ${constant}, beside sound: heard and said to speak, also after the 15 s that make it noise`, () => {
    const { run, speaks } = room(() => constant);
    run(8, true);
    run(10, false);
    is(run(4, false).one, 200);
    is(speaks(), true);
  });
}

const BESIDE_SILENCE: readonly (readonly [string, Levels])[] = [
  ['always 0', () => 0],
  ['always 30', () => 30],
  ['30 and none by turns', (frame) => (frame % 2 === 0 ? 30 : null)],
  ['always 127', () => 127],
  ['no level', () => null],
];
for (const [name, levels] of BESIDE_SILENCE) {
  test(`${name}, beside frames of silence: talkers keep their places, and it is no speech`, () => {
    const { run, speaks } = room(levels, { bytes: 3 });
    run(3, false);
    is(speaks(), false);
    const { talkers } = run(8, true);
    ok(talkers > 0.85 * (2 * 8 * 50) * 0.8, `talkers heard ${talkers}`);
    run(3, false);
    is(speaks(), false);
  });
}

for (const [bytes, speech] of [
  [1, false],
  [2, false],
  [4, true],
] as const) {
  test(`packets of ${bytes} bytes without a level are ${speech ? 'speech' : 'discontinuous transmission'}`, () => {
    const { run, speaks } = room(() => null, { bytes });
    run(3, false);
    is(speaks(), speech);
  });
}

test('a microphone that was heard and is muted sends 127 at constant bit rate: it is no speaker', () => {
  const random = prng(seed('muted'));
  const voice = speech(random, 30);
  const { run, speaks } = room((frame) => (frame < 150 ? voice(frame) : 127), { bytes: 160 });
  run(8, true);
  run(30, false);
  is(speaks(), false);
});

test('frames of silence at 127, which is how browsers mute, are no speech', () => {
  const { run, speaks } = room(() => 127, { bytes: 3 });
  run(30, false);
  is(speaks(), false);
});

test.run();
