import { equal, is, not, ok } from 'uvu/assert';
import { IndexPool } from '../../../src/main/conversations/index-pool.ts';
import { connectionIndex, MAX_CONNECTION_INDEX, SOURCE_WORDS } from '../../../src/workers/protocol.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('index pool');

function pool(size: number): IndexPool {
  return new IndexPool(size, new Int32Array(size * SOURCE_WORDS));
}

test('every index is given out once, from 0, until none is left', () => {
  const indexes = pool(3);
  equal([indexes.size, indexes.free], [3, 3]);
  const taken = [indexes.take()!, indexes.take()!, indexes.take()!];
  equal(
    taken.map(({ index }) => index),
    [0, 1, 2],
  );
  for (const { id, index } of taken) is(connectionIndex(id), index);
  is(indexes.free, 0);
  is(indexes.take(), null);
  is(indexes.take(), null, 'asking in vain changes nothing');
  is(indexes.free, 0);
});

test('a pool that begins further on gives out indexes from there, and touches no others', () => {
  const sources = new Int32Array(5 * SOURCE_WORDS).fill(7);
  const indexes = new IndexPool(2, sources, 3);
  const taken = [indexes.take()!, indexes.take()!];
  equal(
    taken.map(({ index }) => index),
    [3, 4],
  );
  is(indexes.take(), null);
  equal([...sources.subarray(0, 3 * SOURCE_WORDS)], new Array(3 * SOURCE_WORDS).fill(7));
  equal([...sources.subarray(3 * SOURCE_WORDS)], new Array(2 * SOURCE_WORDS).fill(0));
  indexes.give(4);
  const { id, index } = indexes.take()!;
  is(index, 4);
  not.equal(id, taken[1]!.id);
});

test('an index that was returned comes with another id each time', () => {
  const indexes = pool(1);
  const ids = new Set<number>();
  for (let i = 0; i < 1000; i++) {
    const { id, index } = indexes.take()!;
    is(index, 0);
    ids.add(id);
    indexes.give(index);
    is(indexes.free, 1);
  }
  is(ids.size, 1000);
});

test('ids are never negative and keep their index, also when the generations begin anew', () => {
  const indexes = pool(MAX_CONNECTION_INDEX + 1);
  for (let i = 0; i < MAX_CONNECTION_INDEX; i++) indexes.take();
  let before = -1;
  for (let i = 0; i < 70_000; i++) {
    const { id, index } = indexes.take()!;
    is(index, MAX_CONNECTION_INDEX);
    ok(id >= 0);
    is(connectionIndex(id), index);
    not.equal(id, before);
    before = id;
    indexes.give(index);
  }
});

test('an index comes with an empty row of the source table, and the other rows stay as they are', () => {
  const sources = new Int32Array(3 * SOURCE_WORDS).fill(7);
  const indexes = new IndexPool(3, sources);
  indexes.take();
  const { index } = indexes.take()!;
  is(index, 1);
  equal([...sources.subarray(0, 2 * SOURCE_WORDS)], new Array(2 * SOURCE_WORDS).fill(0));
  equal([...sources.subarray(2 * SOURCE_WORDS)], new Array(SOURCE_WORDS).fill(7));
  sources.fill(7);
  indexes.give(index);
  equal([...sources], new Array(3 * SOURCE_WORDS).fill(7), 'its worker may have written until now');
  indexes.take();
  ok(sources.subarray(SOURCE_WORDS, 2 * SOURCE_WORDS).every((word) => word === 0));
  ok(sources.subarray(0, SOURCE_WORDS).every((word) => word === 7));
});

test.run();
