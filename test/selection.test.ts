import { equal, is } from 'uvu/assert';
import { type Candidate, HANG_OVER, Selection } from '../src/workers/selection.ts';
import { scenarios } from './support/scenario.ts';

const test = scenarios('selection');
const SOUND = true;
const COMFORT_NOISE = false;

class Named implements Candidate {
  ranked = false;
  speaking = false;
  lastSound = 0;
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

function setUp(): { selection: Selection<Named>; ann: Named; bob: Named; cid: Named; order(): string } {
  const selection = new Selection<Named>();
  const order = (): string => selection.order.map(({ name }) => name).join(' ');
  return { selection, ann: new Named('ann'), bob: new Named('bob'), cid: new Named('cid'), order };
}

test('whoever speaks first stands first', () => {
  const { selection, ann, bob, order } = setUp();
  is(selection.heard(bob, SOUND, 0), true);
  is(selection.heard(ann, SOUND, 1), true);
  is(selection.heard(bob, SOUND, 2), false);
  is(order(), 'bob ann');
});

test('who speaks stands before who only sends comfort noise', () => {
  const { selection, ann, bob, order } = setUp();
  selection.heard(ann, COMFORT_NOISE, 0);
  selection.heard(bob, SOUND, 1);
  is(order(), 'bob ann');
  is(selection.heard(ann, SOUND, 2), true);
  is(order(), 'bob ann');
});

test('a speaker keeps the place between words and loses it after the hang-over, to come in last again', () => {
  const { selection, ann, bob, order } = setUp();
  selection.heard(ann, SOUND, 0);
  selection.heard(bob, SOUND, HANG_OVER);
  is(selection.expire(HANG_OVER), false);
  is(selection.expire(HANG_OVER + 1), true);
  is(order(), 'bob ann');
  is(selection.heard(ann, COMFORT_NOISE, HANG_OVER + 2), false);
  selection.heard(ann, SOUND, HANG_OVER + 3);
  is(order(), 'bob ann');
  equal([ann.speaking, bob.speaking], [true, true]);
});

test('who fell quiet last stands first among the quiet', () => {
  const { selection, ann, bob, cid, order } = setUp();
  selection.heard(ann, SOUND, 0);
  selection.heard(bob, SOUND, 10);
  selection.heard(cid, SOUND, 20);
  selection.expire(HANG_OVER + 5);
  is(order(), 'bob cid ann');
  selection.expire(HANG_OVER + 15);
  is(order(), 'cid bob ann');
});

test('the clock may wrap', () => {
  const { selection, ann } = setUp();
  selection.heard(ann, SOUND, 0x7fff_ffff);
  is(selection.expire((0x7fff_ffff + HANG_OVER) | 0), false);
  is(selection.expire((0x7fff_ffff + HANG_OVER + 1) | 0), true);
});

test('a source that is taken out is gone, and may come back', () => {
  const { selection, ann, bob, order } = setUp();
  is(selection.remove(ann), false);
  selection.heard(ann, SOUND, 0);
  selection.heard(bob, SOUND, 0);
  is(selection.remove(ann), true);
  is(order(), 'bob');
  selection.heard(ann, SOUND, 5);
  is(order(), 'bob ann');
});

test.run();
