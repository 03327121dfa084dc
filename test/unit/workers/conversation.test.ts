/** What a conversation keeps of those who are in it, and of those who left. */
import { equal, is } from 'uvu/assert';
import { OPUS_CLOCK_RATE, OPUS_FRAME_TICKS } from '../../../src/rtp/packet.ts';
import { SLOT_WORDS } from '../../../src/rtp/rewriter.ts';
import { Conversation } from '../../../src/workers/conversation.ts';
import { Fades } from '../../../src/workers/fades.ts';
import { SOURCE_WORDS, SourceWord, Wakes } from '../../../src/workers/protocol.ts';
import type { Selection } from '../../../src/workers/selection.ts';
import type { Source } from '../../../src/workers/source.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('conversation');
const CONNECTIONS = 16;
const SLOTS = 4;
const PUBLICATION = { payloadType: 111, redPayloadType: 0, levelExtension: 1, ssrcs: [] };
const LOUD = 10;

function setUp() {
  const slots = new Int32Array(CONNECTIONS * SLOTS * SLOT_WORDS);
  const sources = new Int32Array(CONNECTIONS * SOURCE_WORDS);
  const dominant: number[] = [];
  const conversation = new Conversation({
    slots,
    sources,
    fades: new Fades(() => true),
    dominant: (speaker) => dominant.push(speaker),
  });
  const join = (connection: number, { user = connection, slotCount = 1, publishes = false } = {}): Source | null => {
    const rows = Array.from({ length: slotCount }, (_, i) => (connection * SLOTS + i) * SLOT_WORDS);
    const publication = publishes ? PUBLICATION : null;
    return conversation.join(
      { connection, user, number: connection, publication, muted: false, deafened: false, rows },
      0,
    );
  };
  const selection = (): Selection<Source> => Reflect.get(conversation, 'selection');
  const speaking = (connection: number): number => sources[connection * SOURCE_WORDS + SourceWord.Speaking]!;
  const rank = (connection: number): number => sources[connection * SOURCE_WORDS + SourceWord.Rank]!;
  const wakes = (connection: number): number => sources[connection * SOURCE_WORDS + SourceWord.Wakes]!;
  /** Talks for so many packets. @returns the clock behind them. */
  const talk = (source: Source, packets: number, from = 0): number => {
    for (let i = 0; i < packets; i++) conversation.heard(source, LOUD, false, from + i * OPUS_FRAME_TICKS);
    return from + packets * OPUS_FRAME_TICKS;
  };
  return { conversation, join, selection, speaking, rank, wakes, talk, dominant };
}

test('the places that matter follow whoever joins, leaves, publishes, excludes and pins', () => {
  const { conversation, join, selection } = setUp();
  const places = (): number[] => [selection().shallowest, selection().depth];
  join(1, { slotCount: 2 });
  equal(places(), [2, 2]);
  join(2, { slotCount: 3, publishes: true });
  equal(places(), [2, 4], 'a publisher does not hear itself');
  join(3, { user: 1, publishes: true, slotCount: 0 });
  equal(places(), [2, 4], 'nor does another connection of its user');
  join(4, { user: 2, publishes: true, slotCount: 0 });
  equal(places(), [2, 5]);
  conversation.listen(1, { deafened: false, pinned: [2], excluded: [] }, 0);
  equal(places(), [1, 5]);
  conversation.listen(1, { deafened: false, pinned: [], excluded: [2, 3, 4] }, 0);
  equal(places(), [2, 6]);
  conversation.listen(1, { deafened: false, pinned: [], excluded: [] }, 0);
  conversation.leave(4, 0);
  equal(places(), [2, 4]);
  conversation.leave(2, 0);
  equal(places(), [2, 3]);
  conversation.leave(3, 0);
  equal(places(), [2, 2]);
});

test('a user who left is forgotten when their right to take slots is whole, and not before', () => {
  const { conversation, join } = setUp();
  const users = (): number => Reflect.get(Reflect.get(conversation, 'users'), 'users').size;
  const source = join(1, { publishes: true })!;
  join(2);
  source.captures.take(0);
  conversation.leave(1, 0);
  conversation.tick(OPUS_CLOCK_RATE - 1);
  is(users(), 2);
  conversation.tick(OPUS_CLOCK_RATE);
  is(users(), 1);
});

test('a user who comes back before that has as much of the right as when they left', () => {
  const { conversation, join } = setUp();
  const before = join(1, { publishes: true })!;
  before.captures.take(0);
  conversation.leave(1, 0);
  const after = join(1, { publishes: true })!;
  is(after.captures, before.captures);
  conversation.tick(100 * OPUS_CLOCK_RATE);
  is(join(3, { user: 1, publishes: true })!.captures, before.captures, 'nobody who is there is forgotten');
});

test('a click is not announced as speech, and a word is', () => {
  const { join, speaking, talk } = setUp();
  const source = join(1, { publishes: true })!;
  talk(source, 2);
  is(speaking(1), 0);
  talk(source, 10, 2 * OPUS_FRAME_TICKS);
  is(speaking(1), 1);
});

