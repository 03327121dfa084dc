/**
 * Runs every `*.test.js` beside it with uvu, or only those whose path contains one of the arguments:
 * `node dist/test/run.js ring sdp`.
 */
import { fileURLToPath } from 'node:url';
import { parse } from 'uvu/parse';
import { run } from 'uvu/run';

const wanted = process.argv.slice(2);
const { suites } = await parse(fileURLToPath(new URL('.', import.meta.url)), /\.test\.js$/);
const chosen = suites.filter(({ name }) => wanted.length === 0 || wanted.some((part) => name.includes(part)));
if (chosen.length === 0) throw new Error(`no test file matches ${wanted.join(' ')}`);
await run(chosen);
// node-datachannel keeps the event loop alive for as long as a client of a test lives.
process.exit(process.exitCode ?? 0);
