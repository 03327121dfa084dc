/** Webhooks and their receiver: one that is slow, fails, is away, or answers what it should not. */
import { createServer, type Socket } from 'node:net';
import { equal, is, match, ok } from 'uvu/assert';
import { readConfig } from '../../src/main/config.ts';
import type { WebhookEvent } from '../../src/main/hooks/schema.ts';
import { HookSender } from '../../src/main/hooks/sender.ts';
import { timers } from '../../src/main/timers.ts';
import { freeTcpPort } from '../support/child.ts';
import { type LogRecord, recordLog } from '../support/log-record.ts';
import { scenarios } from '../support/scenario.ts';
import { until } from '../support/waiting.ts';
import {
  accept,
  once,
  refuse,
  SECRET,
  startWebhookReceiver,
  type WebhookReceiver,
} from '../support/webhook-receiver.ts';

const test = scenarios('webhook sender');

interface House {
  readonly sender: HookSender;
  readonly log: LogRecord;
  /** Queues events of a conversation, numbered through. */
  tell(conversation: string, count?: number): void;
}

/** Returns the lines with a message. */
const said = (log: LogRecord, message: string) => log.lines.filter(({ msg }) => msg === message);

let told = 0;
function sendingTo(url: string, env: Record<string, string> = {}): House {
  const config = readConfig({ WEBHOOK_URL: url, WEBHOOK_SECRET: SECRET, WEBHOOK_TIMEOUT_MS: '10000', ...env });
  const log = recordLog();
  const sender = new HookSender(config, log.log, timers);
  const tell = (conversation: string, count = 1): void => {
    for (let i = 0; i < count; i++) {
      const common = { id: `${++told}`, at: Date.now(), source: 'test', conversation, userid: 'ann' };
      sender.add({ ...common, type: 'user.joined' }, [conversation]);
    }
  };
  return { sender, log, tell };
}

async function withReceiver(body: (receiver: WebhookReceiver) => Promise<void>): Promise<void> {
  const receiver = await startWebhookReceiver();
  try {
    await body(receiver);
    equal(receiver.wrong, []);
  } finally {
    await receiver.close();
  }
}

/** Checks that each conversation's events came in order. What is sent again, because the machine was busy, counts once. */
function inOrder(all: readonly WebhookEvent[], count: number): void {
  const accepted = once(all);
  is(accepted.length, count);
  const latest = new Map<string, number>();
  for (const { conversation, id } of accepted) {
    ok(Number(id) > (latest.get(conversation) ?? 0), `${id} of ${conversation}`);
    latest.set(conversation, Number(id));
  }
}

const all = (count: number) => (accepted: readonly WebhookEvent[]) => once(accepted).length >= count;

test('events are signed, go together if they come together, and are in order in each conversation', () =>
  withReceiver(async (receiver) => {
    const { sender, tell } = sendingTo(receiver.url);
    for (let i = 0; i < 50; i++) for (const room of ['a', 'b', 'c']) tell(room);
    await receiver.until('all', all(150));
    inOrder(receiver.accepted, 150);
    is(receiver.requests.count, 3, 'one for each conversation');
    await until('the answers came', () => sender.queued === 0);
    equal(sender.counts, { sent: 150, failed: 0, dropped: 0 });
    is(await sender.close(1000), 0);
  }));

test('a conversation whose delivery hangs holds no other, and is delivered later', () =>
  withReceiver(async (receiver) => {
    receiver.reply = (response, events, request) => {
      if (events[0]!.conversation !== 'slow') accept(response, events, request);
    };
    const { sender, tell } = sendingTo(receiver.url, { WEBHOOK_TIMEOUT_MS: '500' });
    tell('slow', 3);
    for (let i = 0; i < 100; i++) tell(`room ${i % 10}`);
    await receiver.until('the others', all(100));
    await until('the others are done', () => sender.queued === 3);
    receiver.reply = accept;
    await receiver.until('the slow one', all(103));
    inOrder(receiver.accepted, 103);
    ok(receiver.requests.most <= 16, `${receiver.requests.most} at a time`);
    await sender.close(1000);
  }));

test('what fails is tried again, later each time, until it is accepted', () =>
  withReceiver(async (receiver) => {
    const at: number[] = [];
    receiver.reply = (response, events, request) => {
      at.push(performance.now());
      (at.length <= 3 ? refuse(500) : accept)(response, events, request);
    };
    const { sender, tell, log } = sendingTo(receiver.url);
    tell('a', 2);
    await receiver.until('both', all(2));
    is(at.length, 4);
    const pauses = at.slice(1).map((time, i) => time - at[i]!);
    for (const [i, pause] of pauses.entries()) ok(pause >= 0.75 * 250 * 2 ** i - 5, pauses.join());
    await until('the answers came', () => sender.queued === 0);
    equal(sender.counts, { sent: 2, failed: 0, dropped: 0 });
    equal(log.lines, []);
    await sender.close(1000);
  }));

test('Retry-After is heeded', () =>
  withReceiver(async (receiver) => {
    const at: number[] = [];
    receiver.reply = (response, events, request) => {
      at.push(performance.now());
      (at.length === 1 ? refuse(429, { 'Retry-After': '2' }) : accept)(response, events, request);
    };
    const { sender, tell } = sendingTo(receiver.url);
    tell('a');
    await receiver.until('it', all(1));
    ok(at[1]! - at[0]! >= 1990, `${at[1]! - at[0]!}`);
    await sender.close(1000);
  }));

