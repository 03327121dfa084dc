/** The beginning: signals are heard before anything else is loaded, which takes longer than all the rest of the start. */
import { endAtSignals } from './operations/early-signals.ts';

// Whoever asks something on the command line wants its answer, not an exit code that looks like one.
if (process.argv.length === 2) endAtSignals();
const { run } = await import('./cli.ts');
await run(process.argv.slice(2));
