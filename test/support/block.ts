/** Loaded before the server: blocks its main thread from the first SIGTERM on, in the way that the query says. */
import { pino } from 'pino';

const ways: Readonly<Record<string, () => void>> = {
  loop() {
    for (;;);
  },
  native() {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  },
  /** Writes a log that nobody reads, and waits for a non-blocking pipe to accept it. */
  pipe() {
    const log = pino.destination({ sync: true });
    for (;;) log.write(`${'x'.repeat(65_536)}\n`);
  },
};

// Only after the server's own handler has run.
const block = ways[new URL(import.meta.url).search.slice(1)]!;
process.once('SIGTERM', () => setImmediate(block));
