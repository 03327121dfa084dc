/** How many connections are handed to the library's threads, and when. */
import { equal, is } from 'uvu/assert';
import { type Offloadable, offloadNext } from '../../../src/main/media/offload.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('offload choice');

class FakePeer implements Offloadable {
  offloaded = false;
  offload(): void {
    this.offloaded = true;
  }
}
const peers = (count: number): FakePeer[] => Array.from({ length: count }, () => new FakePeer());
const handedOver = (all: readonly Offloadable[]): number => all.filter(({ offloaded }) => offloaded).length;

const LIMITS = { threshold: 0.85, idleCores: 0.5 };
const full = { main: 1, idleCores: 4 };

test('below the threshold no connection is handed over, above it a quarter of the rest at a time', () => {
  const all = peers(16);
  is(offloadNext(all, { main: 0.84, idleCores: 4 }, LIMITS), 0);
  equal([offloadNext(all, { main: 0.85, idleCores: 0.5 }, LIMITS), handedOver(all)], [4, 4]);
  equal([offloadNext(all, full, LIMITS), handedOver(all)], [3, 7]);
  is(offloadNext(all, { main: 0.2, idleCores: 4 }, LIMITS), 0);
  for (let i = 0; i < 20; i++) offloadNext(all, full, LIMITS);
  is(handedOver(all), 16);
  is(offloadNext(all, full, LIMITS), 0);
});

test('where no core is idle no connection is handed over, for it would take CPU from the main thread', () => {
  is(offloadNext(peers(16), { main: 1, idleCores: 0.49 }, LIMITS), 0);
});

test('a threshold of 0 hands over all at once, one of 1 none', () => {
  const all = peers(10);
  is(offloadNext(all, full, { threshold: 1, idleCores: 0 }), 0);
  is(offloadNext(all, { main: 0, idleCores: 0 }, { threshold: 0, idleCores: 0.5 }), 10);
});

test.run();
