/** Webhooks of a real server: what happens to memberships reaches a receiver, once and in order. */
import { createHmac } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { request } from 'undici';
import { equal, is, match, ok } from 'uvu/assert';
import { WebSocket } from 'ws';
import { freeTcpPort, listens, startChild } from '../support/child.ts';
import { launchUntilExit } from '../support/launch.ts';
import { scrape } from '../support/metrics.ts';
import { temporaryFolder } from '../support/proxies.ts';
import { scenarios } from '../support/scenario.ts';
import { claimHeader, type RunningServer, startServer } from '../support/server.ts';
import { SECRET, startWebhookReceiver, told, type WebhookReceiver } from '../support/webhook-receiver.ts';

const test = scenarios('webhooks');
const DOCUMENT = readFileSync(new URL('../../../docs/webhooks.md', import.meta.url), 'utf8');

async function withServer(
  body: (server: RunningServer, receiver: WebhookReceiver) => Promise<void>,
  env: Record<string, string> = {},
): Promise<void> {
  const receiver = await startWebhookReceiver();
  const server = await startServer({ WEBHOOK_URL: receiver.url, WEBHOOK_SECRET: SECRET, ...env });
  try {
    await body(server, receiver);
    equal(receiver.wrong, []);
  } finally {
    server.process.kill('SIGKILL');
    await receiver.close();
  }
}

async function ask(server: RunningServer, method: 'POST' | 'DELETE', user: string, room: string): Promise<void> {
  is((await fetch(`${server.url}/join/${room}`, { method, headers: claimHeader(user) })).status, 200);
}
async function act(server: RunningServer, room: string, user: string, name: string): Promise<void> {
  const path = `/conversations/${room}/users/${user}/${name}`;
  is((await fetch(`${server.adminUrl}${path}`, { method: 'POST' })).status, 200);
}

test('who joins, moves, is silenced, kicked, leaves and is forgotten is told, with the beginnings and ends of conversations', () =>
  withServer(
    async (server, receiver) => {
      await ask(server, 'POST', 'ann', 'attic');
      await ask(server, 'POST', 'ann', 'attic');
      await ask(server, 'POST', 'bob', 'attic');
      await ask(server, 'POST', 'ann', 'cellar');
      await act(server, 'cellar', 'ann', 'mute');
      await act(server, 'cellar', 'ann', 'mute');
      await act(server, 'cellar', 'ann', 'unmute');
      await act(server, 'cellar', 'ann', 'kick');
      await ask(server, 'DELETE', 'bob', 'cellar');
      await ask(server, 'DELETE', 'bob', 'attic');
      await ask(server, 'POST', 'cid', 'attic');
      await receiver.until('all', (accepted) => accepted.length >= 15);
      const of = (room: string): string[] =>
        receiver.accepted.map(told).filter((text) => new RegExp(`\\b${room}\\b`).test(text));
      equal(of('attic'), [
        'attic began',
        'ann joined attic',
        'bob joined attic',
        'ann moved from attic to cellar',
        'bob left attic: left',
        'attic ended: empty',
        'attic began',
        'cid joined attic',
        'cid left attic: expired',
        'attic ended: empty',
      ]);
      equal(of('cellar'), [
        'cellar began',
        'ann moved from attic to cellar',
        'ann in cellar silenced',
        'ann in cellar heard again',
        'ann left cellar: kicked',
        'cellar ended: empty',
      ]);
      is(new Set(receiver.accepted.map(({ id }) => id)).size, receiver.accepted.length);
      is(new Set(receiver.accepted.map(({ source }) => source)).size, 1);
      for (const { at } of receiver.accepted) ok(Math.abs(Date.now() - at) < 60_000);
      const seen = await scrape(server.adminUrl);
      is(seen.value('sfu_webhook_events_total', { outcome: 'sent' }), receiver.accepted.length);
      is(seen.value('sfu_webhook_events_queued'), 0);
      is(seen.value('sfu_webhook_delivery_seconds_count'), receiver.accepted.length);
      ok(!server.logs.join('\n').includes(SECRET));
    },
    { MEMBERSHIP_TIMEOUT_MS: '1000' },
  ));

test('with the end of its only instance a conversation ends, and so it is told before the process ends', () =>
  withServer(async (server, receiver) => {
    await ask(server, 'POST', 'ann', 'attic');
    await ask(server, 'POST', 'bob', 'cellar');
    is(await server.stop(), 0);
    const end = receiver.accepted.map(told).filter((text) => text.includes('ended'));
    equal(end.sort(), ['attic ended: shutdown', 'cellar ended: shutdown']);
    const again = await startServer({ WEBHOOK_URL: receiver.url, WEBHOOK_SECRET: SECRET });
    await ask(again, 'POST', 'ann', 'attic');
    await receiver.until('it begins again', (accepted) => told(accepted.at(-1)!) === 'ann joined attic');
    is(new Set(receiver.accepted.map(({ source }) => source)).size, 2, 'another start is another source');
    is(await again.stop(), 0);
  }));

