/**
 * Main's side of one worker: packets in through the ingress ring, packets out of the egress ring to the peers, commands
 * and reports over the port.
 *
 * It outlasts the worker: a new one takes over the same memory. What the dead one published is whole, for a ring's head
 * moves behind the bytes, and is sent before anything of its successor's; counters go on; what it had not read is thrown
 * away, for one of these packets may have been the cause.
 */
import type { MessagePort } from 'node:worker_threads';
import { Bell } from '../../workers/bell.ts';
import { milliseconds, toBeat, toStamp } from '../../workers/clock.ts';
import {
  BEAT_WORD,
  COUNTER_WORDS,
  type Command,
  Drop,
  EGRESS_BELL,
  type Report,
  type ShardMemory,
} from '../../workers/protocol.ts';
import { discard, RingWriter } from '../../workers/ring.ts';
import { Egress, type Receiver } from './egress.ts';

/**
 * Packets sent before the event loop gets a turn: about 2 ms of work, so that HTTP and ICE are never kept waiting
 * longer.
 */
const PUMP_BUDGET = 256;

/** Told what workers report. */
export interface ShardEvents {
  /** A worker runs. @param thread the id of its thread. */
  started(thread: number): void;
  /** Another speaker leads a conversation. @param conversation its key. @param speaker the number, 0 for nobody. */
  dominantChanged(conversation: number, speaker: number): void;
}

export class Shard {
  /** Slots and publishers placed here: what conversations are balanced by. */
  load = 0;
  /** What comes from the worker. */
  readonly egress: Egress;
  private port: MessagePort;
  private readonly memory: ShardMemory;
  private readonly ingress: RingWriter;
  private readonly workerBell: Bell;
  private readonly mainBell: Bell;
  private readonly commands: Int32Array;
  private readonly counterWords: Int32Array;
  private readonly leaving = new Map<number, () => void>();
  private readonly draining: { position: number; then: () => void }[] = [];
  private readonly events: ShardEvents;
  private pumping = false;

  /** @param maxDelay packets older than this are not sent any more, milliseconds. */
  constructor(
    memory: ShardMemory,
    port: MessagePort,
    receivers: readonly (Receiver | undefined)[],
    maxDelay: number,
    events: ShardEvents,
  ) {
    this.port = port;
    this.events = events;
    this.memory = memory;
    this.ingress = new RingWriter(memory.ingress);
    this.egress = new Egress(memory, receivers, maxDelay);
    this.workerBell = new Bell(memory.memory, memory.workerBell);
    this.mainBell = new Bell(memory.memory, memory.mainBell);
    this.commands = new Int32Array(memory.memory, memory.commands, 1);
    this.counterWords = new Int32Array(memory.memory, memory.counters, COUNTER_WORDS);
    this.listenTo(port);
    this.mainBell.arm();
  }

  /**
   * Goes on with a new worker, which knows nothing of anybody: all that it has to know is to be told before the event
   * loop's next turn. Only once nothing of the one before runs any more.
   *
   * @param port to the new worker, which need not run yet.
   * @returns how many packets were thrown away unread.
   */
  replaceWorker(port: MessagePort): number {
    this.port.close();
    this.port = port;
    this.listenTo(port);
    const unread = discard(this.memory.ingress);
    Atomics.add(this.counterWords, Drop.WorkerEnded, unread);
    // Whoever it had not let go of is let go of: it writes nothing more for anybody.
    const position = this.egress.published;
    for (const then of this.leaving.values()) this.draining.push({ position, then });
    this.leaving.clear();
    // It may have taken the bell and died before it rang.
    if (!this.pumping) {
      this.pumping = true;
      setImmediate(() => this.pump());
    }
    return unread;
  }

  /** Milliseconds of the shared clock at the worker's latest turn, modulo 2^32: moves as long as the worker does. */
  get beat(): number {
    return Atomics.load(this.counterWords, BEAT_WORD);
  }

  /** Wakes the worker, which then beats. */
  nudge(): void {
    this.workerBell.ring();
  }

  /** The worker's counters, by the indexes of `Drop` and `Count`; they wrap at 2^32. */
  counter(index: number): number {
    return this.counterWords[index]! >>> 0;
  }

  /**
   * How long ago the worker began its latest turn, milliseconds; an idle one takes a turn once a second. While a worker
   * starts this counts from the end of the one before, or from the shard's making.
   *
   * @param now of `milliseconds` in `src/workers/clock.ts`.
   */
  beatAge(now: number): number {
    return Math.max(0, (toBeat(now) - this.beat) | 0);
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

  /** How full each ring is at this moment, as a share of its capacity, 0 … 1. */
  get fill(): { ingress: number; egress: number } {
    return { ingress: this.ingress.fillShare, egress: this.egress.fill };
  }

  /**
   * Hands a publisher's packet to the worker.
   *
   * @param stamp when it came, of `toStamp`; now if left out.
   * @returns false if the ring was full.
   */
  push(connection: number, packet: Uint8Array, stamp = toStamp(milliseconds())): boolean {
    const taken = this.ingress.push(connection, packet, stamp);
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
    this.command({ type: 'leave', connection, position: this.ingress.position });
  }

  /** Stops or resumes forwarding what a connection publishes. */
  mute(connection: number, muted: boolean): void {
    this.command({ type: 'mute', connection, muted });
  }

  /** Changes what a connection hears. */
  listen(command: Extract<Command, { type: 'listen' }>): void {
    this.command(command);
  }

  /** Ends the worker once it has forwarded what is in its ring. */
  stop(): void {
    this.command({ type: 'stop' });
  }

  close(): void {
    this.port.close();
  }

  private listenTo(port: MessagePort): void {
    this.counterWords[BEAT_WORD] = toBeat(milliseconds());
    port.on('message', (report: Report) => {
      // What a dead worker said last is void.
      if (port === this.port) this.take(report);
    });
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
        return this.events.started(report.thread);
      case 'dominant':
        return this.events.dominantChanged(report.conversation, report.speaker);
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
    const more = this.egress.send(PUMP_BUDGET);
    this.finishLeaves();
    if (!more) {
      this.mainBell.arm();
      if (this.egress.empty) {
        this.pumping = false;
        return;
      }
      this.mainBell.disarm();
    }
    setImmediate(() => this.pump());
  }

  /** An empty ring has nothing for anybody, whatever its position, which a ring that was overwritten may have lost. */
  private finishLeaves(): void {
    const reached = (position: number): boolean => ((this.egress.position - position) | 0) >= 0 || this.egress.empty;
    while (this.draining.length > 0 && reached(this.draining[0]!.position)) this.draining.shift()!.then();
  }
}
