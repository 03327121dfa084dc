/**
 * Ends the process at a deadline, whatever the main thread waits for: the native library, a loop, a pipe that nobody
 * reads. A timer of the main thread cannot, so threads of their own wait for the deadline. They are there only while
 * the service shuts down; before, a blocked process is found by the health check.
 */
import { hostname } from 'node:os';
import { Worker } from 'node:worker_threads';
import { milliseconds, toBeat } from '../../workers/clock.ts';
import type { Log } from '../log/log.ts';

/** What a thread is given. */
export interface WatchdogData {
  /** How it ends the process: with an exit code, or by SIGKILL if that hangs. */
  readonly by: 'exit' | 'kill';
  /** One word, the deadline: `toBeat` of a time; a change is notified. */
  readonly deadline: Int32Array<SharedArrayBuffer>;
  /** What the line of the log begins with, or null for none. */
  readonly log: { readonly json: boolean; readonly pid: number; readonly hostname: string } | null;
}

const THREAD = new URL('./watchdog-thread.js', import.meta.url);
/** What ending takes, so that it is over at the deadline: so many milliseconds, or of a short time this share. */
const RESERVE_MS = 200;
const RESERVE_SHARE = 0.1;
/** It needs next to nothing; with the defaults V8 reserves some MB more. */
const RESOURCES = { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 8, stackSizeMb: 1 };

export class Watchdog {
  private readonly deadline = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  private readonly log: Log;
  private started = false;

  constructor(log: Log) {
    this.log = log;
  }

  /** The process ends with exit code 1 unless it ends by itself within `timeout` milliseconds, from now, less than 2^31. */
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
    // Nothing of what this process was started with is for this thread; and it says nothing of experimental features.
    const execArgv = ['--no-warnings'];
    const thread = new Worker(THREAD, { workerData, execArgv, resourceLimits: RESOURCES, name: `watchdog ${by}` });
    thread.unref();
    thread.on('error', (err) => this.fallBack(err));
  }

  /** A timer of the main thread is better than none, if there can be no other thread. */
  private fallBack(err: unknown): void {
    this.log.error({ err }, 'there is no watchdog; the shutdown is bounded only while the main thread runs');
    setInterval(() => {
      if (((Atomics.load(this.deadline, 0) - toBeat(milliseconds())) | 0) > 0) return;
      this.log.error('not closed in time');
      process.exit(1);
    }, 100).unref();
  }
}
