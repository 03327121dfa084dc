/**
 * Run as a process of its own with `--trace-gc` and a tiny young generation: the packet path, some times a million outgoing
 * packets after a warm-up, each between two marks; half of them with RED (RFC 2198), and all counted as main counts them. `ALLOCATE=1` adds one small object a packet, to
 * see the count go up.
 */
import { StepRoom } from '../../bench/cases/step.ts';
import { Histogram } from '../../src/main/histogram.ts';
import { Throttle, ThrottleLimits } from '../../src/main/limits/throttle.ts';
import { FORWARD_BOUNDS } from '../../src/main/media/egress.ts';
import { Ingress } from '../../src/main/media/ingress.ts';

const WARM_UP_STEPS = 6000;
const STEPS = 1700;
const ROUNDS = 4;

const rooms = [new StepRoom(300), new StepRoom(300, true)];
const allocates = process.env['ALLOCATE'] === '1';
const kept: { packet: number }[] = [];
let now = 0;
// Reading the real clock makes a number of its own, which is not what is looked for.
const ingress = new Ingress(undefined, undefined, () => {
  now = (now + 5000) | 0;
  return now;
});
const throttle = new Throttle(new ThrottleLimits(10_000, 100_000));
const publisher = { id: 1, packetsReceived: 0, throttle, seat: { shard: { push: () => true } } };
const packet = new Uint8Array(120);
const times = new Histogram(FORWARD_BOUNDS, 1e6);

function run(steps: number): number {
  let packets = 0;
  for (let i = 0; i < steps; i++) {
    for (const room of rooms) {
      const left = room.step();
      packets += left;
      for (let k = 0; k < left; k++) {
        ingress.take(publisher, packet);
        times.add(k * 4000);
      }
      if (allocates) for (let k = 0; k < left; k++) kept[k % 16] = { packet: k };
    }
  }
  return packets;
}

run(WARM_UP_STEPS);
for (let round = 0; round < ROUNDS; round++) {
  console.log('MARK begin');
  const packets = run(STEPS);
  console.log(`MARK end ${packets}`);
}