test('a speaker who is muted or leaves is not announced any longer', () => {
  const { conversation, join, speaking, talk } = setUp();
  const source = join(1, { publishes: true })!;
  const clock = talk(source, 20);
  is(speaking(1), 1);
  conversation.mute(1, true, clock);
  is(speaking(1), 0);
  conversation.mute(1, false, clock);
  const later = talk(source, 20, clock);
  is(speaking(1), 1);
  conversation.leave(1, later);
  is(speaking(1), 0);
});

test('a speaker who falls quiet is announced until the hang-over has passed', () => {
  const { conversation, join, speaking, talk } = setUp();
  const clock = talk(join(1, { publishes: true })!, 20);
  conversation.tick(clock + OPUS_CLOCK_RATE / 2);
  is(speaking(1), 1);
  conversation.tick(clock + OPUS_CLOCK_RATE);
  is(speaking(1), 0);
});

test('of several speakers who are ahead, the one furthest ahead becomes dominant', () => {
  const { conversation, join, dominant } = setUp();
  const [ann, bob] = [join(1, { publishes: true })!, join(2, { publishes: true })!];
  for (let i = 0; i < 60; i++) {
    const clock = i * OPUS_FRAME_TICKS;
    conversation.heard(ann, LOUD, false, clock);
    // Bob's last but one packet is silent, so that Ann is further ahead of nobody than he is.
    conversation.heard(bob, i === 58 ? 127 : LOUD, false, clock);
  }
  conversation.tick(59 * OPUS_FRAME_TICKS);
  equal(dominant, [1]);
});

test('each tick writes the places in the order, from 1, and whoever has none has 0', () => {
  const { conversation, join, rank, talk } = setUp();
  const ranks = (): number[] => [1, 2, 3, 4].map(rank);
  const [ann, bob] = [1, 2, 3].map((connection) => join(connection, { publishes: true })!) as [Source, Source];
  join(4);
  talk(bob, 20);
  const clock = talk(ann, 10);
  equal(ranks(), [0, 0, 0, 0], 'not before the tick');
  conversation.tick(clock);
  equal(ranks(), [2, 1, 0, 0]);
  conversation.tick(clock + 2 * OPUS_CLOCK_RATE);
  talk(ann, 1, clock + 2 * OPUS_CLOCK_RATE);
  conversation.tick(clock + 2 * OPUS_CLOCK_RATE);
  equal(ranks(), [1, 2, 0, 0], 'whoever fell quiet is behind whoever speaks');
});

test('the place of a speaker who is muted or leaves is cleared at once', () => {
  const { conversation, join, rank, talk } = setUp();
  const [ann, bob] = [1, 2].map((connection) => join(connection, { publishes: true })!) as [Source, Source];
  talk(ann, 10);
  const clock = talk(bob, 10);
  conversation.tick(clock);
  equal([rank(1), rank(2)], [1, 2]);
  conversation.mute(1, true, clock);
  equal([rank(1), rank(2)], [0, 2]);
  conversation.leave(2, clock);
  equal([rank(1), rank(2)], [0, 0]);
});

test('a source whose user alone listens wakes nobody, until somebody else listens', () => {
  const { conversation, join, wakes, talk } = setUp();
  const ann = join(1, { publishes: true })!;
  join(2, { user: 1 });
  join(3, { slotCount: 0 });
  is(wakes(1), Wakes.All, 'before the first tick');
  const clock = talk(ann, 10);
  conversation.tick(clock);
  is(wakes(1), Wakes.None);
  join(4);
  conversation.tick(clock);
  is(wakes(1), Wakes.All);
  conversation.leave(4, clock);
  conversation.tick(clock);
  is(wakes(1), Wakes.None);
});

test('a source that no slot carries wakes for sound while it is quiet, and for nothing while it talks', () => {
  const { conversation, join, wakes, talk } = setUp();
  const [ann, bob] = [1, 2].map((connection) => join(connection, { publishes: true, slotCount: 0 })!);
  join(3);
  talk(ann!, 30);
  const clock = talk(bob!, 10);
  conversation.tick(clock);
  equal([wakes(1), wakes(2)], [Wakes.All, Wakes.None], 'both talk, and one slot is there');
  conversation.tick(clock + 2 * OPUS_CLOCK_RATE);
  equal([wakes(1), wakes(2)].sort(), [Wakes.All, Wakes.Sound], 'both are quiet');
});

test('a source that wins a slot wakes the worker from that packet on, and one that is muted never', () => {
  const { conversation, join, wakes, talk } = setUp();
  const [ann, bob] = [1, 2].map((connection) => join(connection, { publishes: true, slotCount: 0 })!);
  join(3);
  const clock = talk(ann!, 30);
  conversation.heard(bob!, 127, true, clock);
  conversation.tick(clock + 2 * OPUS_CLOCK_RATE);
  is(wakes(2), Wakes.Sound);
  talk(bob!, 1, clock + 2 * OPUS_CLOCK_RATE);
  is(wakes(2), Wakes.All);
  conversation.mute(2, true, clock + 2 * OPUS_CLOCK_RATE);
  is(wakes(2), Wakes.None);
  conversation.mute(2, false, clock + 2 * OPUS_CLOCK_RATE);
  is(wakes(2), Wakes.All);
});

test.run();
