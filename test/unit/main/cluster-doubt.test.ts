/** When an instance doubts what it knows of another one in a conversation. */
import { equal, is, ok } from 'uvu/assert';
import type { State } from '../../../src/main/cluster/messages/presence.ts';
import { CollectedState } from '../../../src/main/cluster/presence/collected-state.ts';
import { Digest, type DigestedParticipant } from '../../../src/main/cluster/presence/digest.ts';
import { Doubt } from '../../../src/main/cluster/presence/doubt.ts';
import { NO_WISHES } from '../../../src/main/cluster/presence/wishes.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('cluster doubt');

test('what is known is doubted once nothing but older messages has come for two seconds', () => {
  const doubt = new Doubt();
  equal([doubt.older(1000), doubt.older(2999), doubt.older(3000)], [false, false, true]);
  equal([doubt.older(3001), doubt.older(5000)], [false, false], 'it begins anew');
  doubt.newer();
  is(doubt.older(5001), false);
});

test('who disagrees again is asked after twice the time, five minutes at most, until they agree', () => {
  const doubt = new Doubt();
  const asked: number[] = [];
  for (let now = 0; now < 2_000_000; now += 1000) if (doubt.disagrees(now)) asked.push(now);
  equal(asked.slice(0, 4), [0, 2000, 6000, 14_000]);
  is(asked.at(-1)! - asked.at(-2)!, 300_000);
  doubt.agrees();
  equal(
    [2_000_000, 2_001_000, 2_002_000].map((now) => doubt.disagrees(now)),
    [true, false, true],
  );
});

test('parts of a state are put together; old ones are dropped, unless the newer state never becomes whole', () => {
  let room = 10;
  const people = {
    reserve: (count: number) => {
      if (count <= room) room -= count;
      else return false;
      return true;
    },
    release: (count: number) => {
      room += count;
    },
  };
  const collected = new CollectedState(people);
  const participant = { s: 1, u: 'u', c: 'c', p: null, m: false, t: false };
  const part = (seq: number, number: number, parts = 2, size = 2): State => {
    const head = { conversation: 'kitchen', from: 'aaaaaaaaaaaa', seq, part: number, parts };
    return { ...head, participants: new Array(size).fill(participant), wants: 0, dominant: null, pinned: [] };
  };
  is(collected.add(part(7, 0), 0), null);
  is(collected.add(part(7, 0), 0), null, 'twice');
  is(room, 8);
  is(collected.add(part(6, 0), 10), null);
  equal(
    collected.add(part(7, 1), 20)?.map(({ part: number }) => number),
    [0, 1],
  );
  is(room, 10);
  collected.add(part(9, 0), 100);
  is(collected.add(part(8, 0), 2100), null);
  is(collected.add(part(8, 1), 2100), null, 'the newer one may still come');
  is(collected.add(part(8, 0), 2101), null);
  ok(collected.add(part(8, 1), 2101), 'it never came');
  is(collected.add(part(10, 0, 3, 6), 3000), null);
  is(collected.add(part(10, 1, 3, 6), 3000), null, 'no room');
  is(room, 10);
  collected.add(part(11, 0), 3000);
  collected.clear();
  is(room, 10);
});

test('a digest depends on everything that is told of participants, and not on their order', () => {
  const ann: DigestedParticipant = {
    ...{ source: 1, userid: 'ann', clientid: 'phone', muted: false, speaking: false },
    publication: { payloadType: 111, redPayloadType: 63, levelExtension: 1 },
  };
  const bob: DigestedParticipant = { ...ann, source: 2, userid: 'bob', publication: null };
  const of = (all: readonly DigestedParticipant[], wishes = NO_WISHES): number => {
    const digest = new Digest(wishes);
    for (const one of all) digest.add(one);
    return digest.value;
  };
  is(of([ann, bob]), of([bob, ann]));
  const others = [
    of([ann]),
    of([ann, { ...bob, muted: true }]),
    of([ann, { ...bob, speaking: true }]),
    of([ann, { ...bob, source: 3 }]),
    of([ann, { ...bob, userid: 'bot' }]),
    of([ann, { ...bob, clientid: 'tab' }]),
    of([{ ...ann, publication: { ...ann.publication!, levelExtension: 2 } }, bob]),
    of([ann, bob], { ...NO_WISHES, wants: 1 }),
    of([ann, bob], { ...NO_WISHES, dominant: ['aaaaaaaaaaaa', 1] }),
    of([ann, bob], { ...NO_WISHES, pinned: [['aaaaaaaaaaaa', 1]] }),
  ];
  is(new Set([of([ann, bob]), ...others]).size, others.length + 1);
  ok(others.every((value) => Number.isInteger(value) && value >= 0 && value < 2 ** 32));
});

test('a digest is the same in all versions', () => {
  const digest = new Digest({ wants: 3, dominant: ['aaaaaaaaaaaa', 1], pinned: [] });
  const publication = { payloadType: 111, redPayloadType: 63, levelExtension: 1 };
  digest.add({ source: 1, userid: 'änn', clientid: 'phone', publication, muted: true, speaking: false });
  is(digest.value, 1_700_548_851);
});

test.run();
