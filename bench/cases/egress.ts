/** The main thread's part of sending: from the egress ring to the library's `send`, which does nothing here. */
import { Egress, type Receiver } from '../../src/main/media/egress.ts';
import { BurstWriter, MAX_DELIVERIES } from '../../src/workers/burst.ts';
import { milliseconds, toStamp } from '../../src/workers/clock.ts';
import { layoutShard } from '../../src/workers/protocol.ts';
import { RingWriter } from '../../src/workers/ring.ts';
import { assertWork, type Case } from './case.ts';

const PAYLOAD_BYTES = 100;
/** More than a run takes, milliseconds. */
const MAX_DELAY_MS = 60_000;
const NOTHING_LEFT = 1 << 30;

/** @param voices whose packets have gathered. @param listeners who get all of them. */
export function egressCase(voices: number, listeners: number): Case {
  const memory = layoutShard(1 << 16, 1 << 20);
  let bytes = 0;
  const receivers = Array.from(
    { length: listeners },
    (_, id): Receiver => ({
      id,
      send(packet) {
        bytes += packet.length;
        return true;
      },
    }),
  );
  const egress = new Egress(memory, receivers, MAX_DELAY_MS);
  const ring = new RingWriter(memory.egress);
  const bursts = new BurstWriter(ring);
  const source = memory.scratch + 1000;
  const operations = voices * listeners;
  let sequence = 0;
  return {
    name: `egress, ${voices} to ${listeners}`,
    unit: 'outgoing packet',
    operations,
    run() {
      const stamp = toStamp(milliseconds());
      for (let voice = 0; voice < voices; voice++) {
        sequence++;
        for (let id = 0; id < listeners; ) {
          const last = Math.min(listeners, id + MAX_DELIVERIES);
          assertWork(bursts.begin(source, PAYLOAD_BYTES, last - id), 'room in the ring');
          for (; id < last; id++) bursts.add(id, 0, 111, sequence & 0xffff, sequence, id + 1);
          bursts.end(voice + 1, stamp);
        }
      }
      ring.publish();
      bytes = 0;
      egress.send(NOTHING_LEFT);
      assertWork(bytes === operations * (PAYLOAD_BYTES + 16), 'packets sent');
    },
  };
}
