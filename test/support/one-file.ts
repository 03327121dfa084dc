/** Runs one test file as a process: `node one-file.js <path>`. It sends its parent {@link Report}s. */
import { constants } from 'node:os';
import { basename } from 'node:path';
import { run } from 'uvu/run';
import { report } from './report.ts';

// By default a signal ends a process without its exit hooks, and the hooks end the servers that a test started.
for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => process.exit(128 + constants.signals[signal]));
}
process.once('disconnect', () => process.exit(1));

const file = process.argv[2]!;
await run([{ name: basename(file), file }]);
await report({ kind: 'end' });
// node-datachannel keeps the event loop alive as long as one of the test's clients exists.
process.exit(process.exitCode ?? 0);
