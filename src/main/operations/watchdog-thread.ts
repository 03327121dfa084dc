/**
 * The watchdog's threads. Each waits for the deadline, then ends the process, and needs nothing from the main thread.
 */
import { write } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { WASI } from 'node:wasi';
import { workerData } from 'node:worker_threads';
import { milliseconds, toBeat } from '../../workers/clock.ts';
import type { WatchdogData } from './watchdog.ts';

/** How long writing the last line may take, milliseconds. Perhaps nobody reads the pipe. */
const PATIENCE_MS = 100;
/** How long after the deadline the process is killed, milliseconds, in case the C library's `exit` hangs. */
const KILL_AFTER_MS = 1000;

/**
 * A WebAssembly module whose `_start` calls `proc_exit` of WASI with 1. That ends the process from any thread, with an
 * exit code. `process.exit` in a worker would end the worker only.
 */
const EXIT_WITH_1 = Uint8Array.from([
  ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
  // Types: (i32) -> (), () -> ().
  ...[1, 8, 2, 0x60, 1, 0x7f, 0, 0x60, 0, 0],
  // Import of function 0.
  ...[2, 36, 1, 22, ...Buffer.from('wasi_snapshot_preview1'), 9, ...Buffer.from('proc_exit'), 0, 0],
  // Function 1, and a memory, which WASI requires.
  ...[3, 2, 1, 1, 5, 3, 1, 0, 1],
  ...[7, 19, 2, 6, ...Buffer.from('memory'), 2, 0, 6, ...Buffer.from('_start'), 0, 1],
  // i32.const 1, call 0.
  ...[10, 8, 1, 6, 0, 0x41, 1, 0x10, 0, 0x0b],
]);

/** Only the types of browsers include it. */
interface Wasm {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => object;
}
const wasm = (globalThis as unknown as { readonly WebAssembly: Wasm }).WebAssembly;

const { by, deadline, log } = workerData as WatchdogData;
if (by === 'exit') {
  // Made in advance, because memory may be short when it is needed.
  const wasi = new WASI({ version: 'preview1', returnOnExit: false });
  const exits = new wasm.Instance(new wasm.Module(EXIT_WITH_1), wasi.getImportObject());
  wait(0);
  await Promise.race([written(), sleep(PATIENCE_MS)]);
  wasi.start(exits);
} else {
  // This thread sleeps while the other one exits. A thread that runs JavaScript at that moment may crash.
  wait(KILL_AFTER_MS);
  process.kill(process.pid, 'SIGKILL');
}

/** Blocks until some milliseconds after the deadline, which may change meanwhile. */
function wait(after: number): void {
  for (;;) {
    const until = Atomics.load(deadline, 0);
    const left = (until + after - toBeat(milliseconds())) | 0;
    if (left <= 0) return;
    Atomics.wait(deadline, 0, until, left);
  }
}

/** Writes the last line of the log. Resolves once it is written. */
function written(): Promise<unknown> {
  if (log === null) return Promise.resolve();
  const { json, pid, hostname } = log;
  const msg = 'not closed in time';
  const line = json ? JSON.stringify({ level: 50, time: Date.now(), pid, hostname, msg }) : `ERROR: ${msg}`;
  return new Promise((resolve) => write(1, `${line}\n`, resolve));
}
