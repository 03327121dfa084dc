/** Clients that come from the address and port of one that is not given up yet. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { is, ok } from 'uvu/assert';
import { scenarios } from './support/scenario.ts';
import { freeUdpPort, startServer } from './support/server.ts';

const test = scenarios('ghosts');
const SCRIPT = fileURLToPath(new URL('./support/one-client.js', import.meta.url));
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

interface Outcome {
  readonly code: number;
  readonly reason: string;
  /** Until the websocket was closed, milliseconds. */
  readonly took: number;
  /** Kills it without a goodbye. */
  kill(): Promise<void>;
}

/** Connects a client in a process of its own, bound to a UDP port. */
async function client(url: string, userid: string, port: number, talks: boolean, relay = 0): Promise<Outcome> {
  const args = [url, userid, String(port), String(+talks), String(relay)];
  const child = spawn(process.execPath, [SCRIPT, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  running.add(child);
  const gone = new Promise<void>((resolve) =>
    child.once('exit', () => {
      running.delete(child);
      resolve();
    }),
  );
  const line = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout! }).once('line', resolve);
    child.once('exit', () => reject(new Error('the client ended')));
  });
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL');
    await gone;
  };
  return { ...JSON.parse(line), kill };
}

for (const [who, second] of [
  ['the same user', 'ann'],
  ['another user', 'bob'],
] as const) {
  for (const talks of [true, false]) {
    test(`on one media port, ${who} connects from the address and port of a client that was killed${talks ? '' : ', silent ones'}`, async () => {
      const server = await startServer();
      const port = await freeUdpPort();
      const first = await client(server.url, 'ann', port, talks);
      is(first.code, 1000, first.reason);
      await first.kill();
      const next = await client(server.url, second, port, talks);
      is(next.code, 1000, next.reason);
      ok(next.took < 5000, `${next.took} ms`);
      await next.kill();
      is(await server.stop(), 0);
    }, 40);
  }
}

test('on four media ports with even loads, a stranger from there connects at once', async () => {
  const first = await freeUdpPort();
  const server = await startServer({ MEDIA_PORTS: [0, 1, 2, 3].map((i) => first + i).join() });
  const port = await freeUdpPort();
  const all = await Promise.all([0, 1, 2, 3].map((i) => client(server.url, `u${i}`, i === 2 ? port : 0, true)));
  await all[2]!.kill();
  const next = await client(server.url, 'stranger', port, true);
  is(next.code, 1000, next.reason);
  for (const { kill } of [...all, next]) await kill();
  is(await server.stop(), 0);
}, 40);

test.run();
