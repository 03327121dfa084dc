import { equal, is, ok } from 'uvu/assert';
import { Throttle, Throttled, ThrottleLimits } from '../../../src/main/limits/throttle.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('throttle');

const SECOND = 1e6;
/** Just before the clock turns over, so that it does within each scenario. */
const START = -3 * SECOND;

/** Sends packets for some seconds. @returns how many were taken in each second. */
function send(throttle: Throttle, perSecond: number, bytes: number, seconds: number, start = START): number[] {
  return Array.from({ length: seconds }, (_, second) => {
    let taken = 0;
    for (let i = 0; i < perSecond; i++) {
      const now = (start + second * SECOND + Math.floor((i * SECOND) / perSecond)) | 0;
      if (throttle.take(bytes, now) === Throttled.No) taken++;
    }
    return taken;
  });
}

test('an honest microphone is never held back, at any of the usual packet lengths', () => {
  for (const [perSecond, bytes] of [
    [50, 140],
    [50, 300],
    [100, 90],
    [17, 400],
    [50, 1275],
  ] as const) {
    const throttle = new Throttle(new ThrottleLimits(200, 640));
    equal(send(throttle, perSecond, bytes, 10), new Array(10).fill(perSecond));
  }
});

test('packets that a stalled network held back for a second come through all at once', () => {
  const throttle = new Throttle(new ThrottleLimits(200, 640));
  for (let i = 0; i < 60; i++) is(throttle.take(200, START), Throttled.No);
});

test('beyond the rate so many go through as the rate allows, after a burst of a second', () => {
  const packets = send(new Throttle(new ThrottleLimits(200, 640)), 5000, 100, 5);
  ok(packets[0]! >= 395 && packets[0]! <= 405, String(packets));
  for (const taken of packets.slice(1)) ok(taken >= 198 && taken <= 202, String(packets));
  const bits = send(new Throttle(new ThrottleLimits(200, 640)), 150, 1400, 5);
  // 640 kbit/s are 57 packets of 1400 bytes.
  for (const taken of bits.slice(1)) ok(taken >= 55 && taken <= 59, String(bits));
});

test('the verdict tells which of the two it was', () => {
  const limits = new ThrottleLimits(10, 1000);
  const many = new Throttle(limits);
  for (let i = 0; i < 11; i++) is(many.take(10, START), Throttled.No, String(i));
  is(many.take(10, START), Throttled.Packets);
  const large = new Throttle(new ThrottleLimits(1000, 8));
  is(large.take(1400, START), Throttled.No);
  is(large.take(1400, START), Throttled.Bits);
});

test('who was silent for hours, half a turn of the clock or more, begins anew', () => {
  for (const pause of [2 ** 31 - 10, 2 ** 31 + 10, 3 * 2 ** 30]) {
    const throttle = new Throttle(new ThrottleLimits(200, 640));
    send(throttle, 5000, 100, 2);
    is(throttle.take(100, (START + pause) | 0), Throttled.No, String(pause));
  }
});

test('a kilobit is a thousand bits', () => {
  const throttle = new Throttle(new ThrottleLimits(1000, 1024));
  // 128,000 bytes a second, and as many at once.
  let taken = 0;
  while (throttle.take(1000, START) === Throttled.No) taken++;
  is(taken, 129);
  for (let second = 1; second <= 4; second++) {
    let more = 0;
    while (throttle.take(1000, START + second * SECOND) === Throttled.No) more++;
    is(more, 128, `second ${second}`);
  }
});

test.run();
