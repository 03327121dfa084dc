/**
 * Main's side of one worker: packets in through the ingress ring, packets out of the egress ring to the peers, commands
 * and reports over the port.
 */
import { createHistogram, performance, type RecordableHistogram } from 'node:perf_hooks';
import type { MessagePort } from 'node:worker_threads';
import { MAX_PACKET_BYTES, SENT_HEADER_BYTES, writeFields, writeSharedHeader } from '../rtp/packet.ts';
import { Bell } from '../workers/bell.ts';
import { BurstReader } from '../workers/burst.ts';
import {
  COUNTER_WORDS,
  type Command,
  connectionIndex,
  EGRESS_BELL,
  type Report,
  type ShardMemory,
} from '../workers/protocol.ts';
import { RingReader, RingWriter } from '../workers/ring.ts';

/**
 * Packets sent before the event loop gets a turn: about 2 ms of work, so that HTTP and ICE are never kept waiting
 * longer.
 */
const PUMP_BUDGET = 256;
/** One packet in this many is timed; a power of two. */
const TIMED_ONE_IN = 16;

/** What a packet can be delivered to. */
export interface Receiver {
  readonly id: number;
  /** @returns false if it could not be sent. */
  send(packet: Uint8Array): boolean;
}

/** Counts of one shard's egress, packets. */
export interface EgressCounts {
  sent: number;
  /** For a connection that has ended. */
  stale: number;
  /** The library did not take it. */
  failed: number;
  /** Too old to be of use when its turn came. */
  late: number;
}

export class Shard {
  /** Slots and publishers placed here: what conversations are balanced by. */
  load = 0;
  readonly egressCounts: EgressCounts = { sent: 0, stale: 0, failed: 0, late: 0 };
  /** From the arrival of a packet on the main thread to each of its departures, microseconds; a sample. */
  readonly forwardTime: RecordableHistogram = createHistogram();
  private readonly port: MessagePort;
  private readonly ingress: RingWriter;
  private readonly egress: RingReader;
  private readonly bursts: BurstReader;
  private readonly view: DataView;
  private readonly workerBell: Bell;
  private readonly mainBell: Bell;
  private readonly commands: Int32Array;
  private readonly counterWords: Int32Array;
  /** By connection index. */
  private readonly receivers: readonly (Receiver | undefined)[];
  /** Where a packet is put before it is sent, and views of it by length: making one costs more than the copy. */
  private readonly scratch: number;
  /** Microseconds. */
  private readonly maxDelay: number;
  private readonly views: (Uint8Array | undefined)[] = new Array(MAX_PACKET_BYTES + 1).fill(undefined);
  private readonly leaving = new Map<number, () => void>();
  private readonly draining: { position: number; then: () => void }[] = [];
  private pumping = false;
  private ready: () => void = () => undefined;
  private readonly readyPromise = new Promise<void>((resolve) => {
    this.ready = resolve;
  });

  /** @param maxDelay packets older than this are not sent any more, milliseconds. */
  constructor(memory: ShardMemory, port: MessagePort, receivers: readonly (Receiver | undefined)[], maxDelay: number) {
    this.port = port;
    this.maxDelay = maxDelay * 1000;
    this.receivers = receivers;
    this.ingress = new RingWriter(memory.ingress);
    this.egress = new RingReader(memory.egress);
    this.workerBell = new Bell(memory.memory, memory.workerBell);
    this.mainBell = new Bell(memory.memory, memory.mainBell);
    this.commands = new Int32Array(memory.memory, memory.commands, 1);
    this.counterWords = new Int32Array(memory.memory, memory.counters, COUNTER_WORDS);
    this.bursts = new BurstReader(this.egress);
    this.view = new DataView(memory.memory);
    this.scratch = memory.scratch;
    port.on('message', (report: Report) => this.take(report));
    this.mainBell.arm();
  }

  /** Resolves once the worker runs. */
  whenReady(): Promise<void> {
    return this.readyPromise;
  }

  /** The worker's counters, by the indexes of `Drop` and `Count`; they wrap at 2^32. */
  counter(index: number): number {
    return this.counterWords[index]! >>> 0;
  }

  /** Packets that the full ingress ring refused, modulo 2^32. */
  get ingressDropped(): number {
    return this.ingress.dropped;
  }

  /** How often either ring held what no writer writes; anything but 0 is a bug. */
  get corrupt(): number {
    return this.ingress.corrupt + this.egress.corrupt;
  }

