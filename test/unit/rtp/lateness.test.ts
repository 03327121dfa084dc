import { equal, is } from 'uvu/assert';
import { Lateness } from '../../../src/rtp/lateness.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('lateness');
const SECOND = 48_000;
const FRAME = 960;

/** `[timestamp, clock, lateness]`, ticks; a fourth member says that the timestamps begin anew. */
type Step = readonly [number, number, number, true?];

const tables: readonly (readonly [string, readonly Step[]])[] = [
  [
    'the first packet is in time, whatever the clocks say, and one that comes earlier than it is as well',
    [
      [1_000_000, 5, 0, true],
      [1_000_000 + FRAME, 5 + FRAME - 300, 0],
      [1_000_000 + 2 * FRAME, 5 + 2 * FRAME, 300],
    ],
  ],
  [
    'what was held up for half a second and comes at once is less late packet by packet',
    [
      [0, 0, 0, true],
      [FRAME, FRAME + SECOND / 2, SECOND / 2],
      [2 * FRAME, FRAME + SECOND / 2, SECOND / 2 - FRAME - 94],
    ],
  ],
  [
    'more than a second is not late: the sender paused its clock',
    [
      [0, 0, 0, true],
      [FRAME, FRAME + SECOND, SECOND],
      [2 * FRAME, 2 * FRAME + 3 * SECOND, 0],
      [3 * FRAME, 3 * FRAME + 3 * SECOND, 0],
    ],
  ],
  [
    'timestamps and clock wrap at 2^32',
    [
      [2 ** 32 - FRAME, 2 ** 31 - FRAME, 0, true],
      [0, -(2 ** 31) + 48, 48],
    ],
  ],
];
for (const [name, steps] of tables) {
  test(name, () => {
    const lateness = new Lateness();
    for (const [timestamp, clock, late, first = false] of steps) {
      lateness.take(timestamp, clock, first);
      is(lateness.ticks, late, `${timestamp} at ${clock}`);
    }
  });
}

test('a network that has become slower is forgotten within some seconds, and one that has become faster at once', () => {
  const lateness = new Lateness();
  const run = (from: number, packets: number, delay: number): number[] =>
    Array.from({ length: packets }, (_, i) => {
      lateness.take((from + i) * FRAME, (from + i) * FRAME + delay, from + i === 0);
      return lateness.ticks;
    });
  run(0, 100, 0);
  const slower = run(100, 1000, 9600);
  is(slower[0]! > 9000, true);
  is(slower.at(-1)! < 48 * 10, true, `${slower.at(-1)}`);
  equal(run(1100, 3, 0), [0, 0, 0]);
});

test.run();
