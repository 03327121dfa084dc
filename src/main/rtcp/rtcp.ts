/**
 * RTCP: the server's reports on the packets that it receives and sends, and the use of its clients' reports.
 *
 * Every connection gets a report each one to two seconds, at random intervals so that they do not fall into step (RFC
 * 3550, section 6.2). It is a compound packet with a sender report for each slot in use, and a report block on the
 * connection's publication. One timer serves all connections.
 */
import { performance } from 'node:perf_hooks';
import type { RtcpReceiverInfo } from 'werift-rtp';
import { OPUS_CLOCK_RATE } from '../../rtp/packet.ts';
import { readReception } from '../../rtp/reception.ts';
import { SLOT_WORDS, Slot } from '../../rtp/rewriter.ts';
import { readSlot, type SlotReport } from '../../rtp/sender.ts';
import { milliseconds, toTicks } from '../../workers/clock.ts';
import { connectionIndex, SOURCE_WORDS, SourceWord } from '../../workers/protocol.ts';
import { Traffic } from '../media/traffic.ts';
import type { Telemetry } from '../telemetry.ts';
import { repeat, type Timers, timers } from '../timers.ts';
import { SlotWatch, unexplained } from './loss.ts';
import { middleOf, readCompound, writeCompound } from './packets.ts';
import type { RelayedSource } from './relayed-loss.ts';
import type { Reported, ReportedPublisher } from './reported.ts';

/** Interval of the timer, milliseconds: usually, after a tick in which not all had their turn, and with nobody there. */
const TICK_MS = 100;
const BUSY_MS = 50;
const IDLE_MS = 500;
/** Connections that get a report in one tick; the others that are due wait for the next. */
const MAX_AT_A_TICK = 128;
/** Shortest time between two reports to a connection, and the range of the random time on top; milliseconds. */
const INTERVAL_MS = 1000;
const INTERVAL_SPREAD_MS = 1000;
/** Sender reports in one packet. With this many it stays below 1,000 bytes. */
const MAX_SLOTS_A_PACKET = 16;
/** Longest round trip that is plausible, in 1/65536 s. */
const MAX_ROUND_TRIP = 10 * 65_536;
/** Rounding error of a round trip, in 1/65536 s: how far below zero it may be. */
const ROUNDING = 64;

/** Counts of packets. */
export interface RtcpCounts {
  received: number;
  sent: number;
  /** The library refused to send it. */
  failed: number;
  /** Not a chain of whole RTCP packets. */
  malformed: number;
  /** Beyond the number that a client may send. */
  flooded: number;
  /** Well-formed packets that the server has no use for: BYE, APP, feedback, extended reports. */
  ignored: number;
}

/** The tables and connections that reports are made from. */
export interface RtcpParts {
  /** By connection index. */
  readonly receivers: readonly (Reported | undefined)[];
  readonly slots: Int32Array;
  readonly slotsPerConnection: number;
  readonly sources: Int32Array;
  readonly telemetry: Pick<Telemetry, 'rtt' | 'loss'>;
}

export class Rtcp {
  readonly counts: RtcpCounts = { received: 0, sent: 0, failed: 0, malformed: 0, flooded: 0, ignored: 0 };
  /** Packets and bytes in each direction. */
  readonly received = new Traffic();
  readonly sent = new Traffic();
  private readonly parts: RtcpParts;
  /** The connection index at which the next tick begins. */
  private next = 0;
  /** By id. */
  private relayed: (id: number) => RelayedSource | undefined = () => undefined;

  constructor(parts: RtcpParts) {
    this.parts = parts;
  }

  /** Reports from now on, for as long as the process lives. While nobody is connected, it looks for somebody less often. */
  start(time: Pick<Timers, 'every'> = timers): void {
    repeat(time, IDLE_MS, () => this.tick(performance.now()));
  }

  /** Lets listeners' reports count for sources of other instances. @param relayed finds one by its id here. */
  relay(relayed: (id: number) => RelayedSource | undefined): void {
    this.relayed = relayed;
  }