test('an event that is refused for what it is holds nothing up, and takes none of those beside it along', () =>
  withReceiver(async (receiver) => {
    receiver.reply = (response, events, request) => {
      const bad = events.some(({ id }) => id.endsWith('3'));
      (bad ? refuse(400) : accept)(response, events, request);
    };
    const { sender, tell, log } = sendingTo(receiver.url);
    told = 100;
    tell('a', 10);
    await receiver.until('nine', all(9));
    await until('one is given up', () => sender.counts.failed === 1);
    inOrder(receiver.accepted, 9);
    is(said(log, 'events for WEBHOOK_URL were given up').length, 1);
    await until('the answers came', () => sender.queued === 0);
    await sender.close(1000);
  }));

test('what fails for too long is given up, and what follows it is sent', () =>
  withReceiver(async (receiver) => {
    receiver.reply = refuse(503);
    const { sender, tell, log } = sendingTo(receiver.url, { WEBHOOK_RETRY_MS: '500' });
    for (const room of ['a', 'b', 'c']) tell(room);
    await until('they are given up', () => sender.counts.failed === 3);
    receiver.reply = accept;
    tell('a');
    await receiver.until('the next', all(1));
    await until('the answers came', () => sender.queued === 0);
    equal(sender.counts, { sent: 1, failed: 3, dropped: 0 });
    is(said(log, 'events for WEBHOOK_URL were given up').length, 1, 'one line for several');
    await sender.close(1000);
  }));

test('while the receiver is away everything waits, once a second somebody asks, and nothing is lost when it is back', async () => {
  const port = await freeTcpPort();
  const { sender, tell, log } = sendingTo(`http://127.0.0.1:${port}/hooks?from=sfu`);
  for (let i = 0; i < 200; i++) tell(`room ${i % 50}`);
  await until('it counts as down', () => said(log, 'events cannot be delivered: look at WEBHOOK_URL').length === 1);
  is(sender.queued, 200);
  const receiver = await startWebhookReceiver(accept, port);
  await receiver.until('all', all(200));
  inOrder(receiver.accepted, 200);
  is(said(log, 'events are delivered to WEBHOOK_URL again').length, 1);
  await until('the answers came', () => sender.queued === 0);
  equal(sender.counts, { sent: 200, failed: 0, dropped: 0 });
  await sender.close(1000);
  await receiver.close();
});

test('a full queue drops what comes, counts it, and says so once', () =>
  withReceiver(async (receiver) => {
    receiver.reply = () => undefined;
    const { sender, tell, log } = sendingTo(receiver.url, { WEBHOOK_QUEUE: '10', WEBHOOK_TIMEOUT_MS: '500' });
    tell('a', 25);
    equal([sender.queued, sender.counts.dropped], [10, 15]);
    is(log.lines.length, 1);
    match(log.lines[0]!.msg, /the queue of events for WEBHOOK_URL is full/);
    receiver.reply = accept;
    await receiver.until('the first ones', all(10));
    await until('there is room', () => sender.queued === 0);
    tell('a');
    await receiver.until('the next', all(11));
    is(sender.counts.dropped, 15);
    receiver.reply = () => undefined;
    tell('a', 25);
    is(log.lines.length, 2, 'it says so again after there was room');
    receiver.reply = accept;
    await sender.close(1000);
  }));

test('hostile answers neither end the process nor stop it from sending', async () => {
  const answers = [
    '',
    'hello\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n',
    `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`,
    'HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n',
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n',
    'HTTP/1.1 999 No\r\nRetry-After: 99999999999\r\nContent-Length: 0\r\n\r\n',
    'HTTP/1.1 100 Continue\r\n\r\n',
  ];
  let asked = 0;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    socket.once('data', () => socket.end(answers[asked++ % answers.length] ?? ''));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const { sender, tell } = sendingTo(`http://127.0.0.1:${port}/`, { WEBHOOK_RETRY_MS: '0', WEBHOOK_TIMEOUT_MS: '500' });
  for (let i = 0; i < answers.length; i++) {
    tell(`room ${i}`);
    await until('it is given up', () => sender.counts.failed === i + 1);
  }
  is(sender.counts.sent, 0);
  is(sender.queued, 0);
  for (const socket of sockets) socket.destroy();
  server.close();
  await sender.close(100);
});

test('an answer whose body never ends counts by its status, and holds no socket for long', () =>
  withReceiver(async (receiver) => {
    receiver.reply = (response) => {
      response.writeHead(200);
      response.write('x'.repeat(50_000));
    };
    const { sender, tell } = sendingTo(receiver.url, { WEBHOOK_TIMEOUT_MS: '500' });
    for (let i = 0; i < 40; i++) tell(`room ${i}`);
    await receiver.until('all', all(40));
    await until('all are sent', () => sender.counts.sent === 40);
    await sender.close(1000);
  }));

test('at the end what is queued is sent in the time that is left, and what is not is counted as lost', () =>
  withReceiver(async (receiver) => {
    const { sender, tell } = sendingTo(receiver.url);
    tell('a', 200);
    is(await sender.close(5000), 0);
    inOrder(receiver.accepted, 200);
    receiver.reply = () => undefined;
    const other = sendingTo(receiver.url);
    other.tell('a', 7);
    is(await other.sender.close(200), 7);
    is(said(other.log, 'events for WEBHOOK_URL are lost, because this process ends')[0]?.['lost'], 7);
  }));

test.run();
