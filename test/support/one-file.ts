/** Runs one test file, as a process of its own: `node one-file.js <path>`. Tells its parent what {@link Report} says. */
import { constants } from 'node:os';
import { basename } from 'node:path';
import { run } from 'uvu/run';
import { report } from './report.ts';

// By default a signal ends a process without its exit hooks, and those end the servers that a test started.
for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => process.exit(128 + constants.signals[signal]));
}
process.once('disconnect', () => process.exit(1));

const file = process.argv[2]!;
await run([{ name: basename(file), file }]);
await report({ kind: 'end' });
// node-datachannel keeps the event loop alive for as long as a client of a test lives.
process.exit(process.exitCode ?? 0);