  /** Takes a client's RTCP packet. @param now milliseconds. */
  receive(connection: Reported, bytes: Uint8Array, now = performance.now()): void {
    this.counts.received++;
    this.received.count(bytes.length);
    connection.rtcp.heardAt = now;
    if (!connection.rtcp.admit(now)) {
      this.counts.flooded++;
      return;
    }
    const compound = readCompound(bytes);
    if (compound === null) {
      this.counts.malformed++;
      return;
    }
    this.counts.ignored += compound.ignored;
    for (const { ssrc, middle } of compound.senders) connection.rtcp.uplink.noteSender(ssrc, middle, wallClock(now));
    this.takeBlocks(connection, compound.blocks, now);
  }

  /** Returns the loss of a publisher's worst listener, 0 … 255. @param now milliseconds. */
  lossOf({ seat, rtcp: { worst } }: ReportedPublisher, now: number): number {
    if (!worst.isElsewhere && this.connectionOf(worst.listener)?.seat.current !== seat.current) worst.forget();
    return worst.fraction(now);
  }

  /**
   * Takes what another instance says of a publisher of this one.
   *
   * @param id of the publisher. @param instance a number of that instance, 0 or greater. @param fraction the loss of
   *   its worst listener there, 0 … 255. @param now milliseconds.
   */
  noteElsewhere(id: number, instance: number, fraction: number, now: number): void {
    this.connectionOf(id)?.rtcp.worst.noteElsewhere(instance, fraction, now);
  }

  /**
   * Sends the reports that are due, as many as one tick may.
   *
   * @param now milliseconds. @returns when to call it again, milliseconds from now.
   */
  tick(now: number): number {
    const { receivers } = this.parts;
    let budget = MAX_AT_A_TICK;
    let any = false;
    for (let visited = 0; visited < receivers.length && budget > 0; visited++) {
      const connection = receivers[this.next];
      this.next = (this.next + 1) % receivers.length;
      if (connection === undefined || !connection.established) continue;
      any = true;
      const { rtcp } = connection;
      if (rtcp.dueAt === 0) rtcp.dueAt = now + Math.random() * INTERVAL_MS;
      if (rtcp.dueAt > now) continue;
      rtcp.dueAt = now + INTERVAL_MS + Math.random() * INTERVAL_SPREAD_MS;
      rtcp.look(connection.packetsReceived, now);
      this.report(connection, now);
      budget--;
    }
    if (budget === 0) return BUSY_MS;
    return any ? TICK_MS : IDLE_MS;
  }

  private report(connection: Reported, now: number): void {
    const clock = toTicks(milliseconds());
    const wall = wallClock(now);
    const slots: SlotReport[] = [];
    for (let i = 0; i < connection.slotCount; i++) {
      this.watch(connection, i);
      const slot = readSlot(this.parts.slots, this.row(connection, i), clock);
      if (slot !== null) slots.push(slot);
    }
    const block = this.blockFor(connection, now, wall);
    if (block === null && slots.length === 0) return;
    const reporter = connection.slotCount === 0 ? connection.rtcp.ssrc : this.ssrcOf(connection, 0);
    for (let first = 0; first === 0 || first < slots.length; first += MAX_SLOTS_A_PACKET) {
      const some = slots.slice(first, first + MAX_SLOTS_A_PACKET);
      this.send(connection, writeCompound(reporter, some, first === 0 ? block : null, wall));
    }
  }

  private send(connection: Reported, packet: Uint8Array): void {
    if (!connection.send(packet)) {
      this.counts.failed++;
      return;
    }
    this.counts.sent++;
    this.sent.count(packet.length);
  }

  /** Makes the report block for a publisher; null if nothing came from it since the last one. */
  private blockFor(connection: Reported, now: number, wall: number): RtcpReceiverInfo | null {
    if (connection.publication === null) return null;
    const { uplink, quality } = connection.rtcp;
    const row = connection.index * SOURCE_WORDS + SourceWord.Reception;
    const report = uplink.report(readReception(this.parts.sources, row), this.lossOf(connection, now), wall);
    if (report === null) return null;
    quality.noteUplink(report.loss, report.jitterMs, now);
    this.parts.telemetry.loss('uplink', report.loss);
    return report.block;
  }

