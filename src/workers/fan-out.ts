/**
 * The last step in a worker: numbers a packet for every slot that carries its source, and writes its payload into the
 * egress ring. If the payload is RED (RFC 2198), each listener gets what it can use: RED as it came, or Opus alone,
 * with lost packets rebuilt from the redundancy.
 *
 * This is part of the hot path: no allocation, no strings, no exceptions.
 */
import type { RtpHeader } from '../rtp/packet.ts';
import { OPUS_FRAME_TICKS } from '../rtp/packet.ts';
import { type RedPayload, stepsBack } from '../rtp/red.ts';
import { insert, NO_SOURCE, opusOf, Renumbered, redOf, renumber, Slot, SlotPacket } from '../rtp/rewriter.ts';
import { Arrival, type ArrivalVerdict } from '../rtp/sequence.ts';
import { type BurstWriter, MAX_DELIVERIES } from './burst.ts';
import { SILENCE_FRAME } from './fades.ts';
import { Count, Drop } from './protocol.ts';
import type { Source } from './source.ts';
import type { Targets } from './targets.ts';

export class FanOut {
  private readonly bursts: BurstWriter;
  private readonly slots: Int32Array;
  private readonly counters: Int32Array;
  /** Where the frame of silence lies in the shard's memory. */
  private readonly silenceOffset: number;
  /** The packet being sent: its source, its place, and now. */
  private readonly current = new SlotPacket();
  /** What else the bursts being written have in common: the speaker, and the packet's stamp. */
  private speaker = 0;
  private stamp = 0;
  /** Whether the packet is older than one that came before it. No slot switches to a source with such a packet. */
  private late = false;

  /**
   * @param slots the slot table.
   * @param counters indexed by `Drop` and `Count`.
   * @param silenceOffset where {@link SILENCE_FRAME} lies in the shard's memory.
   */
  constructor(bursts: BurstWriter, slots: Int32Array, counters: Int32Array, silenceOffset: number) {
    this.bursts = bursts;
    this.slots = slots;
    this.counters = counters;
    this.silenceOffset = silenceOffset;
  }

  /**
   * Sends a packet of a source; its number is the `index` of the source's sequence.
   *
   * @param red the blocks of the payload, or null if it is plain Opus.
   * @param arrival any verdict except `Duplicate` and `TooOld`.
   * @param span ticks from the packet that was newest before to this one.
   * @param stamp travels with the packets to main.
   * @param clock now, in ticks of 1/48000 s, modulo 2^32.
   */
  packet(
    source: Source,
    header: RtpHeader,
    red: RedPayload | null,
    arrival: ArrivalVerdict,
    span: number,
    stamp: number,
    clock: number,
  ): void {
    const { targets, redTargets } = source;
    const { index, steps } = source.sequence;
    const { timestamp, marker, payloadOffset, payloadLength } = header;
    this.current.source = source.key;
    this.current.publisher = source.connection;
    this.current.duration = source.durations.ticks;
    this.current.clock = (clock - source.lateness.ticks) | 0;
    this.speaker = source.number;
    this.stamp = stamp;
    this.late = arrival === Arrival.Late || arrival === Arrival.Rebuilt;
    if (red === null) {
      if (arrival !== Arrival.Rebuilt)
        this.send(targets, false, payloadOffset, payloadLength, index, timestamp, marker);
      this.send(redTargets, false, payloadOffset, payloadLength, index, timestamp, marker);
      return;
    }
    if (steps > 1 && targets.count > 0) this.rebuild(source, timestamp, red, span);
    const { primaryOffset, primaryLength } = red;
    if (arrival !== Arrival.Rebuilt) this.send(targets, false, primaryOffset, primaryLength, index, timestamp, marker);
    if (this.carried(redTargets)) this.send(redTargets, true, payloadOffset, payloadLength, index, timestamp, marker);
    else this.send(redTargets, false, primaryOffset, primaryLength, index, timestamp, marker);
  }

