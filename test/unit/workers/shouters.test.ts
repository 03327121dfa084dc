/**
 * The right to take slots from people who talk: somebody shouts, mutes, and shouts again, beside as many voices as
 * there are slots. Whatever the room looks like, they must not flutter through the others' words.
 */
import { ok } from 'uvu/assert';
import { prng, seed } from '../../support/prng.ts';
import { scenarios } from '../../support/scenario.ts';
import { FRAMES_PER_SECOND, type Microphone, type Person, Room, speech, turns } from '../../support/talk.ts';

const test = scenarios('shouters');
const SECONDS = 60;
/** Frames of a shout, and of the silence behind it: 260 ms and 40 ms. */
const ON = 13;
const OFF = 2;
/** Ids of people whom {@link Room} does not know. */
const OTHER = 62;

/** What a room may look like besides its voices. */
interface Setting {
  readonly name: string;
  /** Somebody has so many slots more than the others. */
  readonly more?: number;
  /** The listener excludes somebody. */
  readonly excludes?: boolean;
  /** The listener has a slot more, and pins somebody who is silent to it. */
  readonly pins?: boolean;
  /** The listener does not publish. */
  readonly listensOnly?: boolean;
}

const SETTINGS: readonly Setting[] = [
  { name: 'the listener only listens', listensOnly: true },
  { name: 'everybody publishes' },
  { name: 'somebody has one slot more', more: 1 },
  { name: 'the listener excludes somebody', excludes: true },
  { name: 'the listener pins somebody who is silent', pins: true },
  { name: 'somebody has one slot more and the listener excludes somebody', more: 1, excludes: true },
];

/** How a shouter falls silent and comes back. */
type Way = (room: Room, id: number) => { readonly stop: () => void; readonly resume: () => void };

const mutes: Way = ({ bench }, id) => ({
  stop: () => bench.forwarder.mute(id, true),
  resume: () => bench.forwarder.mute(id, false),
});
const leaves: Way = ({ bench }, id) => ({
  stop: () => bench.forwarder.leave(id),
  resume: () => bench.rejoin(id, { slots: 0, levelExtension: 3 }),
});
const mutesOnTwoDevices: Way = ({ bench }, id) => {
  const device = id + 20;
  bench.join(device, { slots: 0, levelExtension: 3, user: id });
  bench.forwarder.leave(id);
  bench.rejoin(id, { slots: 0, levelExtension: 3, user: id });
  return mutes({ bench } as Room, id);
};

/** As loud as can be; and with syllables, so that it never becomes noise. */
const SHOUTS: readonly (readonly [string, Microphone])[] = [
  ['evenly', () => 0],
  ['with syllables', (frame) => (frame % 12 === 0 ? 70 : (frame * 7) % 6)],
];

function setUp(
  slots: number,
  { more = 0, excludes = false, pins = false, listensOnly = false }: Setting,
  level: number,
) {
  const random = prng(seed('shouters'));
  const room = new Room(slots);
  const { bench, listener } = room;
  if (listensOnly) bench.join(listener, { slots, publishes: false });
  if (pins) bench.rejoin(listener, { slots: slots + 1, levelExtension: 3 });
  if (more > 0) bench.join(OTHER, { slots: slots + more });
  const voices = Array.from({ length: slots }, (_, i) => room.add(speech(random, level + 3 * i)));
  if (excludes) {
    const { id } = room.add(() => 127);
    bench.forwarder.listen({ type: 'listen', connection: listener, deafened: false, pinned: [], excluded: [id] });
  }
  if (pins) {
    const { id } = room.add(() => 127);
    bench.forwarder.listen({ type: 'listen', connection: listener, deafened: false, pinned: [id], excluded: [] });
  }
  return { room, voices };
}

function addShouter(room: Room, microphone: Microphone, way: Way, first = 0): Person {
  let switches: ReturnType<Way> | null = null;
  const shouter = room.add((frame) => {
    switches ??= way(room, shouter.id);
    const at = (frame + first) % (ON + OFF);
    if (at === 0) switches.resume();
    if (at === ON) switches.stop();
    return at < ON ? microphone(frame) : 127;
  });
  return shouter;
}

function lostBy(voices: readonly Person[]): number {
  const sum = (key: 'said' | 'heard'): number => voices.reduce((all, voice) => all + voice[key], 0);
  return 1 - sum('heard') / sum('said');
}

/** Share of the time in which somebody was heard. */
function airtime({ heard }: Person): number {
  return heard / (SECONDS * FRAMES_PER_SECOND);
}

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;

for (const slots of [1, 3]) {
  for (const setting of SETTINGS) {
    test(`${slots} slots, ${setting.name}: who shouts and mutes by turns is heard a tenth of the time at most`, () => {
      const { room, voices } = setUp(slots, setting, 30);
      const shouter = addShouter(room, SHOUTS[0]![1], mutes);
      room.run(SECONDS);
      const figures = `heard ${percent(airtime(shouter))}, voices lost ${percent(lostBy(voices))}`;
      ok(airtime(shouter) <= 0.1, figures);
      ok(lostBy(voices) < 0.06, figures);
    });
  }
}

for (const [how, microphone] of SHOUTS) {
  for (const [name, way] of [
    ['mutes', mutes],
    ['leaves and joins again', leaves],
    ['mutes, with a second device', mutesOnTwoDevices],
  ] as const) {
    test(`who shouts ${how} and ${name} by turns costs voices little, however long`, () => {
      for (const slots of [1, 3]) {
        const { room, voices } = setUp(slots, SETTINGS[1]!, 30);
        const shouter = addShouter(room, microphone, way);
        room.run(10);
        room.reset();
        room.run(SECONDS);
        const lost = lostBy(voices);
        // What a shouter is heard beyond that falls into breaths, in which the place is free.
        ok(lost < (slots === 1 ? 0.12 : 0.06), `${slots}: heard ${percent(airtime(shouter))}, lost ${percent(lost)}`);
      }
    });
  }
}

test('three who shout together have one right each, and no more', () => {
  const { room, voices } = setUp(3, SETTINGS[1]!, 30);
  for (let i = 0; i < 3; i++) addShouter(room, SHOUTS[1]![1], mutes, i * 5);
  room.run(10);
  room.reset();
  room.run(SECONDS);
  ok(lostBy(voices) < 0.15, percent(lostBy(voices)));
});

test('one clearly louder passes a crowd of thirty at the cost of one of their rights, within half a second', () => {
  for (const more of [0, 1]) {
    const random = prng(seed('crowd'));
    const room = new Room(3);
    if (more > 0) room.bench.join(OTHER, { slots: 1 });
    for (let i = 0; i < 30; i++) room.add(speech(random, 36 + (i % 5)));
    const newcomer = room.add(turns((frame) => 12 + (frame % 8), 250, 100_000, 1));
    room.run(6);
    const wait = (newcomer.firstHeard - 250) / FRAMES_PER_SECOND;
    ok(newcomer.firstHeard >= 250 && wait <= 0.5, `${wait} s`);
  }
});

test.run();
