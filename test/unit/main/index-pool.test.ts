import { equal, is, not, ok } from 'uvu/assert';
import { IndexPool } from '../../../src/main/conversations/index-pool.ts';
import { connectionIndex, MAX_CONNECTION_INDEX } from '../../../src/workers/protocol.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('index pool');

test('every index is given out once, from 0, until none is left', () => {
  const pool = new IndexPool(3);
  equal([pool.size, pool.free], [3, 3]);
  const taken = [pool.take()!, pool.take()!, pool.take()!];
  equal(
    taken.map(({ index }) => index),
    [0, 1, 2],
  );
  for (const { id, index } of taken) is(connectionIndex(id), index);
  is(pool.free, 0);
  is(pool.take(), null);
  is(pool.take(), null, 'asking in vain changes nothing');
  is(pool.free, 0);
});

test('an index that was returned comes with another id each time', () => {
  const pool = new IndexPool(1);
  const ids = new Set<number>();
  for (let i = 0; i < 1000; i++) {
    const { id, index } = pool.take()!;
    is(index, 0);
    ids.add(id);
    pool.give(index);
    is(pool.free, 1);
  }
  is(ids.size, 1000);
});

test('ids are never negative and keep their index, also when the generations begin anew', () => {
  const pool = new IndexPool(MAX_CONNECTION_INDEX + 1);
  for (let i = 0; i < MAX_CONNECTION_INDEX; i++) pool.take();
  let before = -1;
  for (let i = 0; i < 70_000; i++) {
    const { id, index } = pool.take()!;
    is(index, MAX_CONNECTION_INDEX);
    ok(id >= 0);
    is(connectionIndex(id), index);
    not.equal(id, before);
    before = id;
    pool.give(index);
  }
});

test.run();