  /**
   * Puts a frame of silence into a slot. If the ring is full it leaves the frame out, which does no harm: the next
   * sound is a new source anyway.
   *
   * @returns false if the slot carries a source; then nothing is sent.
   */
  silence(row: number, speaker: number, stamp: number, clock: number): boolean {
    const { slots, bursts, current } = this;
    if (slots[row + Slot.Source] !== NO_SOURCE) return false;
    if (!bursts.begin(this.silenceOffset, SILENCE_FRAME.length, 1)) {
      this.counters[Drop.EgressFull]!++;
      return true;
    }
    current.duration = OPUS_FRAME_TICKS;
    current.octets = SILENCE_FRAME.length;
    current.clock = clock;
    insert(slots, row, current);
    this.deliver(row, 0, false);
    bursts.end(speaker, stamp);
    this.counters[Count.Silence]!++;
    return true;
  }

  /** Sends packets lost just before this one, as far as its redundancy has them, to the slots that get Opus alone. */
  private rebuild({ sequence, targets }: Source, timestamp: number, red: RedPayload, span: number): void {
    if (!this.carried(targets)) return;
    const { index, steps } = sequence;
    let before = steps;
    for (let i = 0; i < red.count; i++) {
      const age = red.timestampOffsets[i]!;
      const back = red.lengths[i] === 0 ? 0 : stepsBack(age, steps, span);
      // The oldest block comes first; a block out of order is not used.
      if (back === 0 || back >= before) continue;
      before = back;
      sequence.rebuild((index - back) | 0);
      this.send(targets, false, red.offsets[i]!, red.lengths[i]!, (index - back) | 0, (timestamp - age) | 0, 0);
      this.counters[Count.Rebuilt]!++;
    }
  }

  /**
   * Returns whether all slots of a list already carry this source. A slot that is about to switch to it has no place
   * for older sound, so the redundancy of its first packet is left out.
   */
  private carried({ rows, count }: Targets): boolean {
    const { slots, current } = this;
    for (let i = 0; i < count; i++) if (slots[rows[i]! + Slot.Source] !== current.source) return false;
    return true;
  }

  /**
   * Sends a payload to all slots of a list.
   *
   * @param red whether to send it as RED, with each listener's type for RED.
   */
  private send(
    { rows, count }: Targets,
    red: boolean,
    offset: number,
    length: number,
    index: number,
    timestamp: number,
    marker: number,
  ): void {
    if (count === 0) return;
    const { slots, bursts, current, late } = this;
    current.index = index;
    current.timestamp = timestamp;
    current.octets = length;
    let sent = 0;
    for (let first = 0; first < count; first += MAX_DELIVERIES) {
      const end = Math.min(first + MAX_DELIVERIES, count);
      // Reserve room first: a packet that finds none must not be numbered.
      if (!bursts.begin(offset, length, end - first)) {
        this.counters[Drop.EgressFull]! += end - first;
        continue;
      }
      for (let i = first; i < end; i++) {
        const row = rows[i]!;
        if (late && slots[row + Slot.Source] !== current.source) {
          this.counters[Drop.BeforeSwitch]!++;
          continue;
        }
        const verdict = renumber(slots, row, current);
        if (verdict === Renumbered.BeforeSwitch) {
          this.counters[Drop.BeforeSwitch]!++;
          continue;
        }
        if (verdict === Renumbered.Switch) this.counters[Count.Switches]!++;
        this.deliver(row, verdict === Renumbered.Switch ? 1 : marker, red);
        sent++;
      }
      bursts.end(this.speaker, this.stamp);
    }
    this.counters[Count.PacketsOut]! += sent;
  }

  /** Adds a delivery to the burst, with the numbers that the packet has just been given for this slot. */
  private deliver(row: number, marker: number, red: boolean): void {
    const { slots, current } = this;
    const payloadTypes = slots[row + Slot.PayloadTypes]!;
    this.bursts.add(
      slots[row + Slot.Connection]!,
      marker,
      red ? redOf(payloadTypes) : opusOf(payloadTypes),
      current.outSequence,
      current.outTimestamp,
      slots[row + Slot.Ssrc]!,
    );
  }
}
