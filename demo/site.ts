/** Answers the requests that the demo's gateway does not pass on: for the page, its files, and the demo's own API. */
import { readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { BotCrew } from './bots/crew.ts';
import { MAX_BOTS } from './bots/protocol.ts';
import { refuse, urlOf } from './gateway.ts';

/** The page's folder, relative to the compiled file in `dist/demo`. */
const PAGE = new URL('../../demo/page/', import.meta.url);
const SCRIPT = '/page.js';

const FILES: Readonly<Record<string, { readonly url: URL; readonly type: string }>> = {
  '/': { url: new URL('index.html', PAGE), type: 'text/html' },
  ...Object.fromEntries(
    ['style.css', 'join.css', 'call.css', 'people.css', 'panels.css'].map((name) => [
      `/${name}`,
      { url: new URL(name, PAGE), type: 'text/css' },
    ]),
  ),
  '/icon.svg': { url: new URL('icon.svg', PAGE), type: 'image/svg+xml' },
};

/** These headers keep the page from loading anything from elsewhere, and other sites from embedding it. */
const HEADERS = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    'media-src blob: mediastream:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
};

const MAX_BODY_BYTES = 4096;
/** Longest name of a room, as the server limits a conversation's id. */
const MAX_ROOM_LENGTH = 256;

/** What the page learns about the demo. */
export interface DemoState {
  readonly server: 'up' | 'down';
  /** Connections to the server; null while it is down. */
  readonly connections: number | null;
  /** Rooms that have users. */
  readonly rooms: readonly { readonly id: string; readonly users: number }[];
  /** Number of bots in each room. */
  readonly bots: Readonly<Record<string, number>>;
  readonly maxBots: number;
  /** Ids of the instances that run; null if there is only one server. */
  readonly instances: readonly string[] | null;
  /** Origin of the page for others in the network; null if only this machine reaches it. */
  readonly origin: string | null;
}

/** The servers as the page's side sees them. */
export interface Servers {
  /** URL of an operators' listener; null while no server is running. */
  readonly adminUrl: string | null;
  /** Whether they are instances of a cluster. */
  readonly clustered: boolean;
}

/** Where a client is connected. */
export interface DemoPlace {
  readonly userid: string;
  readonly clientid: string;
  readonly instance: string;
}

interface OperatorsUser {
  readonly userid: string;
  readonly connections: readonly { readonly clientid: string; readonly instance: string }[];
}

/** Answers requests for the page and for `/demo/`. */
export class Site {
  /** Origin of the page for others in the network; null if only this machine reaches it. */
  origin: string | null = null;
  private readonly script: Uint8Array;
  private readonly crew: BotCrew;
  private readonly servers: Servers;

  /** @param script the page's script. */
  constructor(script: Uint8Array, crew: BotCrew, servers: Servers) {
    this.script = script;
    this.crew = crew;
    this.servers = servers;
  }

  /** Answers a request. @returns false if the request is for the server. */
  answer(req: IncomingMessage, res: ServerResponse): boolean {
    const task = this.taskOf(`${req.method} ${urlOf(req).pathname}`, req, res);
    task?.catch((error: Error) => (res.headersSent ? res.destroy() : refuse(res, 500, error.message)));
    return task !== null;
  }

  /** Starts the answer to a request of this method and path. @returns null if the demo has no answer to it. */
  private taskOf(what: string, req: IncomingMessage, res: ServerResponse): Promise<void> | null {
    if (what === `GET ${SCRIPT}`) return Promise.resolve(send(res, 'text/javascript; charset=utf-8', this.script));
    if (what === 'GET /demo/state') return this.state().then((state) => sendJson(res, state));
    if (what === 'GET /demo/places') return this.places(urlOf(req)).then((places) => sendJson(res, places));
    if (what === 'POST /demo/bots') return this.bots(req, res);
    const file = FILES[what.replace('GET ', '')];
    return file === undefined
      ? null
      : readFile(file.url).then((body) => send(res, `${file.type}; charset=utf-8`, body));
  }

  private async state(): Promise<DemoState> {
    const { clustered } = this.servers;
    const common = { bots: this.crew.counts, maxBots: MAX_BOTS, origin: this.origin };
    try {
      const { conversations: rooms } = await this.operators<{ conversations: DemoState['rooms'] }>('/conversations');
      if (!clustered) {
        const { connections } = await this.operators<{ connections: number }>('/readyz');
        return { server: 'up', connections, rooms, instances: null, ...common };
      }
      const { instances } = await this.operators<{ instances: { id: string; connections: number }[] }>('/cluster');
      const connections = instances.reduce((sum, one) => sum + one.connections, 0);
      return { server: 'up', connections, rooms, instances: instances.map(({ id }) => id).sort(), ...common };
    } catch {
      return { server: 'down', connections: null, rooms: [], instances: null, ...common };
    }
  }

  /** Returns which instance each client in a room is on. Empty without a cluster, or if nobody is there. */
  private async places(url: URL): Promise<readonly DemoPlace[]> {
    const room = url.searchParams.get('room') ?? '';
    if (!this.servers.clustered || !canBeJoined(room)) return [];
    try {
      const { users = [] } = await this.operators<{ users?: OperatorsUser[] }>(
        `/conversations/${encodeURIComponent(room)}`,
      );
      return users.flatMap(({ userid, connections }) =>
        connections.map(({ clientid, instance }) => ({ userid, clientid, instance })),
      );
    } catch {
      return [];
    }
  }

  /** Asks an operators' listener. */
  private async operators<T>(path: string): Promise<T> {
    const { adminUrl } = this.servers;
    if (adminUrl === null) throw new Error('no server');
    return (await fetch(`${adminUrl}${path}`)).json() as Promise<T>;
  }

  /** Sets the number of bots in a room, as the body `{ room, count }` says. */
  private async bots(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const order = readOrder(await readBody(req));
    if (order === null) {
      const room = `a room of 1 to ${MAX_ROOM_LENGTH} characters`;
      return refuse(res, 400, `Send {"room": …, "count": …}: ${room}, and a whole number from 0 to ${MAX_BOTS}.`);
    }
    sendJson(res, { count: this.crew.place(order.room, order.count), maxBots: MAX_BOTS });
  }
}

/** Reads the body of an order for bots. @returns null if it is invalid. */
function readOrder(text: string): { room: string; count: number } | null {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return null;
  }
  const { room, count } = (json ?? {}) as { room?: unknown; count?: unknown };
  if (typeof room !== 'string' || room.length > MAX_ROOM_LENGTH || !canBeJoined(room)) return null;
  if (typeof count !== 'number' || !Number.isInteger(count) || count < 0 || count > MAX_BOTS) return null;
  return { room, count };
}

/**
 * Returns whether the server lets bots into the room. Bots that could never join would also never be removed from it. A
 * dot is a step in a path, and half a character has no UTF-8.
 */
function canBeJoined(room: string): boolean {
  return !['', '.', '..'].includes(room) && room.isWellFormed() && !/\p{Cc}/u.test(room);
}

/** Returns the body as text. A body that is too long is cut off, so that it is not valid JSON. */
async function readBody(req: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of req as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes <= MAX_BODY_BYTES) chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function send(res: ServerResponse, type: string, body: Uint8Array | string): void {
  res.writeHead(200, { ...HEADERS, 'content-type': type }).end(body);
}

function sendJson(res: ServerResponse, value: object): void {
  send(res, 'application/json', JSON.stringify(value));
}
