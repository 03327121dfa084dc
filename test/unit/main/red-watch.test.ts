/** Who is told that their RED cannot be read, and how often. */
import { equal } from 'uvu/assert';
import { type RedSender, RedWatch } from '../../../src/main/connections/red-watch.ts';
import { RedState, SOURCE_WORDS, SourceWord } from '../../../src/workers/protocol.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('red watch');

interface Named extends RedSender {
  readonly name: string;
}

function setUp(established = true) {
  const sources = new Int32Array(3 * SOURCE_WORDS);
  const told: string[] = [];
  const sender = (name: string): Named => ({ name, established, badRed: false, badRedAt: 0 });
  const watch = new RedWatch([sender('ann'), undefined, sender('bob')], sources, ({ name }) => told.push(name));
  const set = (index: number, state: number): void => {
    sources[index * SOURCE_WORDS + SourceWord.Red] = state;
  };
  return { watch, told, set };
}

test('a sender is told once, also after it moved and fails there again', () => {
  const { watch, told, set } = setUp();
  watch.look(1000);
  set(2, RedState.Unreadable);
  watch.look(1500);
  watch.look(2000);
  set(2, RedState.None);
  watch.look(100_000);
  set(2, RedState.Unreadable);
  watch.look(100_500);
  equal(told, ['bob']);
});

test('one that recovered and fails again is told again, a minute after the first time', () => {
  const { watch, told, set } = setUp();
  for (let now = 500; now < 180_000; now += 500) {
    set(0, now % 1000 === 0 ? RedState.Readable : RedState.Unreadable);
    watch.look(now);
  }
  equal(told, ['ann', 'ann', 'ann']);
});

test('one that does not stand yet is not told', () => {
  const { watch, told, set } = setUp(false);
  set(0, RedState.Unreadable);
  watch.look(1000);
  equal(told, []);
});

test.run();
