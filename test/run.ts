/**
 * Runs every `*.test.js` beside it with uvu, or only those whose path contains one of the arguments:
 * `node dist/test/run.js ring sdp`.
 *
 * All of them run in two processes at a time: those with browsers, which mostly wait, and the others. What the first one
 * says comes when it is done.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parse } from 'uvu/parse';
import { run } from 'uvu/run';

const LANE = '--lane=';
/** Files of the lane of that name; the other one has the rest. */
const WITH_BROWSERS = /(^|\/)(browser|demo)[^/]*$/;

const wanted = process.argv.slice(2);
if (wanted.length === 0) {
  const codes = await Promise.all([lane('browsers', true), lane('others', false)]);
  process.exit(Math.max(...codes));
}
const { suites } = await parse(fileURLToPath(new URL('.', import.meta.url)), /\.test\.js$/);
const chosen = suites.filter(({ name }) =>
  wanted.some((part) =>
    part.startsWith(LANE) ? (part === `${LANE}browsers`) === WITH_BROWSERS.test(name) : name.includes(part),
  ),
);
if (chosen.length === 0) throw new Error(`no test file matches ${wanted.join(' ')}`);
await run(chosen);
// node-datachannel keeps the event loop alive for as long as a client of a test lives.
process.exit(process.exitCode ?? 0);

/** Runs one lane in a process of its own. @returns its exit code. */
function lane(name: string, later: boolean): Promise<number> {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), LANE + name], {
    stdio: ['ignore', later ? 'pipe' : 'inherit', later ? 'pipe' : 'inherit'],
  });
  const said: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => said.push(chunk));
  return new Promise((resolve) => {
    child.once('close', (code) => {
      process.stdout.write(Buffer.concat(said));
      resolve(code ?? 1);
    });
  });
}
