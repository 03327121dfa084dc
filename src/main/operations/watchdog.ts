/**
 * Ends the process at a deadline, even if the main thread is blocked by the native library, a loop, or a pipe that
 * nobody reads. A timer of the main thread could not do that, so two threads wait for the deadline. They exist only
 * during a shutdown; before that, the health check finds a blocked process.
 */
import { hostname } from 'node:os';
import { Worker } from 'node:worker_threads';
import { milliseconds, toBeat } from '../../workers/clock.ts';
import type { Log } from '../log/log.ts';

/** The input of a thread. */
export interface WatchdogData {
  /** How the thread ends the process: with an exit code, or by SIGKILL in case that hangs. */
  readonly by: 'exit' | 'kill';
  /** The deadline, one word: `toBeat` of a time. Changes are notified. */
  readonly deadline: Int32Array<SharedArrayBuffer>;
  /** The common fields of log lines; null if no line is written. */
  readonly log: { readonly json: boolean; readonly pid: number; readonly hostname: string } | null;
}

const THREAD = new URL('./watchdog-thread.js', import.meta.url);
/** How long before the deadline the exit begins: so many milliseconds, or this share of a short time. */
const RESERVE_MS = 200;
const RESERVE_SHARE = 0.1;
/** A thread needs next to nothing. With the defaults, V8 would reserve some MB more. */
const RESOURCES = { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 8, stackSizeMb: 1 };

export class Watchdog {
  private readonly deadline = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  private readonly log: Log;
  private started = false;

  constructor(log: Log) {
    this.log = log;
  }

  /** Ends the process with exit code 1 unless it ends within `timeout` milliseconds, which must be less than 2^31. */
  endWithin(timeout: number): void {
    const begins = timeout - Math.min(RESERVE_MS, RESERVE_SHARE * timeout);
    Atomics.store(this.deadline, 0, toBeat(milliseconds() + begins));
    Atomics.notify(this.deadline, 0);
    if (this.started) return;
    this.started = true;
    this.start('exit');
    this.start('kill');
  }

  private start(by: 'exit' | 'kill'): void {
    const json = process.stdout.isTTY !== true;
    const log = this.log.isLevelEnabled('error') ? { json, pid: process.pid, hostname: hostname() } : null;
    const workerData: WatchdogData = { by, deadline: this.deadline, log };
    // The options of this process are not for the thread, and it does not warn about experimental features.
    const execArgv = ['--no-warnings'];
    const thread = new Worker(THREAD, { workerData, execArgv, resourceLimits: RESOURCES, name: `watchdog ${by}` });
    thread.unref();
    thread.on('error', (err) => this.fallBack(err));
  }

  /** Uses a timer of the main thread if there can be no other thread. */
  private fallBack(err: unknown): void {
    this.log.error({ err }, 'there is no watchdog; the shutdown is bounded only while the main thread runs');
    setInterval(() => {
      if (((Atomics.load(this.deadline, 0) - toBeat(milliseconds())) | 0) > 0) return;
      this.log.error('not closed in time');
      process.exit(1);
    }, 100).unref();
  }
}
