/**
 * Starts one shard's worker, and replaces it if it ends by itself or hangs. The new worker is told everything that the
 * old one served.
 *
 * Checks are counted, not timed: a worker hangs if it has not moved during several checks in a row, although each check
 * woke it. A stalled main thread, a stopped process and a suspended machine count as one check each, however long they
 * last.
 */
import { MessageChannel, type MessagePort, type Worker } from 'node:worker_threads';
import type { WorkerTask } from '../../workers/protocol.ts';
import type { Log } from '../log/log.ts';
import type { Cancel, Timers } from '../timers.ts';
import type { Receiver } from './egress.ts';
import { Shard } from './shard.ts';

/** How often a worker is checked, milliseconds. */
const LOOK_INTERVAL_MS = 250;
/** Checks without a sign of life after which a worker counts as hung: two seconds. */
const HUNG_LOOKS = 8;
/** The same for a worker that starts, or that does not end when it is terminated: ten seconds. */
const STUCK_LOOKS = 40;
/** A worker has ended early if it ends within this time of its start, milliseconds. */
const EARLY_MS = 1000;
/** Early ends in a row after which the supervisor gives up. */
const MAX_EARLY = 5;
/** Wait before a start after two early ends in a row, milliseconds. It doubles with each further one. */
const BACKOFF_MS = 100;

/** Where workers run. */
export interface Threads {
  /** Runs a worker. Settles once it has ended and nothing of it runs any more. */
  run(task: WorkerTask): Promise<unknown>;
  /** Returns a thread by its id. */
  find(threadId: number): Pick<Worker, 'terminate'> | undefined;
}

/** How much a new worker was told. */
export interface Rebuilt {
  readonly conversations: number;
  readonly connections: number;
}

/** What the workers serve. */
export interface Served {
  /** Tells a shard's new worker of everything that the shard serves. */
  rebuild(shard: Shard): Rebuilt;
  /** Another speaker leads a conversation. @param conversation its key. @param speaker the number, 0 for nobody. */
  dominantChanged(conversation: number, speaker: number): void;
}

/** What a supervisor works with. */
export interface SupervisorParts {
  /** The worker's number, for the log. */
  readonly index: number;
  readonly threads: Threads;
  readonly task: Omit<WorkerTask, 'port'>;
  readonly receivers: readonly (Receiver | undefined)[];
  /** Milliseconds. */
  readonly maxDelay: number;
  readonly served: Served;
  /** Called when the supervisor gives up. */
  readonly failed: (error: Error) => void;
  readonly log: Log;
  readonly timers: Timers;
}

/** The end of a worker, kept until its successor runs. */
interface End extends Rebuilt {
  readonly at: number;
  readonly error: unknown;
  /** Packets that it had not read. */
  readonly unread: number;
}

export class WorkerSupervisor {
  readonly shard: Shard;
  /** Number of workers replaced so far. */
  restarts = 0;
  private readonly parts: SupervisorParts;
  private readonly stopLooking: Cancel;
  /** The thread that runs the worker; undefined while it starts or ends. */
  private thread: Pick<Worker, 'terminate'> | undefined;
  private startedAt = Number.NEGATIVE_INFINITY;
  private end: End | null = null;
  /** Early ends in a row. */
  private early = 0;
  /** Cancels a delayed start; null if none is due. */
  private waiting: Cancel | null = null;
  private running: Promise<void>;
  private stopping = false;
  private lastBeat = 0;
  private missed = 0;
  private hung = false;
  private ready: () => void = () => undefined;
  private readonly readyPromise = new Promise<void>((resolve) => {
    this.ready = resolve;
  });

  constructor(parts: SupervisorParts) {
    this.parts = parts;
    const { port1, port2 } = new MessageChannel();
    this.shard = new Shard(parts.task.shard, port1, parts.receivers, parts.maxDelay, {
      started: (thread) => this.started(thread),
      dominantChanged: (conversation, speaker) => parts.served.dominantChanged(conversation, speaker),
    });
    this.running = this.run(port2);
    this.stopLooking = parts.timers.every(LOOK_INTERVAL_MS, () => this.look());
  }

  /** Resolves once the first worker runs. */
  whenReady(): Promise<void> {
    return this.readyPromise;
  }

  /** Ends the worker, which forwards the packets in its ring first. */
  async stop(): Promise<void> {
    this.stopping = true;
    this.waiting?.();
    this.shard.stop();
    await this.running;
    this.stopLooking();
    this.shard.close();
  }

  /** Checks whether the worker moves. */
  private look(): void {
    const { beat } = this.shard;
    if (beat !== this.lastBeat || this.waiting !== null) {
      this.lastBeat = beat;
      this.missed = 0;
      return;
    }
    this.missed++;
    this.shard.nudge();
    const { thread } = this;
    if (thread !== undefined && this.missed >= HUNG_LOOKS) {
      this.thread = undefined;
      this.hung = true;
      void thread.terminate();
    } else if (this.missed >= STUCK_LOOKS) {
      this.missed = 0;
      this.parts.failed(new Error(this.hung ? 'a hung worker cannot be ended' : 'a worker does not start'));
    }
  }

  private run(port: MessagePort): Promise<void> {
    const { threads, task } = this.parts;
    return threads.run({ ...task, port }).then(
      () => this.ended(new Error('the worker returned')),
      (error: unknown) => this.ended(error),
    );
  }

  private started(threadId: number): void {
    this.thread = this.parts.threads.find(threadId);
    this.startedAt = this.parts.timers.now();
    this.ready();
    if (this.end === null) return;
    const { at, error, ...figures } = this.end;
    this.end = null;
    const ms = Math.round(this.startedAt - at);
    this.parts.log.error({ err: error, worker: this.parts.index, ...figures, ms }, 'a worker ended and was replaced');
  }

  /** Replaces a worker that has ended, or gives up. */
  private ended(cause: unknown): void {
    this.thread = undefined;
    // The successor starts with a clean record.
    this.missed = 0;
    if (this.stopping) return;
    const at = this.parts.timers.now();
    const error = this.hung ? new Error('the worker hung and was ended', { cause }) : cause;
    this.hung = false;
    this.early = at - this.startedAt < EARLY_MS || this.end !== null ? this.early + 1 : 0;
    if (this.early >= MAX_EARLY) {
      this.parts.failed(
        new Error(`a worker ended ${this.early} times in a row within ${EARLY_MS} ms of its start: ${error}`, {
          cause: error,
        }),
      );
      return;
    }
    const { port1, port2 } = new MessageChannel();
    const unread = this.shard.replaceWorker(port1);
    this.end = { at: this.end?.at ?? at, error, unread, ...this.parts.served.rebuild(this.shard) };
    this.restarts++;
    if (this.early < 2) this.running = this.run(port2);
    else this.waiting = this.parts.timers.after(BACKOFF_MS * 2 ** (this.early - 2), () => this.runLate(port2));
  }

  private runLate(port: MessagePort): void {
    this.waiting = null;
    this.running = this.run(port);
  }
}
