import { Worker } from 'node:worker_threads';
import { is, ok } from 'uvu/assert';
import { BELL_BYTES, Bell } from '../../../src/workers/bell.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('bell');

test('a sleeper is claimed by one caller only, and nobody if awake', () => {
  const bell = new Bell(new SharedArrayBuffer(BELL_BYTES), 0);
  is(bell.claim(), false);
  bell.arm();
  is(bell.claim(), true);
  is(bell.claim(), false);
  bell.arm();
  bell.disarm();
  is(bell.claim(), false);
});

/** Sleeps whenever the shared count stands still, with a deadline so long that a lost wake-up would show. */
const SLEEPER = `
const { workerData, parentPort } = require('node:worker_threads');
(async () => {
  const { Bell } = await import(workerData.module);
  const words = new Int32Array(workerData.memory);
  const bell = new Bell(workerData.memory, 64);
  let seen = 0, slept = 0;
  while (seen < workerData.count) {
    const now = Atomics.load(words, 0);
    if (now !== seen) { seen = now; Atomics.store(words, 1, seen); continue; }
    bell.arm();
    if (Atomics.load(words, 0) !== seen) { bell.disarm(); continue; }
    const before = Date.now();
    bell.sleep(5000);
    if (Date.now() - before > 4000) { parentPort.postMessage('lost'); return; }
    slept++;
  }
  parentPort.postMessage(slept);
})();
`;

test('no wake-up is lost between a publisher and a sleeper in another thread', async () => {
  const count = 50_000;
  const memory = new SharedArrayBuffer(64 + BELL_BYTES);
  const words = new Int32Array(memory);
  const bell = new Bell(memory, 64);
  const module = new URL('../../../src/workers/bell.js', import.meta.url).href;
  const worker = new Worker(SLEEPER, { eval: true, workerData: { module, memory, count } });
  const answer = new Promise<number | string>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  for (let i = 1; i <= count; i++) {
    Atomics.store(words, 0, i);
    bell.ring();
    // Now and then the sleeper gets time to fall asleep, at ever other points of its loop.
    if (i % 7 === 0) for (let spin = 0; Atomics.load(words, 1) < i && spin < 200_000; spin++);
    if (i % 500 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  const slept = await answer;
  ok(typeof slept === 'number', `a wake-up was ${slept}`);
  ok(slept > 100, `it slept ${slept} times`);
  await worker.terminate();
}, 60);

test('a sleeper that was rung for, or slept until its deadline, is awake and needs no other bell', () => {
  const bell = new Bell(new SharedArrayBuffer(BELL_BYTES), 0);
  bell.arm();
  bell.ring();
  is(bell.claim(), false, 'rung for');
  bell.arm();
  bell.sleep(1);
  is(bell.claim(), false, 'slept');
});

test.run();
