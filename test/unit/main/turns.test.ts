/** Work in turns of an event loop that the test makes up. */
import { equal, is } from 'uvu/assert';
import { Turns } from '../../../src/main/limits/turns.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('turns');

function setUp(limit = 100) {
  let now = 0;
  let turn = 1;
  let later: (() => void)[] = [];
  const done: string[] = [];
  const turns = new Turns(
    limit,
    (body) => later.push(body),
    () => now,
  );
  /** Adds a piece that takes so long. */
  const add = (name: string, milliseconds: number): void =>
    turns.take(() => {
      done.push(`${turn}${name}`);
      now += milliseconds;
    });
  /** Ends the event loop's turn, with which the next one begins. @returns whether anything was left for it. */
  const next = (): boolean => {
    turn++;
    const bodies = later;
    later = [];
    for (const body of bodies) body();
    return bodies.length > 0;
  };
  return { turns, add, done, next };
}

test('what comes is done at once, up to some milliseconds of work in a turn, and the rest in the next ones', () => {
  const { turns, add, done, next } = setUp();
  for (const name of 'abcdefg') add(name, 0.4);
  equal(done, ['1a', '1b', '1c']);
  is(turns.length, 4);
  next();
  equal(done.slice(3), ['2d', '2e', '2f']);
  next();
  equal(done.slice(6), ['3g']);
  is(turns.length, 0);
});

test('what comes later is done after what waits, and in a turn with others it has to wait for the next', () => {
  const { add, done, next } = setUp();
  for (const name of 'abc') add(name, 1);
  next();
  add('d', 0.5);
  equal(done, ['1a', '2b']);
  next();
  next();
  equal(done, ['1a', '2b', '3c', '4d']);
  add('e', 0.5);
  equal(done.at(-1), '4e', 'half of the turn is left');
  add('f', 1);
  equal(done.at(-1), '4e');
});

test('an event loop without work has no turns to take', () => {
  const { add, next } = setUp();
  add('a', 1);
  is(next(), true);
  is(next(), false);
});

test('beyond the limit nothing is kept, and all is done at once', () => {
  const { turns, add, done } = setUp(2);
  for (const name of 'abcde') add(name, 5);
  equal(done, ['1a', '1d', '1e']);
  is(turns.length, 2);
});

test.run();
