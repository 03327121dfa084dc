/**
 * The main thread's side of one worker: packets go in through the ingress ring and come out of the egress ring;
 * commands and reports use the port.
 *
 * A shard outlives its worker: a new worker takes over the same memory. Packets that the old one published are
 * complete, because a ring's head moves after the bytes are written, and they are sent before any of its successor's.
 * Counters go on. Packets that the old worker had not read are dropped, because one of them may have caused its end.
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
 * Most packets sent before the event loop gets a turn. They take about 2 ms, so that HTTP and ICE never wait longer.
 */
const PUMP_BUDGET = 256;
/** Packets that need not wake the worker wait no longer than this while others follow, microseconds. */
const PATIENCE_US = 40_000;

/** Listens to the reports of workers. */
export interface ShardEvents {
  /** A worker runs. @param thread the id of its thread. */
  started(thread: number): void;
  /** Another speaker leads a conversation. @param conversation its key. @param speaker the number, 0 for nobody. */
  dominantChanged(conversation: number, speaker: number): void;
}

export class Shard {
  /** Number of slots and publishers placed here. New conversations go where it is least. */
  load = 0;
  /** Sends the packets of the worker. */
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
  /** Whether the pump runs, or goes on in the event loop's next turn. */
  pumping = false;
  /** When the worker's bell was last rung for a packet, of `toStamp`. */
  private rungAt = 0;

  /** @param maxDelay packets older than this are dropped, milliseconds. */
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
   * Goes on with a new worker, once nothing of the old one runs any more. The new worker knows nothing: the caller has
   * to tell it everything before the event loop's next turn.
   *
   * @param port the port to the new worker, which need not run yet.
   * @returns how many unread packets were dropped.
   */
  replaceWorker(port: MessagePort): number {
    this.port.close();
    this.port = port;
    this.listenTo(port);
    const unread = discard(this.memory.ingress);
    Atomics.add(this.counterWords, Drop.WorkerEnded, unread);
    // The old worker writes nothing more, so that leaves that it has not answered are complete.
    const position = this.egress.published;
    for (const then of this.leaving.values()) this.draining.push({ position, then });
    this.leaving.clear();
    // It may have died between disarming the bell and ringing it.
    if (!this.pumping) {
      this.pumping = true;
      setImmediate(() => this.pump());
    }
    return unread;
  }

  /**
   * Time of the worker's latest turn, milliseconds of the shared clock modulo 2^32. Changes as long as the worker runs.
   */
  get beat(): number {
    return Atomics.load(this.counterWords, BEAT_WORD);
  }

  /** Wakes the worker, so that it takes a turn. */
  nudge(): void {
    this.workerBell.ring();
  }

  /** Returns a counter of the worker, modulo 2^32. @param index of `Drop` or `Count`. */
  counter(index: number): number {
    return this.counterWords[index]! >>> 0;
  }

  /**
   * Returns how long ago the worker began its latest turn, milliseconds. An idle worker takes a turn once a second.
   * While a worker starts, the age counts from the end of the previous one, or from the making of the shard.
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

  /** How often a ring had contents that no writer writes. Anything except 0 is a bug. */
  get corrupt(): number {
    return this.ingress.corrupt + this.egress.corrupt;
  }

  /** How full each ring was at most so far, 0 … 1. */
  get highestFill(): { ingress: number; egress: number } {
    return { ingress: this.ingress.highest, egress: this.egress.highest };
  }

  /** How full each ring is now, 0 … 1. */
  get fill(): { ingress: number; egress: number } {
    return { ingress: this.ingress.fillShare, egress: this.egress.fill };
  }

  /**
   * Hands a publisher's packet to the worker.
   *
   * @param stamp its arrival, as of `toStamp`; now by default.
   * @param wakes whether the worker has to take it at once. Otherwise it may wait for the worker's next turn, at most
   *   for 40 ms if other packets follow, or for a second if none do.
   * @returns false if the ring was full.
   */
  push(connection: number, packet: Uint8Array, stamp = toStamp(milliseconds()), wakes = true): boolean {
    const taken = this.ingress.push(connection, packet, stamp);
    if (wakes || (stamp - this.rungAt) >>> 0 >= PATIENCE_US) {
      this.rungAt = stamp;
      this.workerBell.ring();
    }
    return taken;
  }

  /** Puts a connection into a conversation of this worker. The rows of its slots must be open. */
  join(command: Extract<Command, { type: 'join' }>): void {
    this.command(command);
  }

  /**
   * Takes a connection out of its conversation.
   *
   * @param then called once the worker writes nothing more for the connection and everything written was sent. From
   *   then on another worker may number the packets of its slots.
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

  /** Ends the worker once it has forwarded the packets in its ring. */
  stop(): void {
    this.command({ type: 'stop' });
  }

  close(): void {
    this.port.close();
  }

  private listenTo(port: MessagePort): void {
    this.counterWords[BEAT_WORD] = toBeat(milliseconds());
    port.on('message', (report: Report) => {
      // The last reports of an ended worker are void.
      if (port === this.port) this.take(report);
    });
  }

  private command(command: Command): void {
    this.port.postMessage(command);
    Atomics.add(this.commands, 0, 1);
    this.workerBell.ring();
  }

  private take(report: Report): void {
    if (report === EGRESS_BELL) return this.flush();
    switch (report.type) {
      case 'ready':
        return this.events.started(report.thread);
      case 'dominant':
        return this.events.dominantChanged(report.conversation, report.speaker);
      case 'left': {
        const then = this.leaving.get(report.connection);
        this.leaving.delete(report.connection);
        if (then !== undefined) this.draining.push({ position: report.position, then });
        return this.flush();
      }
      default:
        report satisfies never;
    }
  }

  /** Whether there is something to be sent. */
  get ready(): boolean {
    return !this.egress.empty;
  }

  /** Keeps the worker from waking the event loop until the next {@link flush}. */
  hold(): void {
    this.mainBell.disarm();
  }

  /** Sends the packets that are ready, now. If there are many, the rest follow in the next turns of the event loop. */
  flush(): void {
    if (!this.pumping) this.pump();
  }

  /** Sends the packets that are ready. If more remain, the event loop gets a turn first. */
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

  /** Finishes leaves. An empty ring has nothing left to send, even if it was overwritten and its position is lost. */
  private finishLeaves(): void {
    const reached = (position: number): boolean => ((this.egress.position - position) | 0) >= 0 || this.egress.empty;
    while (this.draining.length > 0 && reached(this.draining[0]!.position)) this.draining.shift()!.then();
  }
}
