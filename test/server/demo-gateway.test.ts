/** The HTTP side of `npm run demo`, without a browser. */
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { equal, is, match, not, ok } from 'uvu/assert';
import { WebSocket } from 'ws';
import { type RunningDemo, startDemo } from '../support/demo.ts';
import { scenarios } from '../support/scenario.ts';
import { until } from '../support/waiting.ts';

const test = scenarios('demo-gateway');

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
}

/** Sends a request with any headers, also those that browsers and fetch do not send. */
async function send(url: string, headers: Record<string, string> = {}, method = 'GET', body = ''): Promise<Answer> {
  const sent = request(url, { method, headers, agent: false });
  sent.end(body);
  const [answer] = await once(sent, 'response');
  let text = '';
  for await (const chunk of answer) text += chunk;
  return { status: answer.statusCode, headers: answer.headers, text };
}

async function withDemo(body: (demo: RunningDemo) => Promise<void>): Promise<void> {
  const demo = await startDemo();
  try {
    await body(demo);
  } finally {
    is(await demo.stop(), 0);
  }
}

test(
  'it prints its purpose and one URL, and serves the page there with a strict policy',
  () =>
    withDemo(async ({ url, lines }) => {
      ok(lines.some((line) => line.includes('FOR DEVELOPMENT ONLY')));
      is(lines.filter((line) => line.includes('Open')).length, 1);
      const { status, headers, text } = await send(url);
      is(status, 200);
      match(String(headers['content-security-policy']), "default-src 'none'; script-src 'self'; style-src 'self'");
      // What begins with # is in the page itself: its icons.
      for (const [, path] of text.matchAll(/(?:href|src)="([^"#][^"]*)"/g)) {
        ok(path!.startsWith('/'), path);
        is((await send(`${url}${path}`)).status, 200, path);
      }
      is((await send(`${url}/main.ts`)).status, 404);
      is((await send(`${url}/..%2fpackage.json`)).status, 404);
    }),
  40,
);

test(
  'it turns a token into a claim, takes the prefix off, and passes no claim of the client’s own',
  () =>
    withDemo(async ({ url }) => {
      const claim = { 'X-User-Claim': '{"userid":"mallory","clientid":"x"}' };
      is((await send(`${url}/webrtc/join/kitchen?token=ann`, {}, 'POST')).status, 200);
      const bearer = (token: string): Promise<Answer> =>
        send(`${url}/webrtc/join/kitchen`, { authorization: `Bearer ${token}` }, 'POST');
      is((await bearer(`${encodeURIComponent('Zoë 中 😀')}.tab`)).status, 200);
      for (const bad of ['%zz', '%ff', '.', '.tab', 'ann.']) is((await bearer(bad)).status, 401, bad);
      is((await send(`${url}/webrtc/join/kitchen`, claim, 'POST')).status, 401);
      is((await send(`${url}/join/kitchen?token=ann`, claim, 'POST')).status, 404, 'without the prefix');
      is((await send(`${url}/webrtc/join/kitchen?token=ann`, claim, 'POST')).status, 200);
      const { rooms } = JSON.parse((await send(`${url}/demo/state`)).text);
      equal(rooms, [{ id: 'kitchen', users: 2 }], 'ann and Zoë, and no mallory');
      const socket = new WebSocket(`${url.replace('http', 'ws')}/webrtc/connect?token=ann`);
      await once(socket, 'open');
      socket.send('no SDP');
      const [code] = await once(socket, 'close');
      is(code, 4400, 'the server itself has answered');
    }),
  40,
);

test(
  'it answers no other site, and no other name that leads to loopback',
  () =>
    withDemo(async ({ url }) => {
      const { port } = new URL(url);
      const ask = async (headers: Record<string, string>): Promise<number> =>
        (await send(`${url}/demo/state`, headers)).status;
      is(await ask({}), 200);
      is(await ask({ host: `localhost:${port}`, origin: `http://localhost:${port}` }), 200);
      is(await ask({ host: 'evil.example' }), 403);
      is(await ask({ host: `127.0.0.1.evil.example:${port}` }), 403);
      is(await ask({ origin: 'https://evil.example' }), 403);
      is(await ask({ origin: 'null' }), 403);
      for (const origin of ['https://evil.example', 'null']) {
        const socket = new WebSocket(`${url.replace('http', 'ws')}/webrtc/connect?token=ann`, { origin });
        const [error] = await once(socket, 'error');
        match(String(error), '403');
      }
    }),
  40,
);

test(
  'it accepts valid orders for bots only',
  () =>
    withDemo(async ({ url }) => {
      const order = async (body: unknown): Promise<Answer> =>
        send(`${url}/demo/bots`, {}, 'POST', typeof body === 'string' ? body : JSON.stringify(body));
      equal(JSON.parse((await order({ room: 'kitchen', count: 1 })).text), { count: 1, maxBots: 50 });
      const bad = [51, -1, 1.5, '1', null].map((count) => ({ room: 'kitchen', count }));
      const rooms = ['', '.', '..', '\ud800', 'a\nb', 'x'.repeat(257), 7, null].map((room) => ({ room, count: 1 }));
      for (const body of [...bad, ...rooms, '', '{', 'null', '[]', '1'.repeat(100_000)]) {
        const { status, text } = await order(body);
        is(status, 400, JSON.stringify(body));
        match(text, 'a whole number from 0 to 50');
      }
      equal(JSON.parse((await send(`${url}/demo/state`)).text).bots, { kitchen: 1 });
    }),
  40,
);

test('nothing of it is left when it ends', async () => {
  const mark = `DEMO_MARK=${process.pid}`;
  const [name, value] = mark.split('=') as [string, string];
  const demo = await startDemo({ [name]: value });
  await send(`${demo.url}/demo/bots`, {}, 'POST', JSON.stringify({ room: 'kitchen', count: 2 }));
  const running = processesWith(mark);
  if (running !== null) ok(running.length >= 3, 'the demo, the server and the bots');
  is(await demo.stop(), 0);
  not.ok(
    demo.lines.some((line) => line.includes('HAS ENDED')),
    'it was meant to end',
  );
  await until('no process is left', () => !processesWith(mark)?.length);
}, 40);

/** Returns the processes that have this in their environment; null where the system does not tell. */
function processesWith(mark: string): string[] | null {
  if (!existsSync('/proc/self/environ')) return null;
  return readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(mark);
    } catch {
      return false;
    }
  });
}

test(
  'it starts the server again when that dies',
  () =>
    withDemo(async (demo) => {
      const after = demo.lines.length;
      await demo.killServer();
      await demo.printed(/the server is running/, after);
      is((await send(`${demo.url}/webrtc/join/kitchen?token=ann`, {}, 'POST')).status, 200);
    }),
  40,
);

test('a port in use is no reason to give up, a bad one is', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address() as { port: number };
  const demo = await startDemo({ DEMO_PORT: String(port) });
  try {
    ok(demo.lines.some((line) => line.includes(`port ${port} is in use`)));
    is((await send(demo.url)).status, 200);
  } finally {
    await demo.stop();
    taken.close();
  }
  let message = '';
  await startDemo({ DEMO_PORT: 'eighty' }).catch((error: Error) => {
    message = error.message;
  });
  match(message, 'the demo ended (1)');
}, 60);

test.run();
