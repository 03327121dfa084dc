/**
 * Runs the packet path, for a process with `--trace-gc` and a tiny young generation: a warm-up, then several rounds of
 * a million outgoing packets, each between two marks. Half of the packets have RED (RFC 2198), and all are counted as
 * main counts them. `ALLOCATE=1` adds one small object a packet, to show that the count of collections goes up.
 */
import { StepRoom } from '../../bench/cases/step.ts';
import { Histogram } from '../../src/main/histogram.ts';
import { Throttle, ThrottleLimits } from '../../src/main/limits/throttle.ts';
import { FORWARD_BOUNDS } from '../../src/main/media/egress.ts';
import { Ingress, type PacketTap } from '../../src/main/media/ingress.ts';
import { WakeGate } from '../../src/main/media/wake-gate.ts';
import { SOURCE_WORDS, SourceWord, Wakes } from '../../src/workers/protocol.ts';
import { rtp } from './packets.ts';

const WARM_UP_STEPS = 6000;
const STEPS = 1700;
const ROUNDS = 4;

const rooms = [new StepRoom(300), new StepRoom(300, true)];
const allocates = process.env['ALLOCATE'] === '1';
const kept: { packet: number }[] = [];
let now = 0;
// Reading the real clock allocates a number, which is not what this measures.
const clock = (): number => {
  now = (now + 5000) | 0;
  return now;
};
let tapped = 0;
const tap: PacketTap = { packet: (_, bytes) => (tapped = (tapped + bytes.length) | 0) };
const sources = new Int32Array(4 * SOURCE_WORDS);
sources[SOURCE_WORDS + SourceWord.Wakes] = Wakes.Sound;
const gate = new WakeGate(sources);
const ingress = new Ingress({ clock, gate });
const tappedIngress = new Ingress({ clock, gate, taps: [tap, tap] });
const throttle = new Throttle(new ThrottleLimits(10_000, 100_000));
const publication = { payloadType: 111, redPayloadType: 0, levelExtension: 1, ssrcs: [] };
const publisher = {
  ...{ id: 1, claim: { userid: 'ann', clientid: 'phone' }, isClient: true, muted: false, publication },
  ...{ packetsReceived: 0, throttle, seat: { number: 1, shard: { push: () => true }, current: null } },
};
const packet = rtp({ sequence: 1, payload: Buffer.alloc(100), level: { id: 1, level: 90 } });
const times = new Histogram(FORWARD_BOUNDS, 1e6);

function run(steps: number): number {
  let packets = 0;
  for (let i = 0; i < steps; i++) {
    for (const room of rooms) {
      const left = room.step();
      packets += left;
      for (let k = 0; k < left; k++) {
        (k % 2 === 0 ? ingress : tappedIngress).take(publisher, packet);
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
