/** What counts as work of the event loop. */
import { ok } from 'uvu/assert';
import { addRest, busyMs, idleMs, LoopUse } from '../../../src/main/event-loop.ts';
import { scenarios } from '../../support/scenario.ts';
import { pause } from '../../support/waiting.ts';

const test = scenarios('event loop');
const asleep = new Int32Array(new SharedArrayBuffer(4));

/** Blocks the thread. */
function block(milliseconds: number): void {
  Atomics.wait(asleep, 0, 0, milliseconds);
}

test('a rest is idle time, and any other block is work', async () => {
  await pause(1);
  const use = new LoopUse();
  const [busy, idle] = [busyMs(), idleMs()];
  block(300);
  addRest(200);
  await pause(1);
  const [worked, waited] = [busyMs() - busy, idleMs() - idle];
  ok(worked >= 95 && waited >= 195, `${worked} ms busy, ${waited} ms idle`);
  const share = use.look();
  ok(share > 0.05 && share < 0.8, `${share}`);
});

test('the use is that since the previous look', async () => {
  const use = new LoopUse();
  block(200);
  await pause(1);
  const first = use.look();
  await pause(300);
  const second = use.look();
  ok(first > 0.5 && second < first, `${first}, then ${second}`);
});

test.run();
