/**
 * Run as a process of its own with `--trace-gc` and a tiny young generation: the packet path, a million outgoing packets
 * after a warm-up, between two marks; half of them with RED (RFC 2198). `ALLOCATE=1` adds one small object a packet, to
 * see the count go up.
 */
import { StepRoom } from '../../bench/cases/step.ts';

const WARM_UP_STEPS = 6000;
const STEPS = 1700;

const rooms = [new StepRoom(300), new StepRoom(300, true)];
const allocates = process.env['ALLOCATE'] === '1';
const kept: { packet: number }[] = [];

function run(steps: number): number {
  let packets = 0;
  for (let i = 0; i < steps; i++) {
    for (const room of rooms) {
      const left = room.step();
      packets += left;
      if (allocates) for (let k = 0; k < left; k++) kept[k % 16] = { packet: k };
    }
  }
  return packets;
}

run(WARM_UP_STEPS);
console.log('MARK begin');
const packets = run(STEPS);
console.log(`MARK end ${packets}`);
