/**
 * Fault injection: loaded before the server with `node --import`, this module keeps track of the server's worker
 * threads, and breaks one of them or blocks the main thread when the parent process sends an order. The server is not
 * changed.
 *
 * Node passes `--import` on to worker threads. There the same module commits the fault in a function that the worker
 * calls while it forwards a packet.
 */
import { createRequire, syncBuiltinESMExports } from 'node:module';
import { isMainThread, type Worker, type WorkerOptions, workerData } from 'node:worker_threads';

/** Faults of a worker: `terminate` ends it from outside, the others happen while it forwards a packet. */
export const WORKER_FAULTS = ['terminate', 'throw', 'exit', 'loop', 'memory'] as const;
export type WorkerFault = (typeof WORKER_FAULTS)[number];

export type FaultOrder =
  /** Breaks a worker, by its index among the running ones; if `lasting`, also every worker that starts later. */
  | { readonly type: 'break'; readonly fault: WorkerFault; readonly worker: number; readonly lasting: boolean }
  /** Blocks the main thread. */
  | { readonly type: 'stall'; readonly milliseconds: number };

interface Alive {
  readonly worker: Worker;
  readonly flag: Int32Array;
}

/**
 * Words that a worker reads: the fault's index in the list, the calls until it happens, and whether it happens again.
 */
const Flag = { Fault: 0, Looks: 1, Lasting: 2, Words: 3 } as const;

if (isMainThread) watchWorkers();
else if (workerData?.faultFlag instanceof Int32Array) injectWhenTold(workerData.faultFlag);

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
  // The channel for orders must not keep the process alive.
  process.channel?.unref();
}

function injectWhenTold(flag: Int32Array): void {
  const { min } = Math;
  // The worker calls this several times for each packet, before and between its listeners.
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