test('a tap that records is told, from its beginning to its end, and to that of the process', () =>
  withServer(async (server, receiver) => {
    const open = async (query: string): Promise<WebSocket> => {
      const socket = new WebSocket(`${server.adminUrl.replace('http', 'ws')}/conversations/attic/tap${query}`);
      socket.on('error', () => undefined);
      await new Promise((resolve) => socket.once('open', resolve));
      return socket;
    };
    await ask(server, 'POST', 'ann', 'attic');
    const [first, second] = [await open(''), await open('')];
    await open('?recording=0');
    first.close();
    await receiver.until('the first end', (accepted) => accepted.length >= 5);
    second.pause();
    is(await server.stop(), 0);
    equal(receiver.accepted.map(told), [
      'attic began',
      'ann joined attic',
      'attic is recorded',
      'attic is recorded',
      'attic is no longer recorded',
      'attic is no longer recorded',
      'attic ended: shutdown',
    ]);
    const named = receiver.accepted.flatMap((event) => ('recording' in event ? [event.recording] : []));
    equal(new Set(named), new Set([named[0], named[1]]));
    is(new Set(receiver.accepted.map(({ id }) => id)).size, receiver.accepted.length);
  }));

test('a receiver that hangs delays neither joins nor the end, and what is lost is logged', () =>
  withServer(
    async (server, receiver) => {
      receiver.reply = () => undefined;
      const begun = performance.now();
      for (let i = 0; i < 100; i++) await ask(server, 'POST', `user${i}`, `room${i % 5}`);
      ok(performance.now() - begun < 10_000, `${performance.now() - begun}`);
      is((await scrape(server.adminUrl)).value('sfu_webhook_events_queued'), 105);
      is(await server.stop(), 0);
      match(await server.logged('events for WEBHOOK_URL are lost'), /"lost":110/);
    },
    { SHUTDOWN_TIMEOUT_MS: '2000' },
  ));

test('the receiver in docs/webhooks.md takes what is signed, once, and nothing else', async () => {
  const code = /```js\n([\s\S]*?)```/.exec(DOCUMENT)![1]!;
  ok(code.trim().split('\n').length <= 20, 'twenty lines');
  const file = join(temporaryFolder('receiver'), 'receiver.mjs');
  writeFileSync(file, code);
  const port = await freeTcpPort();
  const child = startChild(process.execPath, [file], {
    env: { ...process.env, WEBHOOK_SECRET: SECRET, PORT: String(port) },
  });
  await listens(port, child);
  const server = await startServer({
    WEBHOOK_URL: `http://127.0.0.1:${port}/`,
    WEBHOOK_SECRET: `${SECRET},the-next-secret-of-it`,
  });
  await ask(server, 'POST', 'ann', 'attic');
  await child.said('user.joined');
  is(await server.stop(), 0);
  const types = (): string[] => child.lines.map((line) => /(?:user|conversation)\.\w+/.exec(line)?.[0] ?? line);
  equal(types(), ['conversation.began', 'user.joined', 'conversation.ended']);
  const post = async (body: string, signed = body, seconds = Math.floor(Date.now() / 1000)): Promise<number> => {
    const hex = createHmac('sha256', SECRET).update(`${seconds}.${signed}`).digest('hex');
    const headers = { 'X-Signature': `t=${seconds},v1=${hex}` };
    return (await request(`http://127.0.0.1:${port}/`, { method: 'POST', body, headers })).statusCode;
  };
  const body = JSON.stringify({ v: 1, events: [{ type: 'user.joined', id: 'x' }] });
  is(await post(body), 204);
  is(await post(body), 204);
  is(await post(body, `${body} `), 401);
  is(await post(body, body, Math.floor(Date.now() / 1000) - 400), 401);
  is((await request(`http://127.0.0.1:${port}/`, { method: 'POST', body })).statusCode, 401);
  is(types().length, 4, 'a repeat is dropped');
  await child.stop();
});

test('WEBHOOK_URL without a secret, or with what is no URL, ends the process at the start', async () => {
  for (const [env, message] of [
    [{ WEBHOOK_URL: 'http://a' }, /^WEBHOOK_URL is set and WEBHOOK_SECRET is empty/],
    [
      { WEBHOOK_URL: 'http://user:pass@a', WEBHOOK_SECRET: SECRET },
      /^WEBHOOK_URL is "http:\/\/user:\*\*\*@a"; allowed/,
    ],
    [{ WEBHOOK_SECRET: 'short' }, /^WEBHOOK_SECRET is "\*\*\*"; allowed/],
  ] as const) {
    const { code, stderr } = await launchUntilExit({ LISTEN: '127.0.0.1:0', ...env });
    is(code, 1);
    match(stderr.join('\n'), message);
  }
});

test.run();
