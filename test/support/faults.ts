/**
 * Faults from outside: loaded before the server with `node --import`, it remembers the server's worker threads and breaks
 * one of them, or holds the main thread up, when the parent process says so. The server itself is as it is.
 *
 * Node hands `--import` on to worker threads, so the same file, in there, waits for its turn in a function that the
 * worker calls in the midst of a packet.
 */
import { createRequire, syncBuiltinESMExports } from 'node:module';
import { isMainThread, type Worker, type WorkerOptions, workerData } from 'node:worker_threads';

/** What can be done to a worker: it is ended from outside, or does this itself in the midst of a packet. */
export const WORKER_FAULTS = ['terminate', 'throw', 'exit', 'loop', 'memory'] as const;
export type WorkerFault = (typeof WORKER_FAULTS)[number];

export type FaultOrder =
  /** Breaks a worker, by its place among those that live; `lasting`, and all that are started from then on. */
  | { readonly type: 'break'; readonly fault: WorkerFault; readonly worker: number; readonly lasting: boolean }
  /** Blocks the main thread. */
  | { readonly type: 'stall'; readonly milliseconds: number };

interface Alive {
  readonly worker: Worker;
  readonly flag: Int32Array;
}

/** Words that a worker looks at: the fault to commit, by its place in the list, after how many looks, and whether again. */
const Flag = { Fault: 0, Looks: 1, Lasting: 2, Words: 3 } as const;

if (isMainThread) watchWorkers();
else if (workerData?.faultFlag instanceof Int32Array) lieInWait(workerData.faultFlag);

function watchWorkers(): void {
  const threads: { Worker: typeof Worker } = createRequire(import.meta.url)('node:worker_threads');
  const alive: Alive[] = [];
  let lasting = 0;
  threads.Worker = class extends threads.Worker {
    constructor(file: string | URL, options: WorkerOptions = {}) {
      const flag = new Int32Array(new SharedArrayBuffer(Flag.Words * 4));
      flag[Flag.Fault] = lasting;
      flag[Flag.Lasting] = Number(lasting > 0);
      super(file, { ...options, workerData: { faultFlag: flag } });
      const entry: Alive = { worker: this, flag };
      alive.push(entry);
      this.once('exit', () => alive.splice(alive.indexOf(entry), 1));
    }
  };
  syncBuiltinESMExports();
  process.on('message', (order: FaultOrder) => {
    const at = performance.timeOrigin + performance.now();
    if (order.type === 'stall') {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, order.milliseconds);
    } else {
      const { worker, flag } = alive[order.worker]!;
      const fault = WORKER_FAULTS.indexOf(order.fault);
      if (order.lasting) lasting = fault;
      flag[Flag.Lasting] = Number(order.lasting);
      flag[Flag.Looks] = Math.floor(Math.random() * 8);
      if (order.fault === 'terminate') void worker.terminate();
      else Atomics.store(flag, Flag.Fault, fault);
    }
    process.send!(at);
  });
  // The orders' channel alone keeps no process alive.
  process.channel?.unref();
}

function lieInWait(flag: Int32Array): void {
  const { min } = Math;
  // Asked for several times in the course of a packet, before and between its listeners.
  Math.min = (...values: number[]): number => {
    const fault = WORKER_FAULTS[Atomics.load(flag, Flag.Fault)]!;
    if (fault !== 'terminate' && Atomics.sub(flag, Flag.Looks, 1) <= 0) {
      if (flag[Flag.Lasting] === 0) Atomics.store(flag, Flag.Fault, 0);
      commit(fault);
    }
    return min(...values);
  };
}

function commit(fault: WorkerFault): void {
  switch (fault) {
    case 'throw':
      throw new Error('injected');
    case 'exit':
      return process.exit(3);
    case 'loop':
      for (;;);
    case 'memory': {
      const hoard: unknown[] = [];
      for (;;) hoard.push(new Array(1e5).fill(hoard.length));
    }
    case 'terminate':
      return;
    default:
      fault satisfies never;
  }
}
