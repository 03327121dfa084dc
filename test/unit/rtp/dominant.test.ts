/** Who is dominant: the paper's rules on activities made by hand, and a conversation's reports. */
import { equal, is, ok } from 'uvu/assert';
import { Activity, DECISION_TICKS, lead } from '../../../src/rtp/dominant.ts';
import { prng, type Random, seed } from '../../support/prng.ts';
import { scenarios } from '../../support/scenario.ts';
import { Room, speech, turns } from '../../support/talk.ts';

const test = scenarios('dominant');
const FRAME = 960;
const LOUD = 100;

/** Activity of somebody whose last frames had these volumes, the newest last. */
function activity(volumes: readonly number[], now = volumes.length * FRAME): Activity {
  const one = new Activity();
  for (const [i, volume] of volumes.entries()) one.hear(volume, i * FRAME);
  one.rate(now);
  return one;
}

function talk(frames: number): number[] {
  return new Array(frames).fill(LOUD);
}

test('one who talks for a second is ahead of nobody, and of one who is silent', () => {
  ok(lead(activity(talk(50)), null) > 0);
  ok(lead(activity(talk(50)), activity(new Array(50).fill(0))) > 0);
});

test('a short sound is ahead of nobody: it is loud now, but was not for long enough', () => {
  for (const frames of [1, 2, 4]) is(lead(activity([...new Array(46).fill(0), ...talk(frames)]), null), 0);
});

test('one who just stopped is not passed by a short sound, nor by one who is as active', () => {
  const stopped = activity([...talk(40), ...new Array(10).fill(0)]);
  is(lead(activity([...new Array(46).fill(0), ...talk(4)]), stopped), 0);
  is(lead(activity(talk(50)), activity(talk(50))), 0);
});

test('packets that do not come are silence, however the clock stands', () => {
  const one = new Activity();
  for (let i = 0; i < 50; i++) one.hear(LOUD, (0x7fff_ffff + i * FRAME) | 0);
  const last = (0x7fff_ffff + 49 * FRAME) | 0;
  one.rate(last);
  ok(lead(one, null) > 0);
  one.rate((last + 60 * FRAME) | 0);
  is(lead(one, null), 0);
});

test('packets of 60 ms count as three frames', () => {
  const one = new Activity();
  for (let i = 0; i < 18; i++) one.hear(LOUD, i * 3 * FRAME);
  one.rate(17 * 3 * FRAME);
  equal(
    [one.immediate, one.medium, one.long],
    (({ immediate, medium, long }) => [immediate, medium, long])(activity(talk(51), 50 * FRAME)),
  );
});

/** Two who take turns of five seconds. @returns when each turn was noticed, seconds after it began. */
function dialogue(random: Random): number[] {
  const room = new Room(2);
  room.add(turns(speech(random, 30), 0, 250, 250));
  room.add(turns(speech(random, 50), 250, 250, 250));
  const reports: { number: number; second: number }[] = [];
  for (let step = 0; step < 400; step++) {
    room.run(0.1);
    for (const [, number] of room.bench.dominant.splice(0)) reports.push({ number, second: step / 10 });
  }
  equal(
    reports.map(({ number }) => number),
    [1, 2, 1, 2, 1, 2, 1, 2],
  );
  return reports.map(({ second }, turn) => second - turn * 5);
}

test('in a dialogue the dominant speaker is who has the turn, reported once a turn and mostly within a second', () => {
  const random = prng(seed('dialogue'));
  const delays = Array.from({ length: 10 }, () => dialogue(random)).flat();
  for (const delay of delays) ok(delay >= 0 && delay < 5, `noticed after ${delay} s`);
  const mean = delays.reduce((sum, delay) => sum + delay, 0) / delays.length;
  ok(mean < 0.8, `noticed after ${mean} s on average`);
  // A decision falls every 300 ms, and counts if a word is under way: of 3,000 turns one takes more than two seconds.
  const late = delays.filter((delay) => delay > 2);
  ok(late.length <= 2, `noticed after ${late} s`);
});

test('when the dominant speaker leaves or is muted, nobody is dominant', () => {
  const random = prng(seed('dominant leaves'));
  const room = new Room(2);
  const one = room.add(speech(random, 30));
  room.run(3);
  equal(room.bench.dominant, [[1, one.id]]);
  room.bench.forwarder.mute(one.id, true);
  equal(room.bench.dominant.at(-1), [1, 0]);
  room.bench.forwarder.mute(one.id, false);
  room.run(3);
  equal(room.bench.dominant.at(-1), [1, one.id]);
  room.bench.forwarder.leave(one.id);
  equal(room.bench.dominant.at(-1), [1, 0]);
  is(DECISION_TICKS, 14_400);
});

test('a challenger must be ahead in all three lengths of time, by more than the margins', () => {
  const scores = (immediate: number, medium: number, long: number): Activity =>
    Object.assign(new Activity(), { immediate, medium, long });
  const dominant = scores(1, 1, 1);
  is(lead(scores(4.1, 3.1, 1.1), dominant), 3.1 - 1);
  for (const challenger of [scores(4, 3.1, 1.1), scores(4.1, 3, 1.1), scores(4.1, 3.1, 1)]) {
    is(lead(challenger, dominant), 0);
  }
});

test.run();
