/** A receiver of webhooks on loopback, which checks signatures and schema, and replies as the test says. */
import { createHmac } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as v from 'valibot';
import { WebhookBody, type WebhookEvent } from '../../src/main/hooks/schema.ts';
import { until } from './waiting.ts';

export const SECRET = 'a-secret-for-webhooks';

/** Answers a request. Events count as accepted if it answers with 2xx. */
export type WebhookReply = (
  response: ServerResponse,
  events: readonly WebhookEvent[],
  request: IncomingMessage,
) => void;

export const accept: WebhookReply = (response) => response.writeHead(204).end();
/** Refuses with a status. */
export const refuse =
  (status: number, headers: Record<string, string> = {}): WebhookReply =>
  (response) =>
    response.writeHead(status, headers).end();

export interface WebhookReceiver {
  readonly port: number;
  readonly url: string;
  /** Events of requests that were answered with 2xx, in order, repeats included. */
  readonly accepted: WebhookEvent[];
  /** What was wrong with requests. */
  readonly wrong: string[];
  /** Requests that came, and the most that were under way at a time. */
  readonly requests: { count: number; most: number };
  reply: WebhookReply;
  /** Waits until events have been accepted. */
  until(what: string, holds: (accepted: readonly WebhookEvent[]) => boolean): Promise<void>;
  close(): Promise<void>;
}

/** Starts a receiver. @param port the port to listen on; any free one by default. */
export async function startWebhookReceiver(reply: WebhookReply = accept, port = 0): Promise<WebhookReceiver> {
  const requests = { count: 0, most: 0 };
  let underWay = 0;
  const server = createServer((request, response) => {
    requests.count++;
    requests.most = Math.max(requests.most, ++underWay);
    response.once('close', () => underWay--);
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString();
      const problem = whatIsWrong(request, body);
      if (problem !== null) {
        here.wrong.push(problem);
        response.writeHead(401).end();
        return;
      }
      const { events } = JSON.parse(body) as { events: WebhookEvent[] };
      here.reply(response, events, request);
      if (response.headersSent && response.statusCode < 300) here.accepted.push(...events);
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const address = server.address() as AddressInfo;
  const here: WebhookReceiver = {
    port: address.port,
    url: `http://127.0.0.1:${address.port}/hooks?from=sfu`,
    accepted: [],
    wrong: [],
    requests,
    reply,
    until: async (what, holds) => void (await until(what, async () => holds(here.accepted), { interval: 10 })),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return here;
}

/** Returns what is wrong with a request, as a careful receiver sees it; null for nothing. */
export function whatIsWrong({ method, url, headers }: IncomingMessage, body: string): string | null {
  if (method !== 'POST' || url !== '/hooks?from=sfu') return `${method} ${url}`;
  if (headers['content-type'] !== 'application/json') return String(headers['content-type']);
  const signature = String(headers['x-signature']);
  const [, seconds, hex] = /^t=(\d+),v1=([0-9a-f]{64})(?:,v1=[0-9a-f]{64})?$/.exec(signature) ?? [];
  if (Math.abs(Number(seconds) - Date.now() / 1000) > 5) return `late: ${signature}`;
  if (hex !== createHmac('sha256', SECRET).update(`${seconds}.${body}`).digest('hex')) return `forged: ${signature}`;
  const read = v.safeParse(WebhookBody, JSON.parse(body));
  return read.success ? null : `${JSON.stringify(read.issues[0].message)} in ${body}`;
}

/** Returns an event in few words. */
export function told(event: WebhookEvent): string {
  const { type, conversation } = event;
  switch (type) {
    case 'conversation.began':
      return `${conversation} began`;
    case 'conversation.ended':
      return `${conversation} ended: ${event.why}`;
    case 'user.joined':
      return `${event.userid} joined ${conversation}`;
    case 'user.left':
      return `${event.userid} left ${conversation}: ${event.why}`;
    case 'user.moved':
      return `${event.userid} moved from ${event.from} to ${conversation}`;
    case 'recording.began':
      return `${conversation} is recorded`;
    case 'recording.ended':
      return `${conversation} is no longer recorded`;
    case 'user.silenced':
      return `${event.userid} in ${conversation} ${event.silenced ? 'silenced' : 'heard again'}`;
    default:
      return event satisfies never;
  }
}

/** Returns events without repeats, as receivers do. */
export function once(events: readonly WebhookEvent[]): WebhookEvent[] {
  return [...new Map(events.map((event) => [event.id, event])).values()];
}
