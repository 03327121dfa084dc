/** The watchdog's threads: each waits for the deadline, then ends the process. They must need nothing of the main thread. */
import { write } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { WASI } from 'node:wasi';
import { workerData } from 'node:worker_threads';
import { milliseconds, toBeat } from '../../workers/clock.ts';
import type { WatchdogData } from './watchdog.ts';

/** How long the last line may take, for perhaps nobody reads the pipe, milliseconds. */
const PATIENCE_MS = 100;
/** From the deadline to the killing, should the C library's `exit` hang, milliseconds. */
const KILL_AFTER_MS = 1000;

/**
 * `process.exit` in a worker ends the worker. What ends the process from every thread, with an exit code, is WASI's
 * `proc_exit`. This is a WebAssembly module whose `_start` calls it with 1.
 */
const EXIT_WITH_1 = Uint8Array.from([
  ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
  // Types: (i32) -> (), () -> ().
  ...[1, 8, 2, 0x60, 1, 0x7f, 0, 0x60, 0, 0],
  // Import of function 0.
  ...[2, 36, 1, 22, ...Buffer.from('wasi_snapshot_preview1'), 9, ...Buffer.from('proc_exit'), 0, 0],
  // Function 1, and a memory, which WASI insists on.
  ...[3, 2, 1, 1, 5, 3, 1, 0, 1],
  ...[7, 19, 2, 6, ...Buffer.from('memory'), 2, 0, 6, ...Buffer.from('_start'), 0, 1],
  // i32.const 1, call 0.
  ...[10, 8, 1, 6, 0, 0x41, 1, 0x10, 0, 0x0b],
]);

/** Types for it come with a browser's, or not at all. */
interface Wasm {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => object;
}
const wasm = (globalThis as unknown as { readonly WebAssembly: Wasm }).WebAssembly;

const { by, deadline, log } = workerData as WatchdogData;
if (by === 'exit') {
  // Made beforehand: the machine may have little left when it is needed.
  const wasi = new WASI({ version: 'preview1', returnOnExit: false });
  const exits = new wasm.Instance(new wasm.Module(EXIT_WITH_1), wasi.getImportObject());
  wait(0);
  await Promise.race([written(), sleep(PATIENCE_MS)]);
  wasi.start(exits);
} else {
  // It sleeps while the other one exits: a thread that runs JavaScript at that moment may crash.
  wait(KILL_AFTER_MS);
  process.kill(process.pid, 'SIGKILL');
}

/** Waits until so many milliseconds after the deadline, which may change meanwhile. */
function wait(after: number): void {
  for (;;) {
    const until = Atomics.load(deadline, 0);
    const left = (until + after - toBeat(milliseconds())) | 0;
    if (left <= 0) return;
    Atomics.wait(deadline, 0, until, left);
  }
}

/** @returns once the last line of the log is out. */
function written(): Promise<unknown> {
  if (log === null) return Promise.resolve();
  const { json, pid, hostname } = log;
  const msg = 'not closed in time';
  const line = json ? JSON.stringify({ level: 50, time: Date.now(), pid, hostname, msg }) : `ERROR: ${msg}`;
  return new Promise((resolve) => write(1, `${line}\n`, resolve));
}
