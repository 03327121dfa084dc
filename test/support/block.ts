/** Loaded before the server: from the first SIGTERM on its main thread stands still, as the query says. */
import { pino } from 'pino';

const ways: Readonly<Record<string, () => void>> = {
  loop() {
    for (;;);
  },
  native() {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  },
  /** Nobody reads what it writes, and it waits until the pipe, which does not block, takes it. */
  pipe() {
    const log = pino.destination({ sync: true });
    for (;;) log.write(`${'x'.repeat(65_536)}\n`);
  },
};

// Once the server's own handler has run.
const block = ways[new URL(import.meta.url).search.slice(1)]!;
process.once('SIGTERM', () => setImmediate(block));
