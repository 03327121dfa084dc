/**
 * The entry point. It handles signals before it loads anything else, because loading is the longest part of the start.
 */
import { endAtSignals } from './operations/early-signals.ts';

// With a command a signal must not end in exit code 0, which would be an answer.
if (process.argv.length === 2) endAtSignals();
const { run } = await import('./cli.ts');
await run(process.argv.slice(2));