  /** The largest fill of each ring so far, as a share of its capacity, 0 … 1. */
  get highestFill(): { ingress: number; egress: number } {
    return { ingress: this.ingress.highest, egress: this.egress.highest };
  }

  /** Hands a publisher's packet to the worker. @returns false if the ring was full. */
  push(connection: number, packet: Uint8Array): boolean {
    const taken = this.ingress.push(connection, packet, microseconds());
    this.workerBell.ring();
    return taken;
  }

  /** Puts a connection into a conversation of this worker; its slots' rows must be open. */
  join(command: Extract<Command, { type: 'join' }>): void {
    this.command(command);
  }

  /**
   * Takes a connection out.
   *
   * @param then called once the worker writes nothing more for it and all that it wrote was sent: from then on another
   *   worker may number the connection's slots.
   */
  leave(connection: number, then: () => void): void {
    this.leaving.set(connection, then);
    this.command({ type: 'leave', connection });
  }

  /** Ends the worker once it has forwarded what is in its ring. */
  stop(): void {
    this.command({ type: 'stop' });
  }

  close(): void {
    this.port.close();
  }

  private command(command: Command): void {
    this.port.postMessage(command);
    Atomics.add(this.commands, 0, 1);
    this.workerBell.ring();
  }

  private take(report: Report): void {
    if (report === EGRESS_BELL) return this.schedule();
    switch (report.type) {
      case 'ready':
        return this.ready();
      case 'left': {
        const then = this.leaving.get(report.connection);
        this.leaving.delete(report.connection);
        if (then !== undefined) this.draining.push({ position: report.position, then });
        return this.schedule();
      }
      default:
        report satisfies never;
    }
  }

  private schedule(): void {
    if (!this.pumping) this.pump();
  }

  /** Sends what is ready, then sleeps or, if there is more, lets the event loop turn first. */
  private pump(): void {
    this.pumping = true;
    let budget = PUMP_BUDGET;
    const now = microseconds();
    while (budget > 0 && this.bursts.next()) {
      this.deliver(now);
      budget -= this.bursts.deliveries;
    }
    this.egress.release();
    this.finishLeaves();
    if (budget > 0) {
      this.mainBell.arm();
      if (this.egress.empty) {
        this.pumping = false;
        return;
      }
      this.mainBell.disarm();
    }
    setImmediate(() => this.pump());
  }

  /** Sends one payload to all its listeners; their headers are written, one after the other, in front of it. */
  private deliver(now: number): void {
    const { bursts, egressCounts, scratch, view } = this;
    // A thread that cannot keep up sends what is fresh: a queue of old voices would only make every later one old, too.
    if (((now - bursts.stamp) | 0) > this.maxDelay) {
      egressCounts.late += bursts.deliveries;
      return;
    }
    const packet = this.packetOf(SENT_HEADER_BYTES + bursts.payloadLength);
    writeSharedHeader(view, scratch, bursts.csrc);
    this.egress.bytes.copyWithin(
      scratch + SENT_HEADER_BYTES,
      bursts.payloadOffset,
      bursts.payloadOffset + bursts.payloadLength,
    );
    for (let i = 0; i < bursts.deliveries; i++) {
      bursts.delivery(i);
      const receiver = this.receivers[connectionIndex(bursts.connection)];
      if (receiver === undefined || receiver.id !== bursts.connection) {
        egressCounts.stale++;
        continue;
      }
      writeFields(view, scratch, bursts.marker, bursts.payloadType, bursts.sequence, bursts.timestamp, bursts.ssrc);
      if (!receiver.send(packet)) egressCounts.failed++;
      else if (++egressCounts.sent % TIMED_ONE_IN === 0) {
        this.forwardTime.record(Math.max(1, (microseconds() - bursts.stamp) | 0));
      }
    }
  }

  /** A view of the scratch. */
  private packetOf(length: number): Uint8Array {
    let view = this.views[length];
    if (view === undefined) {
      view = this.egress.bytes.subarray(this.scratch, this.scratch + length);
      this.views[length] = view;
    }
    return view;
  }

  private finishLeaves(): void {
    while (this.draining.length > 0 && ((this.egress.position - this.draining[0]!.position) | 0) >= 0) {
      this.draining.shift()!.then();
    }
  }
}

/** The main thread's clock as it fits a stamp, modulo 2^32. */
function microseconds(): number {
  return Math.floor(performance.now() * 1000) | 0;
}
