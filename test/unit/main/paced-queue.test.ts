/** Work by turns, on a thread whose time the test makes up. */
import { equal, is, ok } from 'uvu/assert';
import { type LoopTime, type Pace, PacedQueue } from '../../../src/main/limits/paced-queue.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('paced queue');
const PACE: Pace = { limit: 5, idle: 2, rest: 10, expected: 20 };

/** A thread that does nothing but what the test says; a timer comes as soon as its time has come. */
class Thread implements LoopTime {
  /** The share of the time between turns in which something else is to be done, 0 … 1. */
  load = 0;
  private time = 0;
  private waited = 0;
  private timers: { at: number; act: () => void }[] = [];

  now = (): number => this.time;
  idle = (): number => this.waited;

  after = (delay: number, act: () => void): (() => void) => {
    const timer = { at: this.time + delay, act };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((one) => one !== timer);
    };
  };

  /** Works on the piece in hand. */
  works(milliseconds: number): void {
    this.time += milliseconds;
  }

  /** Lets time pass. */
  passes(milliseconds: number): void {
    const end = this.time + milliseconds;
    while (this.time < end) {
      const next = this.timers.reduce((least, { at }) => Math.min(least, Math.max(at, this.time)), end);
      this.waited += (next - this.time) * (1 - this.load);
      this.time = next;
      for (const timer of this.timers.filter(({ at }) => at <= this.time)) {
        this.timers = this.timers.filter((one) => one !== timer);
        timer.act();
      }
    }
  }
}

function setUp(pace: Partial<Pace> = {}) {
  const thread = new Thread();
  const waits: number[] = [];
  const queue = new PacedQueue<string>({ ...PACE, ...pace }, (milliseconds) => waits.push(milliseconds), thread);
  const done: string[] = [];
  /** Adds a piece that takes so long. */
  const add = (name: string, milliseconds: number): boolean =>
    queue.add(name, () => {
      done.push(`${name} at ${thread.now()}`);
      thread.works(milliseconds);
    });
  return { thread, queue, done, add, waits };
}

test('what finds the queue empty and rested is done at once', () => {
  const { thread, done, add, waits } = setUp();
  add('a', 3);
  equal(done, ['a at 0']);
  thread.passes(100);
  add('b', 3);
  equal(done, ['a at 0', 'b at 103']);
  equal(waits, [0, 0]);
});

test('on a thread that has nothing else to do, work rests for the multiple of what it took', () => {
  const { thread, done, add, waits, queue } = setUp();
  add('a', 3);
  add('b', 4);
  add('c', 1);
  is(queue.length, 2);
  thread.passes(100);
  equal(done, ['a at 0', 'b at 9', 'c at 21']);
  equal(waits, [0, 6, 18]);
  is(queue.length, 0);
});

test('on a thread that is half busy with other things, work rests for twice as long', () => {
  const { thread, done, add } = setUp();
  thread.load = 0.5;
  add('a', 4);
  add('b', 4);
  thread.passes(15);
  equal(done, ['a at 0']);
  thread.passes(3);
  equal(done.length, 2);
});

test('on a thread that is never idle, work goes on with a small share', () => {
  const { thread, done, add } = setUp();
  thread.load = 1;
  add('a', 4);
  add('b', 4);
  thread.passes(39);
  equal(done, ['a at 0']);
  thread.passes(2);
  equal(done, ['a at 0', 'b at 44']);
});

test('a turn that took long because the machine stood still does not stop the work for long', () => {
  const { thread, done, add } = setUp();
  add('a', 60_000);
  add('b', 1);
  thread.passes(251);
  equal(done, ['a at 0', 'b at 60250']);
});

test('small pieces are done together, and a large one alone', () => {
  const { thread, done, add } = setUp();
  add('a', 2);
  for (const name of ['b', 'c', 'd', 'e']) add(name, 0.5);
  thread.passes(4);
  equal(done, ['a at 0', 'b at 6', 'c at 6.5']);
  thread.passes(3);
  equal(done.slice(3), ['d at 9', 'e at 9.5']);
});

test('no more pieces wait than the limit allows, and one that is dropped makes room and is never done', () => {
  const { thread, queue, done, add } = setUp({ limit: 2 });
  ok(add('a', 1));
  ok(add('b', 1));
  ok(add('c', 1));
  is(add('d', 1), false);
  is(queue.drop('b'), true);
  is(queue.drop('b'), false);
  ok(add('e', 1));
  thread.passes(100);
  equal(done, ['a at 0', 'c at 3', 'e at 6']);
});

test('a piece that is added while another is being done waits for its turn', () => {
  const { thread, queue, done, add } = setUp();
  queue.add('a', () => {
    done.push('a');
    thread.works(1);
    add('b', 1);
  });
  equal(done, ['a']);
  thread.passes(10);
  equal(done, ['a', 'b at 3']);
});

test('the expected wait follows what pieces really take', () => {
  const { thread, queue, add } = setUp({ limit: 500 });
  is(queue.waitBehind(3), 60);
  for (let i = 0; i < 100; i++) add(String(i), 2);
  thread.passes(1000);
  ok(Math.abs(queue.waitBehind(1) - 6) < 0.2, `${queue.waitBehind(1)}`);
});

test.run();
