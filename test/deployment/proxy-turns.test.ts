/** Several instances behind the shipped proxies: each gets its turn, and what one refuses the next one answers. */
import { createServer, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { equal, is, ok } from 'uvu/assert';
import { send } from '../support/proxied-server.ts';
import { behindProxies, type ProxyKind, type ReverseProxy, startProxy } from '../support/proxies.ts';
import { exchange, HANDSHAKE } from '../support/raw.ts';
import { scenarios } from '../support/scenario.ts';
import { type StandIn, startStandIn } from '../support/stand-in.ts';

const test = scenarios('proxy turns');
const SECONDS = 60;
const REQUESTS = 20;
/** Longest time until a request gets past an instance that hangs, milliseconds; the proxies allow it 10 s. */
const MAX_HUNG_MS = 20_000;

/** Stands for an instance: answers every request with one status, and counts them. */
class Instance {
  status = 200;
  joins = 0;
  connects = 0;
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();

  constructor() {
    this.server = createServer((request, response) => {
      request.resume();
      // The proxy asks for this to see whether anybody answers.
      if (request.url === '/') return void response.writeHead(404).end();
      this.joins++;
      response.writeHead(this.status, { 'Retry-After': '2', 'X-Instance': String(this.port) }).end();
    });
    this.server.on('connection', (socket) => this.sockets.add(socket));
    this.server.on('upgrade', (_request, socket) => {
      this.connects++;
      const line = this.status === 200 ? '101 Switching Protocols' : `${this.status} No`;
      const headers = this.status === 200 ? 'Upgrade: websocket\r\nConnection: Upgrade' : 'Connection: close';
      socket.end(`HTTP/1.1 ${line}\r\n${headers}\r\nContent-Length: 0\r\n\r\n`);
    });
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  async open(): Promise<this> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  /** Ends it as a kill does. */
  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }
}

interface Field {
  readonly instances: readonly [Instance, Instance];
  readonly proxy: ReverseProxy;
  readonly auth: StandIn;
  /** Joins with a token. @returns the status. */
  join(): Promise<number>;
  /** Asks for a websocket with a token. @returns the status. */
  connect(): Promise<number>;
}

/** @param hung a port whose instance takes connections and answers nothing, in place of the second one. */
async function withTwo(kind: ProxyKind, body: (field: Field) => Promise<void>, hung?: number): Promise<void> {
  const instances = [await new Instance().open(), await new Instance().open()] as const;
  const auth = await startStandIn();
  const [first, second] = instances.map(({ port }) => port) as [number, number];
  const proxy = await startProxy(kind, { server: first, others: [hung ?? second], auth: auth.port });
  const token = await auth.token('ann');
  const join = async (): Promise<number> => (await send(proxy, 'POST', `/join/a?token=${token}`)).status;
  const connect = async (): Promise<number> => {
    const asked = `GET /webrtc/connect?token=${token} HTTP/1.1\r\nHost: x\r\n${HANDSHAKE}\r\n`;
    return Number(/^HTTP\/1\.1 (\d+)/.exec(await exchange(proxy.port, asked, /\r\n\r\n/))?.[1]);
  };
  try {
    await body({ instances, proxy, auth, join, connect });
  } finally {
    await Promise.all([proxy.stop(), auth.stop(), ...instances.map((one) => one.close())]);
  }
}

/** Does something several times, one after the other. @returns what came each time. */
async function times<T>(count: number, act: () => Promise<T>): Promise<T[]> {
  const all: T[] = [];
  for (let i = 0; i < count; i++) all.push(await act());
  return all;
}

behindProxies(
  test,
  'joins and websockets of one user go to both instances in turn',
  (kind) =>
    withTwo(kind, async ({ instances: [a, b], join, connect }) => {
      equal(new Set(await times(REQUESTS, join)), new Set([200]));
      equal([a.joins, b.joins], [REQUESTS / 2, REQUESTS / 2]);
      equal(new Set(await times(REQUESTS, connect)), new Set([101]));
      equal([a.connects, b.connects], [REQUESTS / 2, REQUESTS / 2]);
    }),
  SECONDS,
);

behindProxies(
  test,
  'what an instance answers with 503 the other one answers, and the client notices nothing',
  (kind) =>
    withTwo(kind, async ({ instances: [a, b], join, connect }) => {
      a.status = 503;
      equal(new Set(await times(REQUESTS, join)), new Set([200]));
      equal(new Set(await times(REQUESTS, connect)), new Set([101]));
      equal([b.joins, b.connects], [REQUESTS, REQUESTS]);
      ok(a.joins > 0 && a.connects > 0, 'it is still asked: what it refuses to one it may give to another');
    }),
  SECONDS,
);

behindProxies(
  test,
  'where both answer 503, the client gets it, with its Retry-After; other refusals are not repeated',
  (kind) =>
    withTwo(kind, async ({ instances: [a, b], proxy, auth, join, connect }) => {
      [a.status, b.status] = [503, 503];
      const headers = { Authorization: `Bearer ${await auth.token('ann')}` };
      const refused = await send(proxy, 'POST', '/join/a', headers);
      equal([refused.status, refused.headers['retry-after']], [503, '2']);
      is(refused.headers['access-control-allow-origin'], '*');
      is(await connect(), 503);
      [a.joins, b.joins] = [0, 0];
      for (const status of [401, 404, 409, 429, 500]) {
        [a.status, b.status] = [status, status];
        is(await join(), status);
      }
      is(a.joins + b.joins, 5, 'one instance each');
    }),
  SECONDS,
);

behindProxies(
  test,
  'an instance that is gone is passed over at once',
  (kind) =>
    withTwo(kind, async ({ instances: [a], join, connect }) => {
      await times(2, join);
      await a.close();
      equal(new Set(await times(REQUESTS, join)), new Set([200]));
      equal(new Set(await times(REQUESTS, connect)), new Set([101]));
    }),
  SECONDS,
);

behindProxies(
  test,
  'an instance that hangs holds a join for a while, and the other one answers it',
  async (kind) => {
    const sockets = new Set<Socket>();
    const silent = createTcpServer((socket) => void sockets.add(socket.on('error', () => undefined)));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    try {
      await withTwo(
        kind,
        async ({ join }) => {
          const begun = performance.now();
          equal(new Set(await Promise.all([join(), join(), join(), join()])), new Set([200]));
          const held = performance.now() - begun;
          ok(held < MAX_HUNG_MS, `${held} ms`);
          ok(sockets.size > 0, 'it was asked');
        },
        (silent.address() as AddressInfo).port,
      );
    } finally {
      for (const socket of sockets) socket.destroy();
      silent.close();
    }
  },
  SECONDS,
);

behindProxies(
  test,
  'a request with more of a body or of headers than any needs is refused before anybody is asked',
  (kind) =>
    withTwo(kind, async ({ instances: [a, b], proxy, auth }) => {
      const before = auth.child.lines.length;
      const ask = (lines: string, body = ''): Promise<string> =>
        exchange(
          proxy.port,
          `POST /webrtc/join/a?token=x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${lines}\r\n${body}`,
          /\r\n\r\n/,
        );
      const status = (answer: string): number => Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]);
      is(status(await ask('Content-Length: 17000\r\n', 'x'.repeat(17_000))), 413);
      const long = status(await ask(`X-Long: ${'x'.repeat(40_000)}\r\n`));
      ok(long === 431 || long === 400 || long === 413, `${long}`);
      is(a.joins + b.joins, 0);
      equal(auth.child.lines.slice(before), []);
    }),
  SECONDS,
);

test.run();
