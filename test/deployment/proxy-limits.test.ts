/**
 * Limits of the proxies: floods from one address, large conversations behind one address, and a backend-auth that never
 * answers.
 */

import type { AddressInfo } from 'node:net';
import { createServer, type Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import { is, match, ok } from 'uvu/assert';
import { type Answer, type ProxiedServer, send, withProxy } from '../support/proxied-server.ts';
import { behindProxies, type ReverseProxy, startProxy } from '../support/proxies.ts';
import { scenarios } from '../support/scenario.ts';
import { pause } from '../support/waiting.ts';

const test = scenarios('proxy limits');
const SECONDS = 90;
/** Users of a conversation behind one NAT. Each connects, joins, and asks why a connection was refused. */
const ROOM = 250;
const REQUESTS_EACH = 3;
/** The limits in deploy/README.md: requests at once, and requests a second. */
const BURST = 1000;
/** Concurrent requests. */
const ABREAST = 50;
/** Longest time that a hanging backend-auth may hold a request, milliseconds; the proxies allow it 5 s. */
const MAX_HELD_MS = 15_000;

/**
 * Sends requests without a token, which are cheap, until this many are sent or one is 429.
 *
 * @returns the number of each status.
 */
async function flood(
  proxy: ReverseProxy,
  most: number,
): Promise<{ counts: Map<number, number>; limited: Answer | null }> {
  const counts = new Map<number, number>();
  let sent = 0;
  let limited: Answer | null = null;
  const one = async (): Promise<void> => {
    while (sent < most && limited === null) {
      sent++;
      const answer = await send(proxy, sent % 2 === 0 ? 'GET' : 'POST', sent % 2 === 0 ? '/connect' : '/join/x');
      counts.set(answer.status, (counts.get(answer.status) ?? 0) + 1);
      if (answer.status === 429) limited = answer;
    }
  };
  await Promise.all(Array.from({ length: ABREAST }, one));
  return { counts, limited };
}

behindProxies(
  test,
  'a room behind one address comes back at once, a flood is told when to try again, and then one is let in',
  (kind) =>
    withProxy(kind, async ({ proxy, auth }: ProxiedServer) => {
      const token = await auth.token('ann');
      const room = await flood(proxy, ROOM * REQUESTS_EACH);
      is(room.limited, null, 'nobody of the room is refused');
      // On a slow machine the allowance is refilled while it is used.
      const { counts, limited } = await flood(proxy, 20 * BURST);
      ok(limited !== null, JSON.stringify([...counts]));
      is(limited.headers['access-control-allow-origin'], '*');
      match(String(limited.headers['access-control-expose-headers']), /retry-after/i);
      const seconds = Number(limited.headers['retry-after']);
      ok(seconds >= 1 && seconds <= 10, String(limited.headers['retry-after']));
      const preflight = { Origin: 'https://app.example', 'Access-Control-Request-Method': 'POST' };
      ok((await send(proxy, 'OPTIONS', '/join/a', preflight)).status < 300, 'a preflight is no request');
      // The answer promised this time.
      await pause(seconds * 1000);
      is((await send(proxy, 'POST', '/join/a', { Authorization: `Bearer ${token}` })).status, 200);
    }),
  SECONDS,
);

behindProxies(
  test,
  'a backend-auth that never answers holds nobody for long, and lets nobody in',
  async (kind) => {
    const sockets = new Set<Socket>();
    const silent = createServer((socket) => void sockets.add(socket.on('error', () => undefined)));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as AddressInfo;
    // No request gets as far as the server.
    const proxy = await startProxy(kind, { server: port, auth: port });
    try {
      const begun = performance.now();
      const asks = ['/join/a', '/join/b?token=x'].map((path) =>
        send(proxy, 'POST', path, { Authorization: 'Bearer x' }),
      );
      for (const answer of await Promise.all([...asks, send(proxy, 'GET', '/connect?token=x')])) {
        ok(answer.status === 503 || answer.status === 504, `${answer.status}`);
        is(answer.headers['access-control-allow-origin'], '*');
      }
      const held = performance.now() - begun;
      ok(held < MAX_HELD_MS, `${held} ms`);
      ok(sockets.size > 0, 'it was asked');
    } finally {
      await proxy.stop();
      for (const socket of sockets) socket.destroy();
      silent.close();
    }
  },
  SECONDS,
);

test.run();
