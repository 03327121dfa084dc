/** Who is heard: synthetic conversations of minutes, through a real forwarder, in no time. */
import { is, ok } from 'uvu/assert';
import { prng, seed } from '../../support/prng.ts';
import { scenarios } from '../../support/scenario.ts';
import { claps, FRAMES_PER_SECOND, type Microphone, Room, speech, turns } from '../../support/talk.ts';

const test = scenarios('ranking');

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

test('as many speakers as slots: nobody is ever cut, however much louder the others are', () => {
  const random = prng(seed('few speakers'));
  const room = new Room(3);
  const people = [15, 35, 52].map((level) => room.add(speech(random, level)));
  room.add(() => 127);
  room.run(60);
  for (const { share } of people) is(share, 1);
});

test('as many speakers as slots, and somebody who makes noises: next to nothing of what is said is lost', () => {
  const random = prng(seed('noises'));
  for (const level of [20, 35, 50]) {
    const room = new Room(3);
    const people = [30, 35, 40].map((voice) => room.add(speech(random, voice)));
    room.add(claps(random, level));
    room.run(120);
    for (const [i, { share }] of people.entries())
      ok(share > 0.97, `voice ${i} beside claps of -${level}: ${percent(share)}`);
  }
});

test('more speakers than slots: the loudest are heard', () => {
  const random = prng(seed('loudest'));
  const room = new Room(3);
  const levels = [54, 20, 46, 37, 28, 58];
  const people = levels.map((level) => room.add(speech(random, level)));
  room.run(3);
  room.reset();
  room.run(60);
  const shares = new Map(levels.map((level, i) => [level, people[i]!.share]));
  for (const level of [20, 28, 37]) ok(shares.get(level)! > 0.8, `-${level}: ${percent(shares.get(level)!)}`);
  for (const level of [54, 58]) ok(shares.get(level)! < 0.35, `-${level}: ${percent(shares.get(level)!)}`);
});

test('a newcomer is heard from the first packet while a slot is free or its holder has been quiet for a second', () => {
  const random = prng(seed('newcomer'));
  const room = new Room(3);
  for (const level of [30, 35]) room.add(speech(random, level));
  const quiet = room.add(turns(speech(random, 30), 0, 100, 100_000));
  const newcomer = room.add(turns(speech(random, 40), 200, 100_000, 1));
  room.run(20);
  is(newcomer.share, 1);
  ok(quiet.share === 1);
});

test('a newcomer beside as many voices as slots is heard as soon as one of them breathes', () => {
  const random = prng(seed('crowded newcomer'));
  const waits: number[] = [];
  for (let i = 0; i < 60; i++) {
    const room = new Room(3);
    for (const level of [32, 32, 32]) room.add(speech(random, level));
    const newcomer = room.add(turns(speech(random, 32), 250, 100_000, 1));
    room.run(12);
    waits.push((newcomer.firstHeard - 250) / FRAMES_PER_SECOND);
  }
  waits.sort((a, b) => a - b);
  ok(waits[0]! >= 0 && waits[30]! < 1.5 && waits[59]! < 6, `median ${waits[30]} s, longest ${waits[59]} s`);
});

test('a clearly louder newcomer is heard within half a second', () => {
  const random = prng(seed('loud newcomer'));
  const room = new Room(3);
  for (const level of [40, 40, 40]) room.add(speech(random, level));
  const newcomer = room.add(turns(speech(random, 15), 250, 100_000, 1));
  room.run(6);
  const wait = (newcomer.firstHeard - 250) / FRAMES_PER_SECOND;
  ok(newcomer.firstHeard >= 250 && wait <= 0.5, `${wait} s`);
});

/** Seconds until they are seen through; the most they may be heard then, and the least of each real voice. */
const LIARS: readonly (readonly [string, number, (random: () => number) => Microphone, number, number])[] = [
  ['claims to be as loud as can be, for ever', 16, () => () => 0, 0.01, 0.99],
  ['claims any level at random', 3, (random) => () => random() & 127, 0.22, 0.94],
  ['claims no level at all', 3, () => () => null, 0.15, 0.98],
];
for (const [name, after, microphone, most, least] of LIARS) {
  test(`who ${name} does not hold a slot against real speech`, () => {
    const random = prng(seed('liar'));
    const room = new Room(3);
    const liar = room.add(microphone(random));
    const people = [30, 33, 36].map((level) => room.add(speech(random, level)));
    room.run(after);
    room.reset();
    room.run(60);
    const shares = people.map(({ share }) => share);
    const figures = `real voices: ${shares.map(percent).join(', ')}; the liar: ${percent(liar.share)}`;
    ok(Math.min(...shares) > least && liar.share < most, figures);
  });
}

test('five hundred people, fifty of whom talk at random: nobody gets more than three voices, and they are voices', () => {
  const random = prng(seed('five hundred'));
  const [people, slots, seconds] = [500, 3, 5];
  const room = new Room(slots, 512);
  for (let i = 0; i < people; i++) {
    const talk = speech(random, 25 + (random() % 25));
    const [first, on, off] = [random() % 100, 25 + (random() % 125), 25 + (random() % 125)];
    room.add(i % 10 === 0 ? turns(talk, first, on, off) : () => 127, slots);
  }
  room.run(seconds);
  // Turns are as short as half a second here, and a slot waits 0.3 s for a voice that stopped: a quarter stays empty.
  const most = slots * seconds * FRAMES_PER_SECOND;
  ok(room.toListener <= most && room.toListener > 0.5 * most, `${room.toListener} of ${most} packets to one listener`);
  const mostOfAll = most * (people + 1);
  ok(room.toAll <= mostOfAll && room.toAll > 0.5 * mostOfAll, `${room.toAll} of ${mostOfAll} packets to all`);
}, 60);

test.run();
