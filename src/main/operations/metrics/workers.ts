/** The metrics of the workers, one by one and together. */
import { milliseconds } from '../../../workers/clock.ts';
import { Count, Drop, type DropReason } from '../../../workers/protocol.ts';
import { FORWARD_BOUNDS } from '../../media/egress.ts';
import type { IngressDrops } from '../../media/ingress.ts';
import type { RtcpCounts } from '../../rtcp/rtcp.ts';
import type { Distribution, Exposition, Readings } from './exposition.ts';
import { type CountingShard, Total, type WorkerTotals } from './worker-totals.ts';

const US_PER_S = 1e6;
const MS_PER_S = 1000;

/** The part of a shard that is exposed. */
export interface ExposedShard extends CountingShard {
  readonly load: number;
  readonly fill: { readonly ingress: number; readonly egress: number };
  readonly highestFill: { readonly ingress: number; readonly egress: number };
  /** Returns the time since the worker's latest turn. @param now time of `milliseconds` in `src/workers/clock.ts`. */
  beatAge(now: number): number;
}

/** Reasons to drop a speaker's packet. `EgressFull` is about packets to listeners. */
const DROPS_IN = (Object.keys(Drop) as DropReason[]).filter((reason) => reason !== 'EgressFull');

/** Adds metrics with one series for each worker. The label `worker` is its number, from 0. */
export function exposeWorkers(to: Exposition, shards: () => readonly ExposedShard[], totals: WorkerTotals): void {
  const each = (read: (shard: ExposedShard, worker: number) => number) => (): Readings =>
    shards().map((shard, worker) => [{ worker }, read(shard, worker)]);
  const rings = (read: (shard: ExposedShard) => ExposedShard['fill']) => (): Readings =>
    shards().flatMap((shard, worker) => {
      const { ingress, egress } = read(shard);
      return [
        [{ worker, ring: 'ingress' }, ingress],
        [{ worker, ring: 'egress' }, egress],
      ] as const;
    });
  to.gauges(
    'sfu_worker_load',
    'Slots and publishers placed on the worker; new conversations go where it is least.',
    each((shard) => shard.load),
  );
  to.counters(
    'sfu_worker_busy_seconds_total',
    'Time that the worker thread was awake; near 1 a second it is the limit: more WORKERS, if cores are free.',
    each((_, worker) => totals.of(worker, Count.BusyMicros) / US_PER_S),
  );
  to.gauges(
    'sfu_worker_beat_age_seconds',
    'Since the worker last took a turn, which it does once a second when idle; more than a few seconds: it hangs, and its conversations are silent.',
    each((shard) => shard.beatAge(milliseconds()) / MS_PER_S),
  );
  to.counters(
    'sfu_worker_packets_received_total',
    'RTP packets that the worker took from its ring.',
    each((_, worker) => totals.of(worker, Count.PacketsIn)),
  );
  to.counters(
    'sfu_worker_packets_forwarded_total',
    "Listeners' packets that the worker handed to the main thread.",
    each((_, worker) => totals.of(worker, Count.PacketsOut)),
  );
  to.gauges(
    'sfu_ring_fill_ratio',
    'How full the rings between the main thread and the worker are at this moment; what stays above 0.5 will drop soon.',
    rings((shard) => shard.fill),
  );
  to.gauges(
    'sfu_ring_fill_peak_ratio',
    'The fullest that each ring ever was; 1: packets were dropped, so enlarge INGRESS_RING_BYTES or EGRESS_RING_BYTES.',
    rings((shard) => shard.highestFill),
  );
  to.counter('sfu_ring_corruptions_total', 'Bytes in a ring that nobody writes; anything but 0 is a bug.', () =>
    totals.sum(Total.Corrupt),
  );
}

/** Adds metrics of what happened to packets. */
export function exposePackets(
  to: Exposition,
  totals: WorkerTotals,
  ingress: () => Readonly<IngressDrops>,
  rtcp: () => Readonly<RtcpCounts>,
): void {
  to.counters(
    'sfu_packets_dropped_total',
    'Packets that were not forwarded, by direction and reason: in are those of speakers, before they are copied for listeners, out are those for single listeners. unheard, muted and not-joined are no fault; docs/operations.md tells what to do about the others.',
    () => dropReadings(totals, ingress(), rtcp()),
  );
  to.counter('sfu_speaker_switches_total', 'Slots that changed their speaker.', () => totals.sum(Count.Switches));
  to.counter('sfu_silence_frames_total', 'Frames of silence sent to end the sound of a slot.', () =>
    totals.sum(Count.Silence),
  );
  to.counter(
    'sfu_packets_rebuilt_total',
    'Lost packets of speakers that were rebuilt from redundant audio (RED).',
    () => totals.sum(Count.Rebuilt),
  );
  to.histogram(
    'sfu_forward_seconds',
    'From the arrival of a packet on the main thread to each departure, encryption included; one departure in 16 is timed. Above 0.02 listeners begin to hear it.',
    () => forwarding(totals),
  );
}

function* dropReadings(totals: WorkerTotals, ingress: IngressDrops, rtcp: RtcpCounts): Readings {
  for (const reason of DROPS_IN) {
    yield [{ direction: 'in', reason: dashed(reason) }, totals.sum(Drop[reason])];
  }
  for (const [reason, count] of Object.entries(ingress)) yield [{ direction: 'in', reason: dashed(reason) }, count];
  yield [{ direction: 'out', reason: 'egress-full' }, totals.sum(Drop.EgressFull)];
  yield [{ direction: 'out', reason: 'stale' }, totals.sum(Total.Stale)];
  yield [{ direction: 'out', reason: 'send-failed' }, totals.sum(Total.Failed)];
  yield [{ direction: 'out', reason: 'late' }, totals.sum(Total.Late)];
  yield [{ direction: 'out', reason: 'rtcp-send-failed' }, rtcp.failed];
}

function forwarding(totals: WorkerTotals): Distribution {
  const cumulative = Array.from({ length: FORWARD_BOUNDS.length + 1 }, (_, i) => totals.sum(Total.Forward + i));
  return { bounds: FORWARD_BOUNDS, cumulative, sum: totals.sum(Total.ForwardSum) };
}

/** Turns names such as `UnknownSsrc` and `ingressFull` into label values. */
function dashed(name: string): string {
  return name.replace(/(?<=.)[A-Z]/g, (letter) => `-${letter}`).toLowerCase();
}