  /** Takes a client's report on its slots. They share one path, so telemetry gets one figure of each kind. */
  private takeBlocks(connection: Reported, blocks: readonly RtcpReceiverInfo[], now: number): void {
    const { telemetry } = this.parts;
    let worst = -1;
    let trip: number | null = null;
    for (const block of blocks) {
      const slot = this.slotOf(connection, block.ssrc);
      if (slot === null) continue;
      this.takeBlock(connection, slot, block, now);
      worst = Math.max(worst, block.fractionLost);
      const reported = roundTrip(block, now);
      if (reported === null) continue;
      connection.rtcp.quality.noteRtt(reported);
      trip = reported;
    }
    // A slot without packets reports no loss, so the highest loss is the one that counts.
    if (worst >= 0) telemetry.loss('downlink', worst / 256);
    if (trip !== null) telemetry.rtt(trip);
  }

  private takeBlock(connection: Reported, slot: number, block: RtcpReceiverInfo, now: number): void {
    const { quality } = connection.rtcp;
    quality.noteDownlink(block.fractionLost / 256, (block.jitter * 1000) / OPUS_CLOCK_RATE, now);
    const { slots } = this.parts;
    const row = this.row(connection, slot);
    const sent = slots[row + Slot.LastSequence]!;
    const ids = this.watch(connection, slot).report(block.highestSequence, sent, slots[row + Slot.Packets]!);
    const publishers = ids.flatMap<ReportedPublisher>((id) => this.connectionOf(id) ?? this.relayed(id) ?? []);
    for (const publisher of publishers) {
      // The report does not count for a publisher in another conversation.
      if (publisher.seat.current !== connection.seat.current) continue;
      const others = publishers.map((other) => (other === publisher ? 0 : other.rtcp.uplink.fraction));
      publisher.rtcp.worst.note(connection.id, unexplained(block.fractionLost, others), now);
    }
  }

  /** Notes the publisher that is in a slot now. @returns the slot's watch. */
  private watch(connection: Reported, slot: number): SlotWatch {
    let watch = connection.rtcp.slots[slot];
    if (watch === undefined) {
      watch = new SlotWatch();
      connection.rtcp.slots[slot] = watch;
    }
    const number = this.parts.slots[this.row(connection, slot) + Slot.Speaker]! >>> 0;
    const publisher = number === 0 ? undefined : connection.seat.current?.participants.get(number);
    // Somebody of another instance has no id before their first packet, and after a long silence.
    if (publisher !== undefined && publisher.id >= 0) watch.see(publisher.id);
    return watch;
  }

  private slotOf(connection: Reported, ssrc: number): number | null {
    for (let slot = 0; slot < connection.slotCount; slot++) if (this.ssrcOf(connection, slot) === ssrc) return slot;
    return null;
  }

  private connectionOf(id: number): Reported | undefined {
    const connection = this.parts.receivers[connectionIndex(id)];
    return connection?.id === id ? connection : undefined;
  }

  private row(connection: Reported, slot: number): number {
    return (connection.index * this.parts.slotsPerConnection + slot) * SLOT_WORDS;
  }

  /** Unsigned. */
  private ssrcOf(connection: Reported, slot: number): number {
    return this.parts.slots[this.row(connection, slot) + Slot.Ssrc]! >>> 0;
  }
}

/**
 * Returns the round-trip time by a report block (RFC 3550, section 6.4.1): the time since the server's report, without
 * the time for which the client held it.
 *
 * @returns milliseconds; null if the block has none, or an implausible one.
 */
function roundTrip({ lsr, dlsr }: RtcpReceiverInfo, now: number): number | null {
  if (lsr === 0) return null;
  const trip = (middleOf(wallClock(now)) - lsr - dlsr) | 0;
  return trip >= -ROUNDING && trip <= MAX_ROUND_TRIP ? (Math.max(0, trip) * 1000) / 65_536 : null;
}

/** Returns milliseconds since 1970 by a clock that never jumps. @param now milliseconds since the process began. */
function wallClock(now: number): number {
  return performance.timeOrigin + now;
}
